"""What may happen after every epoch besides training."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from isthmus.core import Composed


@dataclass(frozen=True)
class Epoch:
    """What a callback sees.

    Parameters
    ----------
    number : int
        From 1.
    n_epochs : int
        Most epochs that there will be.
    metrics : dict of str to float
        This row of the history, such as ``train_loss`` and ``val_nll``, in nats per sample.
    module : Composed
        The model with its current weights. It is in evaluation mode; do not change it.
    is_best : bool
        Whether this is the best epoch so far.
    stage : str
        Which of several trainings this is, such as "stage 1 of 3", if a model takes more than one; the joint one has
        no name.
    """

    number: int
    n_epochs: int
    metrics: dict[str, float]
    module: Composed
    is_best: bool
    stage: str = ""


class Callback:
    """Base of callbacks; override what is needed.

    A model that is trained in several stages starts and ends each of them.
    """

    def on_fit_start(self, params: dict[str, Any], n_epochs: int) -> None:
        """Training starts; ``params`` are the estimator's."""

    def on_epoch_end(self, epoch: Epoch) -> bool | None:
        """An epoch has ended; return True to stop the training there, with the best weights kept."""

    def on_fit_end(self) -> None:
        """Training has ended, whether it finished, failed or was interrupted."""


class ProgressBar(Callback):
    """One tqdm bar over the epochs."""

    def __init__(self, stage: str = "") -> None:
        self.stage = stage

    def on_fit_start(self, params: dict[str, Any], n_epochs: int) -> None:
        from tqdm import tqdm

        self._bar = tqdm(desc=self.stage or None, total=n_epochs, unit="epoch", dynamic_ncols=True)

    def on_epoch_end(self, epoch: Epoch) -> None:
        self._bar.n = epoch.number
        key = "val_loss" if "val_loss" in epoch.metrics else "train_loss"
        self._bar.set_postfix_str(f"{key} {epoch.metrics[key]:.2f} nats", refresh=False)
        self._bar.refresh()

    def on_fit_end(self) -> None:
        self._bar.close()
