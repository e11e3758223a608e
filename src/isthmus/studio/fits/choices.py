"""What "auto" will choose for a model and data, before anything is trained."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from sklearn.utils import check_random_state

from isthmus.commands.fit import known_model, make_model, takes_target
from isthmus.commands.parsing import data_options
from isthmus.data.info import DataInfo, describe_data, with_range_of
from isthmus.errors import IsthmusError, IsthmusWarning, ParameterError
from isthmus.models.auto import Choice, choose_max_epochs
from isthmus.models.conditional import Conditional
from isthmus.models.fitting import describe_split, prepare, split_rows
from isthmus.models.inputs import read_samples
from isthmus.training.precision import choose_bf16
from isthmus.training.runtime import choose_device

_TIMED = Choice("by timing", "in the first steps, if the training would take more than a minute")


@dataclass(frozen=True)
class Described:
    """What was seen of data: enough to lay out any model on them.

    Parameters
    ----------
    name : str
        What they are called.
    info : DataInfo
        Of the training part, as `fit` describes it.
    n_rows, n_train : int
        All rows, and those that are trained on.
    classes : ndarray or None
        The different labels, if there are any.
    is_flat : bool
        Whether each row came without height and width.
    """

    name: str
    info: DataInfo
    n_rows: int
    n_train: int
    classes: np.ndarray | None
    is_flat: bool

    def sentence(self) -> str:
        """What was found, for people."""
        size = " x ".join(map(str, self.info.shape))
        what = f"pictures of {size}" if self.info.is_picture else f"rows of {self.info.n_values:,} columns"
        labels = "" if self.classes is None else f", {len(self.classes):,} different labels"
        span = f"from {self.info.low:g} to {self.info.high:g}"
        return f"{self.n_rows:,} {what}, {self.info.dtype} {span}{labels}; {self.n_train:,} to train on"


@dataclass(frozen=True)
class Outlook:
    """What a fit will be."""

    choices: dict[str, Choice]
    n_parameters: int
    warnings: list[str]

    def record(self) -> dict[str, Any]:
        """For JSON."""
        choices = [{"name": name, **vars(choice)} for name, choice in self.choices.items()]
        return {"choices": choices, "n_parameters": self.n_parameters, "warnings": self.warnings}


def describe_source(model: str, config: Any) -> Described:
    """Read the data that parsed options name, once, as `fit` would.

    Raises
    ------
    DataError, DataSourceError, ParameterError
        They cannot be read or learned from.
    """
    from isthmus.data import load

    cls = known_model(model)
    estimator = make_model(cls, config)
    options, limit = data_options(config), config.trainer.memory_limit
    samples = load(config.data, **options, memory_limit=limit)
    X = read_samples(estimator, samples, fitting=True)
    # Any seed will do: no choice depends on which rows are held out.
    split = split_rows(X, config.trainer.validation_fraction, _seed(estimator))
    info = describe_split(X, split)
    if takes_target(cls) and config.target is not None:
        target = read_samples(make_model(cls, config), load(config.target, **options, memory_limit=limit), fitting=True)
        info = with_range_of(info, describe_data(target))
    classes = None if samples.y is None else np.unique(samples.y)
    return Described(config.data, info, len(X), len(split.train), classes, estimator.is_flat_)


def look_ahead(model: str, config: Any, data: Described) -> Outlook:
    """Choose all parts as `fit` will, without memory for their weights.

    Raises
    ------
    ParameterError, DataError
        The parameters do not fit these data, or each other.
    """
    estimator = make_model(known_model(model), config)
    estimator.is_flat_, estimator.n_features_in_ = data.is_flat, data.info.n_values
    if isinstance(estimator, Conditional):
        estimator.classes_ = np.zeros(0) if data.classes is None else data.classes
    if takes_target(type(estimator)):
        estimator.paired_ = config.target is not None  # pyright: ignore[reportAttributeAccessIssue]
    with warnings.catch_warnings(record=True) as caught, torch.device("meta"):
        warnings.simplefilter("always", IsthmusWarning)
        _, choices = _laid_out(estimator, data.info)
    told = [str(warning.message) for warning in caught if issubclass(warning.category, IsthmusWarning)]
    return Outlook(choices | _training(estimator, data), estimator.n_parameters_, told)


def _laid_out(estimator: Any, info: DataInfo) -> tuple[int, dict[str, Choice]]:
    try:
        return prepare(estimator, info, _seed(estimator))
    except (RuntimeError, OverflowError, MemoryError) as error:
        if isinstance(error, IsthmusError):
            raise
        reason = str(error).strip().partition("\n")[0]
        raise ParameterError(f"a model of these sizes cannot be laid out: {reason}") from None


def _training(estimator: Any, data: Described) -> dict[str, Choice]:
    """What the training will be, of models that are trained in steps."""
    if getattr(estimator, "solver", "gradient") == "svd":
        return {"training": Choice("none", "solved in closed form")}
    trainer, device = estimator.trainer, choose_device(estimator.trainer.device)
    size = trainer.resolve_batch_size(data.n_train)
    _, epochs = choose_max_epochs(estimator.max_epochs, -(-data.n_train // size))
    row = torch.empty((1, *data.info.shape), device="meta")
    bf16, why = choose_bf16(trainer.precision, estimator.module_, row, size, device)
    reason = f"for {data.n_train:,} training rows" if trainer.batch_size == "auto" else "as asked"
    return {
        "max_epochs": epochs,
        "batch_size": Choice(str(size), reason),
        "precision": Choice("bf16" if bf16 else "32", why),
        "compile": _TIMED if trainer.compile == "auto" else Choice(str(trainer.compile), "as asked"),
        "device": Choice(str(device), "as asked" if trainer.device != "auto" else "the fastest that torch finds here"),
    }


def _seed(estimator: Any) -> int:
    """The seed of a fit; of one that is drawn when it starts, any."""
    seed = estimator.random_state
    return 0 if seed is None else int(check_random_state(seed).randint(2**31 - 1))
