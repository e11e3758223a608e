"""A description of the training data, from which everything "auto" is decided."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from isthmus.data.ranges import RowNumbers
from isthmus.data.streams import AnyRows, chunks

_CHUNK_BYTES = 8 << 20


@dataclass(frozen=True)
class DataInfo:
    """What the parts of a model may know about the training data.

    Parameters
    ----------
    n_samples : int
        Rows.
    shape : tuple of int
        Shape of one sample: (d,), (H, W) or (H, W, C).
    dtype : str
        NumPy name of the values' type.
    minimum, maximum : ndarray of shape ``shape``
        Range of each value.
    mean, std : ndarray of shape ``shape``
        Mean and standard deviation of each value, in float64.
    integral : bool
        Whether every value is a whole number.
    one_hot : bool
        Whether every row is zeros but for a single one.
    """

    n_samples: int
    shape: tuple[int, ...]
    dtype: str
    minimum: np.ndarray
    maximum: np.ndarray
    mean: np.ndarray
    std: np.ndarray
    integral: bool
    one_hot: bool

    @property
    def n_values(self) -> int:
        """Values per sample."""
        return math.prod(self.shape)

    @property
    def is_picture(self) -> bool:
        """Whether a sample has height and width."""
        return len(self.shape) > 1

    @property
    def low(self) -> float:
        """Smallest value seen."""
        return float(self.minimum.min())

    @property
    def high(self) -> float:
        """Largest value seen."""
        return float(self.maximum.max())

    @property
    def display_range(self) -> tuple[float, float]:
        """Values shown as black and white, and the range of noise: all of uint8's, else the training data's."""
        return (0.0, 255.0) if self.dtype == "uint8" and self.high > 1 else (self.low, self.high)

    @property
    def is_binary(self) -> bool:
        """Whether every value is 0 or 1."""
        return self.integral and self.low >= 0 and self.high <= 1

    @property
    def is_commensurate(self) -> bool:
        """Whether the values share one scale, as pixels do.

        True for pictures, and for a table in which at least half of the columns that vary at all reach
        both ends of one common range (within 5 % of it).
        """
        if self.is_picture:
            return True
        span = self.high - self.low
        varying = self.maximum > self.minimum
        if span <= 0 or varying.sum() < 2:
            return False
        full = (self.minimum <= self.low + 0.05 * span) & (self.maximum >= self.high - 0.05 * span)
        return bool(full[varying].mean() >= 0.5)

    def summary(self) -> dict[str, Any]:
        """Plain values for `describe`, a report, or ``params.json``."""
        return {
            "n_samples": self.n_samples,
            "shape": list(self.shape),
            "dtype": self.dtype,
            "minimum": self.low,
            "maximum": self.high,
            "integral": self.integral,
            "one_hot": self.one_hot,
        }

    @classmethod
    def from_summary(cls, summary: dict[str, Any]) -> DataInfo:
        """Rebuild enough to lay out a model; moments are placeholders, without memory of their own."""
        shape = tuple(summary["shape"])

        def constant(value: float) -> np.ndarray:
            return np.broadcast_to(np.float64(value), shape)

        return cls(
            n_samples=summary["n_samples"],
            shape=shape,
            dtype=summary["dtype"],
            minimum=constant(summary["minimum"]),
            maximum=constant(summary["maximum"]),
            mean=constant(0.0),
            std=constant(1.0),
            integral=summary["integral"],
            one_hot=summary["one_hot"],
        )


def describe_data(
    X: AnyRows,
    rows: RowNumbers | None = None,
    *,
    moments: tuple[np.ndarray, np.ndarray] | None = None,
) -> DataInfo:
    """Read ``X``, of shape (n, *event), once in chunks and summarise it, or only these ascending row numbers of it.

    Mean and standard deviation, flat, may be given if they are known. Then floats are not searched for whole numbers
    either: this is for models that ask nothing of the kind.
    """
    n, shape = len(X) if rows is None else len(rows), X.shape[1:]
    low, high = np.full(shape, np.inf), np.full(shape, -np.inf)
    count, mean, squares = 0, np.zeros(shape), np.zeros(shape)
    integral = moments is None or X.dtype.kind in "bui"
    one_hot = moments is None and len(shape) == 1 and shape[0] > 1
    step = max(1, _CHUNK_BYTES // max(8 * math.prod(shape), 1))
    for chunk in chunks(X, step, rows):
        raw = np.asarray(chunk)
        low, high = np.minimum(low, raw.min(0)), np.maximum(high, raw.max(0))
        integral = integral and (raw.dtype.kind in "bui" or bool(np.all(raw == np.rint(raw))))
        one_hot = one_hot and integral and _is_one_hot(raw)
        if moments is None:
            count, mean, squares = _merge(count, mean, squares, raw)
    if moments is None:
        moments = mean, np.sqrt(squares / count)
    mean, std = (moment.reshape(shape) for moment in moments)
    return DataInfo(n, tuple(shape), X.dtype.name, low, high, mean, std, integral, one_hot)


def with_range_of(info: DataInfo, other: DataInfo) -> DataInfo:
    """``info``, with its range and kind widened to what ``other`` holds as well."""
    return replace(
        info,
        minimum=np.minimum(info.minimum, other.minimum),
        maximum=np.maximum(info.maximum, other.maximum),
        integral=info.integral and other.integral,
        one_hot=info.one_hot and other.one_hot,
    )


def _is_one_hot(chunk: np.ndarray) -> bool:
    return bool(np.all((chunk == 0) | (chunk == 1)) and np.all(chunk.sum(1) == 1))


def _merge(count: int, mean: np.ndarray, squares: np.ndarray, chunk: np.ndarray) -> tuple[int, np.ndarray, np.ndarray]:
    """Combine running moments with a chunk's, without cancellation (Chan, Golub & LeVeque, 1983, eq. 2.1)."""
    m = len(chunk)
    # torch, because it reduces over rows with all cores.
    variance, centre = torch.var_mean(torch.tensor(chunk, dtype=torch.float64), dim=0, correction=0)
    chunk_mean = centre.numpy()
    delta = chunk_mean - mean
    total = count + m
    squares = squares + m * variance.numpy() + delta**2 * (count * m / total)
    return total, mean + delta * (m / total), squares
