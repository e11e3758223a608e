"""One worker: takes trials of a study until there are as many as wanted."""

from __future__ import annotations

import math
import socket
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from isthmus.errors import IsthmusError, IsthmusWarning, ParameterError
from isthmus.sweep.best import BEST, keep_if_best
from isthmus.sweep.plan import Plan
from isthmus.sweep.progress import Progress
from isthmus.sweep.storage import need_optuna
from isthmus.sweep.study import INTERRUPTED, NOT_NEEDED, REASON, REPEATS, counts, n_before
from isthmus.training.interrupt import deferred_interrupt

if TYPE_CHECKING:
    from optuna import Study
    from optuna.trial import FrozenTrial, Trial

    from isthmus.models.base import BaseAutoencoder

_FAILURES_TO_STOP = 5
# What a combination of parameters may do to a trial; anything else is a fault of ours and ends the search.
_EXPECTED = (IsthmusError, ArithmeticError, ValueError, RuntimeError, MemoryError)
_LONGEST_REASON = 400


class NotNeeded(Exception):
    """Another worker has taken the last trial since this one asked."""


def _say_nothing(trial: FrozenTrial) -> None:
    pass


@dataclass
class Worker:
    """Takes trials of a study.

    Parameters
    ----------
    plan : Plan
        What a trial is.
    study : optuna.Study
        Perhaps shared with other workers.
    n_trials : int
        How many trials the study is to have in all.
    timeout : float, optional
        Seconds after which no trial is started.
    folder : Path, optional
        Where the best run is kept; without one it stays in memory.
    source : dict
        How the data were named, for that run.
    tell : callable
        Called with every trial that has ended.
    """

    plan: Plan
    study: Study
    n_trials: int
    timeout: float | None = None
    folder: Path | None = None
    source: dict[str, Any] = field(default_factory=dict)
    tell: Callable[[FrozenTrial], None] = _say_nothing
    best: tuple[float, BaseAutoencoder] | None = None
    """Value and model of the best trial of this worker, where there is no folder."""

    def run(self) -> None:
        """Take trials until there are enough.

        Raises
        ------
        ParameterError
            The first few trials of the study all failed.
        KeyboardInterrupt
            After Ctrl-C, once the step under way is finished; the trial does not count, and its parameters are the
            next that are tried.
        """
        deadline = math.inf if self.timeout is None else time.monotonic() + self.timeout
        with deferred_interrupt() as interrupted:
            while time.monotonic() < deadline and self._more():
                self.study.optimize(
                    lambda trial: self._trial(trial, interrupted),
                    n_trials=1,
                    catch=(NotNeeded,),
                    callbacks=[lambda _, trial: self._ended(trial)],
                )
                if interrupted():
                    raise KeyboardInterrupt

    def _more(self) -> bool:
        need_optuna().storages.fail_stale_trials(self.study)
        return n_before(self.study) < self.n_trials

    def _trial(self, trial: Trial, interrupted: Callable[[], bool]) -> float:
        if n_before(self.study, trial.number) >= self.n_trials:
            trial.set_user_attr(REASON, NOT_NEEDED)
            raise NotNeeded
        trial.set_user_attr("place", self._place())
        params = {name: dimension.suggest(trial, name) for name, dimension in self.plan.space.items()}
        known = self._known(trial)
        if known is not None:
            return known
        try:
            return self._result(trial, params, interrupted)
        except KeyboardInterrupt:
            trial.set_user_attr(REASON, INTERRUPTED)
            self.study.enqueue_trial(trial.params)
            raise

    def _known(self, trial: Trial) -> float | None:
        """Value of an earlier trial with the same parameters, whose model would be the same."""
        for other in self.study.get_trials(deepcopy=False):
            if other.state.name == "COMPLETE" and other.params == trial.params:
                for name, value in other.user_attrs.items():
                    trial.set_user_attr(name, value)
                trial.set_user_attr(REPEATS, other.number)
                return other.value
        return None

    def _place(self) -> str:
        """Where the run of a trial is kept, for workers elsewhere."""
        return socket.gethostname() + ("" if self.folder is None else f":{self.folder.resolve() / BEST}")

    def _result(self, trial: Trial, params: dict[str, Any], interrupted: Callable[[], bool]) -> float:
        plan = self.plan
        watch, warmup = plan.metric.watch(plan.estimator), float(params.get("kl_warmup", 0.0))
        progress = Progress(trial, watch, plan.watched, interrupted, warmup)
        estimator = self._fit(trial, params, progress)
        trial.set_user_attr("epochs", len(estimator.history_.get("epoch", [])))
        if progress.pruned:
            raise need_optuna().TrialPruned
        value, metrics = plan.metric.measure(estimator, plan.held_out())
        if not math.isfinite(value):
            raise self._given_up(trial, f"{plan.metric.name} is {value}")
        trial.set_user_attr("best_epoch", estimator.best_epoch_)
        trial.set_user_attr("metrics", {name: metric for name, metric in metrics.items() if math.isfinite(metric)})
        self._keep(estimator, trial.number, value)
        return value

    def _fit(self, trial: Trial, params: dict[str, Any], progress: Progress) -> BaseAutoencoder:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", IsthmusWarning)
            try:
                estimator = self.plan.fit(params, [progress])
            except _EXPECTED as error:
                raise self._given_up(trial, f"{type(error).__name__}: {error}") from None
        ours = [str(warning.message) for warning in caught if issubclass(warning.category, IsthmusWarning)]
        trial.set_user_attr("warnings", ours)
        for warning in caught:
            if not issubclass(warning.category, IsthmusWarning):
                warnings.warn_explicit(warning.message, warning.category, warning.filename, warning.lineno)
        return estimator

    def _given_up(self, trial: Trial, reason: str) -> Exception:
        # Pruned rather than failed, as the sampler keeps away from what pruned trials were given, and only from that.
        trial.set_user_attr(REASON, " ".join(reason.split())[:_LONGEST_REASON])
        return need_optuna().TrialPruned()

    def _keep(self, estimator: BaseAutoencoder, number: int, value: float) -> None:
        # Before the study is told, so that no crash can lose the best model.
        if self.folder is not None:
            keep_if_best(estimator, self.folder, self.plan.metric, number=number, value=value, source=self.source)
        elif self.best is None or self.plan.metric.better(value, self.best[0]):
            self.best = value, estimator

    def _ended(self, trial: FrozenTrial) -> None:
        if trial.user_attrs.get(REASON) == NOT_NEEDED:
            return
        self.tell(trial)
        ended = [other for other in self.study.get_trials(deepcopy=False) if counts(other)]
        reasons = [other.user_attrs.get(REASON) for other in ended]
        if len(ended) >= _FAILURES_TO_STOP and all(reasons):
            raise ParameterError(f"all of the first {len(ended)} trials failed, the last because: {reasons[-1]}")
