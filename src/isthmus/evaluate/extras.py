"""What `evaluate` measures if it is given more than data: labels, factors, and reference data."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from isthmus.data import Samples, load
from isthmus.data.hub import is_hub_data
from isthmus.data.streams import MEMORY_LIMIT, AnyRows
from isthmus.engines.engine import engine_of
from isthmus.errors import DataError
from isthmus.evaluate.disentanglement import score_codes
from isthmus.evaluate.extractor import Extractor, some_rows
from isthmus.evaluate.representation import check_classes, probes
from isthmus.evaluate.samples import choose_extractor, number_of_samples, sample_quality

if TYPE_CHECKING:
    from isthmus.models.base import BaseAutoencoder

_MOST_ROWS = 10_000


class Metrics(dict[str, float]):
    """What `BaseAutoencoder.evaluate` returns: a dict, with the extractor by which samples were compared.

    Parameters
    ----------
    values : dict of str to float
        The numbers.
    extractor : Extractor, optional
        By whose features samples were compared.
    """

    def __init__(self, values: dict[str, float], extractor: Extractor | None = None) -> None:
        super().__init__(values)
        self.extractor = extractor

    def differences(self, other: Metrics) -> dict[str, float]:
        """The numbers of this result less those of another, for the keys of both.

        Raises
        ------
        DataError
            Their samples were compared by features of two extractors.
        """
        check_same_extractor({"this": self, "the other": other})
        return {key: value - other[key] for key, value in self.items() if key in other}


def check_same_extractor(results: dict[str, Metrics]) -> None:
    """Refuse results whose samples were compared by the features of different extractors."""
    labels = {name: found.extractor.label for name, found in results.items() if found.extractor is not None}
    if len(set(labels.values())) > 1:
        said = ", ".join(f"{name} by {label!r}" for name, label in labels.items())
        raise DataError(
            f"samples were compared by different extractors ({said}), so their numbers cannot be compared; evaluate "
            "all with one, extractor=Extractor.load(...)"
        )


@dataclass(frozen=True)
class Given:
    """Data, and what is known about them.

    Parameters
    ----------
    X : array-like
        Data, not yet read.
    y, factors : array-like, dict, or None
        Labels and factors.
    """

    X: Any
    y: Any = None
    factors: Any = None

    @classmethod
    def of(cls, estimator: Any, X: Any, y: Any = None, factors: Any = None) -> Given:
        """Data with labels and factors, where True stands for those that come with the data."""
        if isinstance(X, str | os.PathLike) or is_hub_data(X):
            X = load(X, memory_limit=estimator.trainer.memory_limit if estimator.trainer else MEMORY_LIMIT)
        for value, what in ((y, "labels"), (factors, "factors")):
            if value is True and getattr(X, "y" if what == "labels" else what, None) is None:
                raise DataError(f"the data come without {what}; pass them, or leave them out")
        return cls(X, X.y if y is True else y, X.factors if factors is True else factors)


def extra_metrics(
    estimator: BaseAutoencoder,
    rows: AnyRows,
    y: Any,
    factors: Any,
    reference: Given | None,
    extractor: Any,
    n_samples: int | None,
    random_state: int,
) -> Metrics:
    """Numbers that need more than rows (n, *event); see `BaseAutoencoder.evaluate`."""
    found: dict[str, float] = {}
    if y is not None or factors is not None:
        mean, std = _codes(estimator, rows)
        if y is not None:
            chosen = some_rows(len(mean), _MOST_ROWS, random_state)
            found |= probes(mean[chosen], check_classes(y, len(mean))[chosen], random_state)
        if factors is not None:
            found |= score_codes(mean, factors, std, random_state=random_state)
    if reference is None:
        return Metrics(found)
    from isthmus.models.inputs import read_samples

    train = read_samples(estimator, reference.X, fitting=False)
    n = number_of_samples(n_samples, len(rows), len(train))
    labels = reference.X.y if isinstance(reference.X, Samples) else None
    by = choose_extractor(extractor, train, labels, random_state)
    made = draw(estimator, n, random_state)
    return Metrics(found | sample_quality(made, rows, train, by, random_state=random_state), by)


def draw(estimator: BaseAutoencoder, n: int, random_state: int) -> np.ndarray:
    """Samples of a model (n, *event); of bytes, within their range, as they would be saved."""
    info = estimator.info_
    made = estimator.sample(n, random_state=random_state).reshape(-1, *info.shape)
    return np.clip(made, *info.display_range) if info.dtype == "uint8" else made


def _codes(estimator: BaseAutoencoder, rows: AnyRows) -> tuple[np.ndarray, np.ndarray | None]:
    """Mean codes, and the standard deviations of q(z|x) where there is one."""
    from isthmus.models.inference import encode_rows, moments

    engine = engine_of(estimator.module_)
    if not engine.bottleneck.stochastic:
        return encode_rows(engine, rows), None
    q = moments(engine, rows)
    return q.mean, q.std
