"""What all trials of a search have in common, and what each does."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from numbers import Integral
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from sklearn.base import clone
from sklearn.utils import check_random_state

from isthmus.core import Part
from isthmus.data.info import describe_data
from isthmus.data.samples import Samples
from isthmus.errors import DataError, IsthmusWarning, ParameterError
from isthmus.models.fitting import split_rows
from isthmus.models.inputs import read_samples
from isthmus.sweep.defaults import default_space, resolve_network
from isthmus.sweep.held_out import few_of, rows_of
from isthmus.sweep.metric import Metric, check_comparable, choose_metric, driven_to_an_end
from isthmus.sweep.names import SAME_ROWS, check_space, configure, searchable
from isthmus.sweep.space import Dimension, read_space
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


def make_plan(
    estimator: BaseAutoencoder,
    samples: Samples,
    *,
    target: Samples | None = None,
    space: Sequence[str] | Mapping[str, Any] = (),
    use_defaults: bool = True,
    metric: str = "auto",
    fixed: Collection[str] = (),
) -> Plan:
    """Settle what is searched, and how trials are compared.

    Parameters
    ----------
    estimator : BaseAutoencoder
        With the parameters that are the same in every trial.
    samples, target : Samples
        The data.
    space : sequence of str, or mapping
        As for `read_space`; it replaces and extends the default.
    use_defaults : bool
        Whether what the user did not mention is searched as well.
    metric : str
        As for `choose_metric`.
    fixed : collection of str
        What is not searched unless it is in ``space``.

    Raises
    ------
    ParameterError, DataError
        Something does not fit; nothing has been trained.
    """
    base = cast("BaseAutoencoder", clone(estimator)).set_params(
        verbose=False, random_state=_seed(estimator.random_state)
    )
    if base.trainer is not None:
        base.trainer.set_params(checkpoint=None, resume=False)  # trials would resume from each other
    base.check_parameters()
    _check_alone(base.trainer or Trainer())
    rows = read_samples(clone(base), samples, fitting=True)
    info = describe_data(rows)
    fraction = (base.trainer or Trainer()).validation_fraction
    # As `fit` will split them, which takes the seed from the generator in the same way.
    split = split_rows(rows, fraction, check_random_state(base.random_state).randint(2**31 - 1))
    if not len(split.validation):
        raise DataError(
            f"trials are compared on held-out rows, and of these {len(rows)} rows none are held out; give at least 20, "
            "and leave validation_fraction above 0"
        )
    chosen = choose_metric(metric, base, info)
    asked = read_space(space)
    if any(name.startswith("network.") for name in asked) and isinstance(base.network, str):
        base.set_params(network=resolve_network(base, info))
    found = default_space(estimator, info, chosen, [*fixed, *asked]) if use_defaults else {}
    if "network" in asked:
        found = {name: dimension for name, dimension in found.items() if not name.startswith("network.")}
    if any(name.startswith("network.") for name in found) and isinstance(base.network, str):
        base.set_params(network=resolve_network(base, info))
    searched = check_space(base, found | asked)
    if not searched:
        raise ParameterError(
            f"there is nothing to search: all that {base.name} would search by default is set; name something with "
            "space, such as trainer.learning_rate=1e-4..1e-2:log"
        )
    check_comparable(chosen, base, searched)
    _warn_of_ends(chosen, searched)
    return Plan(base, samples, target, split, few_of(rows, split.validation), searched, chosen)


def _seed(random_state: Any) -> int:
    if random_state is None:
        return 0
    if isinstance(random_state, Integral):
        return int(random_state)
    raise ParameterError("a search needs an int as random_state: every trial starts from it, and can be repeated")


def _check_alone(trainer: Trainer) -> None:
    if trainer.devices not in ("auto", 1) or trainer.num_nodes > 1:
        raise ParameterError(
            f"a search trains each model in one process, and devices={trainer.devices}, num_nodes={trainer.num_nodes} "
            "ask for several; leave them out, and start several workers instead (--jobs, or the same search again)"
        )


def _warn_of_ends(metric: Metric, space: Mapping[str, Dimension]) -> None:
    names = driven_to_an_end(metric, space)
    if names:
        warnings.warn(
            f"nothing in {metric.name} speaks against a wider code or a lower price, so the search will drive "
            f"{', '.join(names)} to an end of its range; compare by what the code is for, or set it yourself",
            IsthmusWarning,
            stacklevel=4,
        )


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
