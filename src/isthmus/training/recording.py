"""What the model makes of a few fixed rows, recorded after every epoch."""

from __future__ import annotations

from typing import Any

import numpy as np

from isthmus.errors import DataError
from isthmus.training.callbacks import Callback, Epoch


class ReconstructionRecorder(Callback):
    """Records the reconstructions of a few rows after every epoch, to see them improve.

    It draws no random numbers, so a training with it is the same as one without. Of a model that is trained in stages
    it sees the training of the whole.

    Parameters
    ----------
    rows : array-like of shape (n, d), (n, H, W) or (n, H, W, C)
        Rows of the data, or others of that shape.

    Attributes
    ----------
    frames : ndarray of shape ``(epochs, n, *shape of a sample)``
        Reconstructions in the data's own units.
    metrics : list of dict
        Row of the history that belongs to each frame.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from isthmus import Autoencoder, Trainer
    >>> from isthmus.training import ReconstructionRecorder
    >>> X = load_digits().images
    >>> recorder = ReconstructionRecorder(X[:5])
    >>> trainer = Trainer(callbacks=[recorder])
    >>> ae = Autoencoder(latent_dim=8, max_epochs=3, trainer=trainer, random_state=0).fit(X)
    >>> recorder.frames.shape
    (3, 5, 8, 8)
    """

    def __init__(self, rows: Any) -> None:
        from isthmus.models.inputs import known_dtype

        self.rows = known_dtype(np.asarray(rows))
        self.metrics: list[dict[str, float]] = []
        self._frames: list[np.ndarray] = []

    @property
    def frames(self) -> np.ndarray:
        """Reconstructions, ``(epochs, n, *shape of a sample)``."""
        if not self._frames:
            raise DataError(
                "no epoch was recorded: pass the recorder to Trainer(callbacks=[...]) of a model with epochs"
            )
        return np.stack(self._frames)

    def on_fit_start(self, params: dict[str, Any], n_epochs: int) -> None:
        shape = params.get("image_shape")
        self._events = self.rows if shape is None else self.rows.reshape(len(self.rows), *shape)
        self._frames, self.metrics = [], []

    def on_epoch_end(self, epoch: Epoch) -> None:
        from isthmus.engines.engine import engine_of
        from isthmus.models.inference import rebuild  # which imports this package

        if epoch.stage:
            return
        self._frames.append(rebuild(engine_of(epoch.module), self._events).reshape(self.rows.shape))
        self.metrics.append(epoch.metrics)
