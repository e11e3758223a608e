"""Sums over the rows of data in one pass: chunk by chunk, on all cores, in memory that does not grow with the rows."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, reduce
from threading import Event, Lock, RLock
from typing import Any

import numpy as np
import torch
from numpy.typing import DTypeLike

from isthmus.data.streams import AnyRows, Rows

_CHUNK_VALUES, _STRIP_VALUES = 1 << 22, 1 << 19
_FEWEST_ROWS, _MOST_ROWS = 64, 4096
_ABREAST = 512
_MOST_SUMS = 1 << 26

_TURN = RLock()

Product = Callable[[np.ndarray, int], np.ndarray]
"""Of shifted rows (m, d) and the number of the first of them."""


@dataclass
class Sums:
    """What a sweep has added up, of rows less a shift.

    Parameters
    ----------
    product : ndarray, float64
        Sum of the product over chunks.
    total, squares : ndarray of shape (d,), float64
        Sum of each value, and of its square; zeros unless the rows were to be described.
    low, high : ndarray of shape (d,)
        Range of each value, before the shift; those of the first row unless the rows were to be described.
    """

    product: np.ndarray
    total: np.ndarray
    squares: np.ndarray
    low: np.ndarray
    high: np.ndarray

    def __add__(self, other: Sums) -> Sums:
        return Sums(
            self.product + other.product,
            self.total + other.total,
            self.squares + other.squares,
            np.minimum(self.low, other.low),
            np.maximum(self.high, other.high),
        )


def first_chunk(X: AnyRows) -> np.ndarray:
    """The first rows of X (n, *event), as many as a sweep reads at once."""
    return X[: _rows_at_once(X)].reshape(-1, math.prod(X.shape[1:]))


def sweep(
    X: AnyRows,
    shift: np.ndarray | None,
    dtype: DTypeLike,
    product: Product,
    shape: tuple[int, ...],
    *,
    describe: bool = False,
) -> Sums:
    """Sum a product over chunks of rows, less a shift.

    Parameters
    ----------
    X : ndarray or Rows of shape (n, *event)
        Data of any real type. Only slices X[start:stop] are read, one at a time.
    shift : ndarray of shape (d,) or None
        Subtracted from every row, in the wider of its own type and that of X; None for nothing.
    dtype : float32 or float64
        What the rows are handed over in.
    product : callable
        See `Product`; runs in several threads at once.
    shape : tuple of int
        Shape of what it returns.
    describe : bool
        Whether to find the totals and the range of each value on the way, which needs a shift.
    """
    n = len(X)
    n_chunks = -(-n // _rows_at_once(X))
    # Of what can only be read from the first row to the last, chunks have to be asked for in that order.
    n_most = 1 if isinstance(X, Rows) and X.in_order else torch.get_num_threads()
    n_workers = min(n_most, n_chunks, max(1, _MOST_SUMS // math.prod(shape)))
    rows = -(-n // (n_workers * -(-n_chunks // n_workers)))  # as many chunks for each
    reading, stop = Lock(), Event()

    def work(worker: int) -> Sums:
        first = X[0].reshape(-1)
        sums = Sums(np.zeros(shape), np.zeros(first.size), np.zeros(first.size), first.copy(), first.copy())
        buffer = np.empty((rows, first.size), dtype)
        # Every so-manyth chunk, not the next that is left: the same data then give the same bits.
        for start in range(worker * rows, n, n_workers * rows):
            if stop.is_set():
                break
            with reading:
                chunk = X[start : start + rows]
            chunk = chunk.reshape(len(chunk), -1)
            if shift is None:
                shifted = chunk.astype(dtype, copy=False)
            else:
                shifted = _shift(chunk, shift, buffer, sums if describe else None)
            # What overflows single precision is seen in the sums.
            with np.errstate(over="ignore", invalid="ignore"):
                sums.product += product(shifted, start)
        return sums

    if n_workers == 1:
        return work(0)
    # Each core has whole chunks to itself: products split over cores would wait for each other at every chunk.
    with one_thread(), ThreadPoolExecutor(n_workers) as pool:
        try:
            return reduce(Sums.__add__, pool.map(work, range(n_workers)))
        finally:
            stop.set()


def _rows_at_once(X: AnyRows) -> int:
    return int(np.clip(_CHUNK_VALUES // math.prod(X.shape[1:]), min(_FEWEST_ROWS, _MOST_ROWS), _MOST_ROWS))


@contextmanager
def one_thread() -> Iterator[None]:
    """Keep NumPy's products to the thread that asks for them."""
    # In turn, or one that enters while another is inside would leave the other's limit behind.
    with _TURN, _blas().limit(limits=1):
        yield


@cache
def _blas() -> Any:
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController().select(user_api="blas")


def _shift(chunk: np.ndarray, shift: np.ndarray, buffer: np.ndarray, sums: Sums | None) -> np.ndarray:
    """Rows less the shift, in the buffer; add them to the sums if there are any."""
    shifted = buffer[: len(chunk)]
    step = max(1, _STRIP_VALUES // chunk.shape[1])
    for first in range(0, len(chunk), step):  # strips that stay in the cache
        raw, strip = chunk[first : first + step], shifted[first : first + step]
        with np.errstate(over="ignore", invalid="ignore"):
            np.subtract(raw, shift, out=strip, casting="same_kind")
            if sums is not None:
                np.minimum(sums.low, _reduce(np.minimum, raw), out=sums.low)
                np.maximum(sums.high, _reduce(np.maximum, raw), out=sums.high)
                sums.total += np.ones(len(strip), strip.dtype) @ strip
                sums.squares += np.einsum("ij,ij->j", strip, strip)
    return shifted


def _reduce(ufunc: np.ufunc, rows: np.ndarray) -> np.ndarray:
    """Reduce over rows; short ones several at a time, side by side, which is much faster."""
    d = rows.shape[1]
    abreast = max(1, min(len(rows), _ABREAST // d))
    whole = len(rows) // abreast * abreast
    side_by_side = ufunc.reduce(rows[:whole].reshape(-1, abreast * d)).reshape(abreast, d)
    return ufunc.reduce(np.concatenate([side_by_side, rows[whole:]]))
