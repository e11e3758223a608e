"""What models that learn from corrupted data have in common."""

from __future__ import annotations

from typing import Any

import numpy as np

from isthmus.data.info import DataInfo
from isthmus.data.streams import AnyRows
from isthmus.errors import DataError, RunError
from isthmus.models.auto import Choice
from isthmus.models.corrupting import Corrupting
from isthmus.models.fitting import fit_module
from isthmus.models.inputs import read_samples

_SMALLEST_FOR_UNET = 8


class Denoiser(Corrupting):
    """Base of the variants whose input is corrupted. Registers no model of its own."""

    prevents_identity = True
    report_sections = ("denoising:restored",)

    paired_: bool

    def fit(self, X: Any, y: Any = None, *, target: Any = None) -> Denoiser:
        """Learn to restore.

        Parameters
        ----------
        X : array-like of shape (n, d), (n, H, W) or (n, H, W, C), path, or built-in name
            Data. Without a ``target`` the model corrupts them itself, anew in every epoch.
        y : ignored
            For pipelines.
        target : array-like of the shape of X, optional
            What the decoder is to give back for each row of X, which is then taken to be corrupted already: clean
            samples, or other noisy copies of the same ones.

        Returns
        -------
        self

        Raises
        ------
        DataError, ParameterError
            Data or parameters that cannot be used; the message says what to do.
        DivergedError, KeyboardInterrupt
            As for every model; the estimator is usable.
        """
        self.check_parameters()
        samples = read_samples(self, X, fitting=True)
        self.paired_ = target is not None
        fit_module(self, samples, None if target is None else self._read_target(target, samples))
        return self

    def denoise(self, X: Any) -> np.ndarray:
        """Restore noisy data: the mean of p(x|z) at the code of the noisy sample, in the shape and units of X."""
        return self.reconstruct(X)

    def own_choices(self, info: DataInfo, latent_dim: int) -> dict[str, Choice]:
        if self.paired_:
            return {"corruption": Choice("none", "the targets were given")}
        return super().own_choices(info, latent_dim)

    @property
    def learned_from_noisy(self) -> bool:
        """Whether the data themselves are noisy, so that restoring means to make them better than they came."""
        return self.paired_

    def fitted_arrays(self) -> dict[str, np.ndarray]:
        return {"paired": np.array([self.paired_], dtype=np.uint8)}

    def restore_arrays(self, arrays: dict[str, np.ndarray]) -> None:
        found = {name: (array.dtype.name, array.shape) for name, array in arrays.items()}
        if found != {"paired": ("uint8", (1,))}:
            raise RunError(f"a {type(self).__name__} says whether it was given targets, and nothing else")
        self.paired_ = bool(arrays["paired"][0])

    def _read_target(self, target: Any, samples: AnyRows) -> AnyRows:
        # Read as training data are, by a copy: the columns of the target need not have the names of the input's.
        found = read_samples(type(self)(image_shape=self.image_shape, trainer=self.trainer), target, fitting=True)
        if found.shape != samples.shape:
            raise DataError(
                f"the target has shape {found.shape} and X has {samples.shape}; each row of X needs its own target"
            )
        return found


def restoring_network(info: DataInfo) -> str:
    """Network for restoring rather than compressing: every scale of a picture is passed on."""
    return "unet" if info.is_picture and min(info.shape[:2]) >= _SMALLEST_FOR_UNET else "mlp"
