"""Rows that are read when they are asked for, so that data may exceed the memory."""

from __future__ import annotations

import math
import threading
from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any

import numpy as np

from isthmus.data.ahead import ahead
from isthmus.data.ranges import RowNumbers
from isthmus.errors import DataError

MEMORY_LIMIT = 2.0
"""GiB up to which rows are read into memory as a whole, unless another limit is asked for."""

POOL_BYTES = 64 << 20
"""Rows of a stream that are held at once, in bytes: what is shuffled together, and read ahead of a pass."""

_BLOCK_BYTES = 4 << 20


class Rows(ABC):
    """Samples that are read on demand: the door through which everything larger than memory comes.

    It has the face of an array as far as rows go: ``len``, ``shape``, ``dtype``, ``rows[number]``, ``rows[a:b]`` and
    ``rows[numbers]`` in any order, all of which read and return an ndarray. ``np.asarray(rows)`` reads everything.
    What is read is checked: numbers that are not finite are refused, with the row that has them.

    Parameters
    ----------
    shape : tuple of int
        (n, *event).
    dtype : dtype
        Of the values.
    name : str
        What to call the source in messages.
    """

    in_order = False
    """Whether rows come in an order of their own, so that passes should be from the first to the last."""

    def __init__(self, shape: tuple[int, ...], dtype: Any, name: str) -> None:
        self.shape, self.dtype, self.name = shape, np.dtype(dtype), name

    @abstractmethod
    def _take(self, rows: np.ndarray) -> np.ndarray:
        """Read rows, given by ascending numbers without repetition; any dtype that ``dtype`` can be made of."""

    @property
    def cuts(self) -> np.ndarray | None:
        """Row numbers from 0 to n between which rows are best read together; None if no rows belong together."""
        return None

    @property
    def block(self) -> int:
        """How many consecutive rows are best read at once, if there are no `cuts`."""
        return max(1, _BLOCK_BYTES // self.row_bytes)

    @property
    def row_bytes(self) -> int:
        """Bytes of a row."""
        return max(1, math.prod(self.shape[1:]) * self.dtype.itemsize)

    @property
    def nbytes(self) -> int:
        """Bytes of all rows."""
        return len(self) * self.row_bytes

    @property
    def ndim(self) -> int:
        """Axes, that of the rows included."""
        return len(self.shape)

    def __len__(self) -> int:
        return self.shape[0]

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name!r}, shape={self.shape}, dtype={self.dtype.name!r})"

    def __getitem__(self, key: Any) -> np.ndarray:
        if isinstance(key, slice):
            return self.take(np.arange(*key.indices(len(self))))
        if isinstance(key, int | np.integer):
            if not -len(self) <= key < len(self):
                raise IndexError(f"row {key} of {len(self)}")
            return self.take(np.array([key % len(self)]))[0]
        key = np.asarray(key)
        rows = np.flatnonzero(key) if key.dtype == bool else np.where(key < 0, key + len(self), key)
        if rows.size and not 0 <= rows.min() <= rows.max() < len(self):
            raise IndexError(f"rows {key.min()} to {key.max()} of {len(self)}")
        return self.take(rows)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        whole = np.empty(self.shape, self.dtype)
        start = 0
        for chunk in chunks(self, max(1, POOL_BYTES // self.row_bytes)):
            whole[start : start + len(chunk)] = chunk
            start += len(chunk)
        return whole if dtype is None else whole.astype(dtype, copy=False)

    def take(self, rows: np.ndarray) -> np.ndarray:
        """Read rows with these numbers, which may come in any order.

        Raises
        ------
        DataError
            A value is NaN or infinite; the message names its row.
        DataSourceError
            The source no longer holds the row.
        """
        if len(rows) == 0:
            return np.empty((0, *self.shape[1:]), self.dtype)
        if (np.diff(rows) > 0).all():
            return self._checked(rows)
        ascending, back = np.unique(rows, return_inverse=True)
        return self._checked(ascending)[back]

    def _checked(self, rows: np.ndarray) -> np.ndarray:
        values = self._take(rows)
        # A sum is finite if all its parts are, unless they are very large: it says cheaply when to look closer.
        if values.dtype.kind == "f" and not np.isfinite(_sum(values)):
            bad = ~np.isfinite(values).reshape(len(values), -1)
            if bad.any():
                row = int(bad.any(1).argmax())
                what = "NaN" if np.isnan(values[row]).any() else "infinity"
                raise DataError(
                    f"Input X contains {what} in row {rows[row]} of {self.name}: fill such values in, or leave the "
                    "row out"
                )
        return values.astype(self.dtype, copy=False)


AnyRows = np.ndarray | Rows
"""Rows in memory, or read on demand."""


class Prepared(Rows):
    """Rows of another stream as other rows: in another dtype, and each in another shape of the same size."""

    def __init__(self, rows: Rows, shape: tuple[int, ...], dtype: Any) -> None:
        super().__init__((len(rows), *shape), dtype, rows.name)
        self._rows = rows
        self.in_order = rows.in_order

    @property
    def cuts(self) -> np.ndarray | None:
        return self._rows.cuts

    @property
    def block(self) -> int:
        return self._rows.block

    def _take(self, rows: np.ndarray) -> np.ndarray:
        return self._rows.take(rows).reshape(len(rows), *self.shape[1:])

    def _checked(self, rows: np.ndarray) -> np.ndarray:
        return self._take(rows).astype(self.dtype, copy=False)  # the other stream has checked them


class Chunked(Rows):
    """Rows that can only be read in pieces, such as compressed ones; the last piece is kept.

    Parameters
    ----------
    shape, dtype, name
        As for `Rows`.
    cuts : ndarray of int64
        Where the pieces start, and n.
    """

    def __init__(self, shape: tuple[int, ...], dtype: Any, name: str, cuts: np.ndarray) -> None:
        super().__init__(shape, dtype, name)
        self._cuts = cuts
        self._lock, self._last = threading.Lock(), (-1, np.empty(0))

    @abstractmethod
    def _read_piece(self, number: int) -> np.ndarray:
        """Read all rows of a piece."""

    @property
    def cuts(self) -> np.ndarray:
        return self._cuts

    def _take(self, rows: np.ndarray) -> np.ndarray:
        pieces = np.searchsorted(self._cuts, rows, side="right") - 1
        parts = []
        for number in np.unique(pieces).tolist():
            inside = rows[pieces == number] - self._cuts[number]
            parts.append(self._piece(number)[inside])
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    def _piece(self, number: int) -> np.ndarray:
        with self._lock:
            if self._last[0] != number:
                self._last = (-1, np.empty(0))  # not two pieces at once
                self._last = number, self._read_piece(number)
            return self._last[1]


def even_cuts(n: int, step: int, row_bytes: int) -> np.ndarray:
    """Cuts every ``step`` rows, or every so many times ``step`` that a piece is worth reading by itself."""
    step *= max(1, _BLOCK_BYTES // (step * row_bytes))
    return np.append(np.arange(0, n, step), n)


def chunks(X: AnyRows, size: int, rows: RowNumbers | None = None) -> Iterator[np.ndarray]:
    """Rows of an array or a stream in order, ``size`` at a time, or only those with these ascending numbers.

    The pieces of an array and of a stream of the same rows are the same. A stream is read ahead.
    """
    n = len(X) if rows is None else len(rows)
    if isinstance(X, Rows):
        slab = size * max(1, 2 * _BLOCK_BYTES // (size * X.row_bytes))

        def read() -> Iterator[np.ndarray]:
            for start in range(0, n, slab):
                stop = min(start + slab, n)
                yield X.take(np.arange(start, stop) if rows is None else rows[start:stop])

        for part in ahead(read):
            yield from (part[start : start + size] for start in range(0, len(part), size))
    else:
        for start in range(0, n, size):
            yield X[start : start + size] if rows is None else X[rows[start : start + size]]


def held(X: Any, limit: float) -> Any:
    """Rows as an array in memory, if they take at most ``limit`` GiB; else, and anything else, as it is."""
    return np.asarray(X) if isinstance(X, Rows) and X.nbytes <= limit * 2**30 else X


def _sum(values: np.ndarray) -> float:
    with np.errstate(all="ignore"):
        return float(values.sum())
