"""What all trials of a search have in common, and how a model is trained in each."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from isthmus.core import Part
from isthmus.data.samples import Samples
from isthmus.sweep.held_out import rows_of
from isthmus.sweep.metric import Metric
from isthmus.sweep.names import SAME_ROWS, configure, searchable
from isthmus.sweep.space import Dimension
from isthmus.training import Callback, Trainer

if TYPE_CHECKING:
    from isthmus.models.base import BaseAutoencoder
    from isthmus.training.loop import Split

_FINGERPRINT_ROWS = 512


@dataclass(frozen=True)
class Plan:
    """What all trials have in common.

    Parameters
    ----------
    estimator : BaseAutoencoder
        Unfitted, with an int as ``random_state``.
    samples, target : Samples
        All rows; the target only for models that were given one.
    split : Split
        Which rows every trial is trained on, and which it is measured on.
    watched : ndarray of shape (n, *event)
        The latter as a model sees them, or of many a spread.
    space : dict of str to Dimension
        What is searched.
    metric : Metric
        What is compared.
    """

    estimator: BaseAutoencoder
    samples: Samples
    target: Samples | None
    split: Split
    watched: np.ndarray
    space: dict[str, Dimension]
    metric: Metric

    @property
    def seed(self) -> int:
        """From which every trial starts."""
        return int(self.estimator.random_state)  # pyright: ignore[reportArgumentType] (made one by `make_plan`)

    def settings(self) -> dict[str, Any]:
        """All that has to be the same for trials to be comparable, as text."""
        searched = {*self.space, *(name.partition(".")[0] for name in self.space)}
        fixed = {name: _text(value) for name, value in self._fixed().items() if name not in searched}
        return {
            "model": self.estimator.name,
            "data": _fingerprint(self.samples, self.target),
            "metric": self.metric.name,
            "parameters": fixed,
        }

    def fit(self, params: Mapping[str, Any], callbacks: Sequence[Callback] = ()) -> BaseAutoencoder:
        """Train a model with these values of the searched parameters; the callbacks come after its own."""
        from isthmus.models.linear import LinearAutoencoder

        estimator = configure(self.estimator, params)
        trainer = estimator.trainer or Trainer()
        before = {name: getattr(trainer, name) for name in ("callbacks", "devices")}
        # One process: those that torchrun starts are workers of the search.
        trainer.set_params(callbacks=[*before["callbacks"], *callbacks], devices=1)
        estimator.set_params(trainer=trainer)
        target = {} if self.target is None else {"target": self.target}
        # Its closed form takes all rows that it is given, so it must not be given those that are held out.
        whole = not isinstance(estimator, LinearAutoencoder)
        try:
            estimator.fit(self.samples if whole else rows_of(self.samples, self.split.train), **target)
        finally:
            trainer.set_params(**before)
        return estimator

    def held_out(self) -> Samples:
        """The rows that no trial is trained on."""
        return rows_of(self.samples, self.split.validation)

    def _fixed(self) -> dict[str, Any]:
        trainer = (self.estimator.trainer or Trainer()).get_params()
        named = {**self.estimator.get_params(deep=False), **{f"trainer.{k}": v for k, v in trainer.items()}}
        matters = [*searchable(self.estimator), *SAME_ROWS, "image_shape"]
        return {name: named[name] for name in matters if name in named}


def _fingerprint(samples: Samples, target: Samples | None) -> str:
    """Short hash of the data: shapes, types, and a spread of rows."""
    digest = hashlib.sha256()
    for part in (samples, target):
        if part is not None:
            rows = np.ascontiguousarray(part.X[:: max(1, len(part.X) // _FINGERPRINT_ROWS)])
            digest.update(f"{part.X.shape} {part.X.dtype.name}".encode() + rows.tobytes())
    return f"{len(samples.X):,} rows ({digest.hexdigest()[:8]})"


def _text(value: Any) -> str:
    """A parameter as text that is the same in every process."""
    if isinstance(value, np.generic):
        value = value.item()
    if callable(value) and not isinstance(value, Part):
        return f"{getattr(value, '__module__', '')}.{getattr(value, '__qualname__', type(value).__name__)}"
    return repr(list(value) if isinstance(value, tuple) else value)
