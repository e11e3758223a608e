"""Labels, told apart into classes and continuous values."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np

from isthmus.errors import DataError

MOST_CLASSES = 10
"""Classes that get a colour of their own; more cannot be told apart."""


@dataclass(frozen=True)
class Labels:
    """Labels made ready to colour points by.

    Parameters
    ----------
    values : ndarray of shape (n,)
        Number of the class, or the value itself (float, NaN where it is missing).
    names : tuple of str
        Names of the classes; empty if the labels are continuous.
    """

    values: np.ndarray
    names: tuple[str, ...] = ()


def read_labels(y: Any) -> Labels:
    """Tell classes from continuous values.

    Numbers with more than ten different values are continuous. Of other labels with more than ten
    classes, the nine most frequent keep a colour and the rest share one.

    Raises
    ------
    DataError
        ``y`` is not one-dimensional.
    """
    y = np.asarray(y)
    if y.ndim != 1:
        raise DataError(f"labels must have shape (n,), and these have {y.shape}; pass one label per row")
    if is_continuous(y):
        return Labels(y.astype(float))
    counts = count_classes(y)
    text = [_text(value) for value in y.tolist()]
    names = tuple(counts)
    if len(names) > MOST_CLASSES:
        kept = {name for name, _ in Counter(counts).most_common(MOST_CLASSES - 1)}
        other = f"other ({len(names) - len(kept)} classes)"
        text = [t if t in kept else other for t in text]
        names = (*(name for name in names if name in kept), other)
    number = {name: i for i, name in enumerate(names)}
    return Labels(np.array([number[t] for t in text]), names)


def is_continuous(y: np.ndarray) -> bool:
    """Whether labels are numbers with more different values than can be told apart as classes."""
    return y.dtype.kind in "iuf" and len(np.unique(y[np.isfinite(y)])) > MOST_CLASSES


def count_classes(y: np.ndarray) -> dict[str, int]:
    """Rows of every class: numbers by size, anything else by the alphabet."""
    counts = Counter(y.tolist()) if y.dtype.kind in "iub" else Counter(_text(v) for v in y.tolist())
    if y.dtype.kind == "f":
        return {name: counts[name] for name in sorted(counts, key=float)}
    return {_text(value): counts[value] for value in sorted(counts)}


def _text(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
