"""What a trial reports while it is trained, and how it is stopped."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from isthmus.sweep.study import RUNGS
from isthmus.training import Callback, Epoch

if TYPE_CHECKING:
    from isthmus.sweep.metric import Watch


class Progress(Callback):
    """Tells a trial how its training goes, and stops it where that is hopeless.

    Parameters
    ----------
    trial : optuna.trial.Trial
        Told after each of `RUNGS` parts of the training, so that trainings of any number of epochs can be compared.
    watch : callable or None
        From an epoch and the held-out rows to a number.
    rows : ndarray of shape (n, *event)
        The held-out rows.
    interrupted : callable
        Whether Ctrl-C was pressed while no training listened.
    warmup : float
        Share of the training before which this trial, and not every other one, is after something else than the metric.
    """

    def __init__(
        self,
        trial: Any,
        watch: Watch | None,
        rows: np.ndarray,
        interrupted: Callable[[], bool],
        warmup: float = 0.0,
    ) -> None:
        self.trial, self.watch, self.rows, self.interrupted, self.warmup = trial, watch, rows, interrupted, warmup
        self.pruned = False
        self._rung = 0

    def on_epoch_end(self, epoch: Epoch) -> bool:
        if self.interrupted():
            raise KeyboardInterrupt
        if self.watch is None:
            return False
        rung = RUNGS * epoch.number // epoch.n_epochs
        # A model that is trained in stages is judged by the training of the whole.
        if epoch.stage or rung == self._rung or epoch.number < self.warmup * epoch.n_epochs:
            return False
        self._rung = rung
        self.trial.report(self.watch(epoch, self.rows), rung)
        self.pruned = epoch.number < epoch.n_epochs and self.trial.should_prune()
        return self.pruned
