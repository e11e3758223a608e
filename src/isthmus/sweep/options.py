"""The command that trains a model again."""

from __future__ import annotations

import inspect
import json
import shlex
from typing import TYPE_CHECKING, Any

import numpy as np

from isthmus.core import Part
from isthmus.sweep.names import SAME_ROWS, searchable
from isthmus.training import Trainer

if TYPE_CHECKING:
    from isthmus.models.base import BaseAutoencoder


def fit_command(estimator: BaseAutoencoder, data: str, options: dict[str, Any], out: str) -> str | None:
    """``isthmus fit`` with all that is not the default; None if something cannot be written on a command line.

    Parameters
    ----------
    estimator : BaseAutoencoder
        Whose parameters to use.
    data : str
        Data, as the user named them.
    options : dict
        How they were read.
    out : str
        Folder of the run.
    """
    words = ["isthmus", "fit", estimator.name, data]
    for name, value in options.items():
        words += [f"--{name}"] if value is True else [f"--{name}", _word(value)]
    try:
        words += _changed(estimator)
    except ValueError:
        return None
    return shlex.join([*words, "--out", out])


def _changed(estimator: BaseAutoencoder) -> list[str]:
    defaults = type(estimator)().get_params(deep=False)
    mine = estimator.get_params(deep=False)
    trainer, usual = (estimator.trainer or Trainer()).get_params(), Trainer().get_params()
    pairs = [(name, mine[name], default) for name, default in defaults.items() if name not in ("trainer", "verbose")]
    # What names no parameter of the model, such as folders, is left to whoever runs the command.
    same_model = [*searchable(estimator), *SAME_ROWS]
    pairs += [(f"trainer.{k}", v, usual[k]) for k, v in trainer.items() if f"trainer.{k}" in same_model]
    return [word for name, value, default in pairs if not _same(value, default) for word in _option(name, value)]


def _option(name: str, value: Any) -> list[str]:
    if not isinstance(value, Part):
        return [f"--{name}", _word(value)]
    usual = {key: p.default for key, p in inspect.signature(type(value)).parameters.items()}
    changed = [(key, mine) for key, mine in value.config().items() if not _same(mine, usual[key])]
    return [
        f"--{name}",
        type(value).__name__,
        *(word for key, mine in changed for word in _option(f"{name}.{key}", mine)),
    ]


def _word(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, bool | int | float | list | tuple):
        return json.dumps(value, separators=(",", ":"))
    raise ValueError(f"{value!r} has no place on a command line")


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, list | tuple) and isinstance(other, list | tuple):
        return list(one) == list(other)
    return type(one) is type(other) and one == other if isinstance(one, bool) else one == other
