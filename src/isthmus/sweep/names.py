"""Names of the parameters that can be searched, and how a trial sets them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, cast

from sklearn.base import clone

from isthmus.core import Part
from isthmus.errors import ParameterError
from isthmus.sweep.space import Dimension, Range
from isthmus.training import Trainer

if TYPE_CHECKING:
    from isthmus.models.base import BaseAutoencoder

SAME_ROWS = ("random_state", "trainer.validation_fraction", "trainer.memory_limit")
"""What decides which rows are held out; larger data than the limit are split in another way."""

_SAME_ROWS = "it decides which rows are held out, and every trial has to be measured on the same ones"
_NO_RESULT = "it changes nothing about the model"
_RUNNING = (
    "compile",
    "device",
    "devices",
    "strategy",
    "num_nodes",
    "checkpoint",
    "checkpoint_every",
    "resume",
    "callbacks",
    "loggers",
    "log_dir",
    "flush_denormal",
    "keep_memory",
    "n_threads",
)
# Why these are the same in every trial.
_FIXED = {
    "trainer": "search its parameters by name, such as trainer.learning_rate",
    "image_shape": "it describes the data",
    "verbose": _NO_RESULT,
    **dict.fromkeys(SAME_ROWS, _SAME_ROWS),
    **dict.fromkeys((f"trainer.{name}" for name in _RUNNING), _NO_RESULT),
}


def searchable(estimator: BaseAutoencoder) -> list[str]:
    """Every name that can be searched: of the estimator, its trainer, and the parts that it was given as objects."""
    own = estimator.get_params(deep=False)
    names = [*own, *(f"trainer.{name}" for name in Trainer().get_params())]
    names += [f"{head}.{name}" for head, part in own.items() if isinstance(part, Part) for name in part.config()]
    return [name for name in names if name not in _FIXED]


def check_space(estimator: BaseAutoencoder, space: Mapping[str, Dimension]) -> dict[str, Dimension]:
    """The space with whole numbers only where the parameter wants them, if the estimator can take its values.

    Raises
    ------
    ParameterError
        A name is unknown or has to be the same in every trial, or a value does not fit.
    """
    known = searchable(estimator)
    for name in space:
        _check_name(name, known)
    for name in space:
        head, dot, _ = name.partition(".")
        if dot and head in space:
            raise ParameterError(f"{head} and {name} cannot both be searched; search one of them")
    return {name: _fitting(estimator, name, dimension) for name, dimension in space.items()}


def _check_name(name: str, known: list[str]) -> None:
    if name in _FIXED:
        raise ParameterError(f"{name} cannot be searched: {_FIXED[name]}")
    if name in known:
        return
    tail = name.rpartition(".")[2]
    # The last part first: learning_rate is meant to be trainer.learning_rate.
    close = [full for full in known if full.rpartition(".")[2] == tail] or get_close_matches(name, known, n=1)
    close = close or [full for full in known if full.rpartition(".")[2] in get_close_matches(tail, _tails(known), n=1)]
    hint = f"did you mean {close[0]!r}?" if close else f"names are {', '.join(known)}"
    raise ParameterError(f"there is no parameter {name!r} to search; {hint}")


def _tails(names: Iterable[str]) -> list[str]:
    return [name.rpartition(".")[2] for name in names]


def _fitting(estimator: BaseAutoencoder, name: str, dimension: Dimension) -> Dimension:
    if isinstance(dimension, Range) and dimension.whole and _takes_fractions(estimator, name, dimension):
        dimension = Range(dimension.low, dimension.high, dimension.log)
    for value in dimension.examples:
        try:
            configure(estimator, {name: value}).check_parameters()
        except ParameterError as error:
            raise ParameterError(f"{name}={dimension} does not fit: {error}") from None
    return dimension


def _takes_fractions(estimator: BaseAutoencoder, name: str, dimension: Range) -> bool:
    head, _, tail = name.partition(".")
    part = getattr(estimator, head)
    if isinstance(part, Part):
        return isinstance(part.config()[tail], float)  # parts have no constraints, but a default of the right type
    try:
        configure(estimator, {name: math.floor(dimension.low) + 0.5}).check_parameters()
    except ParameterError:
        return False
    return True


def configure(estimator: BaseAutoencoder, params: Mapping[str, Any]) -> BaseAutoencoder:
    """An unfitted copy with these values, by their names in a search."""
    fresh = cast("BaseAutoencoder", clone(estimator))
    own: dict[str, Any] = {}
    inside: dict[str, dict[str, Any]] = {}
    for name, value in params.items():
        head, dot, tail = name.partition(".")
        if dot:
            inside.setdefault(head, {})[tail] = value
        else:
            own[head] = value
    for head, changes in inside.items():
        if head == "trainer":
            own[head] = (fresh.trainer or Trainer()).set_params(**changes)
        else:
            part = getattr(fresh, head)
            own[head] = type(part)(**{**part.config(), **changes})
    return fresh.set_params(**own)
