"""Generating factors made ready to be compared with codes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from isthmus.errors import DataError

_MOST_VALUES, _BINS = 20, 10


@dataclass(frozen=True)
class Factors:
    """Discrete values of every factor.

    Parameters
    ----------
    values : ndarray of shape (n, n_factors), int64
        Number of the value, from 0, without gaps.
    names : tuple of str
        Of the factors.
    """

    values: np.ndarray
    names: tuple[str, ...]

    @property
    def counts(self) -> list[int]:
        """Number of values of each factor."""
        return [int(column.max()) + 1 for column in self.values.T]

    def take(self, rows: np.ndarray) -> Factors:
        """Some of the rows; values that none of them has are closed up."""
        return _of(list(self.values[rows].T), self.names)


def read_factors(factors: Any, n: int) -> Factors:
    """Factors of n rows, those with many values cut into ten bins of equal width.

    Parameters
    ----------
    factors : mapping of str to array-like of shape (n,), or array-like of shape (n, n_factors)
        Numbers or names. Numbers with more than 20 different values are cut into ten bins over their range. A
        factor that goes round, such as an angle, is cut at its ends like any other. Factors with one value for
        all rows are left out.
    n : int
        Rows.

    Raises
    ------
    DataError
        A factor has another number of rows or a missing value, or fewer than two factors vary.
    """
    if not isinstance(factors, Mapping):
        table = np.asarray(factors)
        if table.ndim != 2:
            raise DataError(
                f"factors are a dict of arrays or an array (n, n_factors), and these have shape {table.shape}"
            )
        factors = {f"factor {k}": table[:, k] for k in range(table.shape[1])}
    columns, names = [], []
    for name, given in factors.items():
        column = np.asarray(given)
        if column.shape != (n,):
            raise DataError(
                f"there are {n:,} rows and values of factor {name!r} of shape {column.shape}; give one per row"
            )
        if column.dtype.kind == "f" and not np.isfinite(column).all():
            raise DataError(f"factor {name!r} has missing values; leave such rows out")
        if column.dtype.kind == "O":
            column = np.array([str(value) for value in column])
        distinct = np.unique(column)
        if column.dtype.kind in "iuf" and len(distinct) > _MOST_VALUES:
            edges = np.linspace(float(distinct[0]), float(distinct[-1]), _BINS + 1)[1:-1]
            column = np.digitize(column, edges)
        if len(distinct) > 1:
            columns.append(column)
            names.append(str(name))
    if len(columns) < 2:
        raise DataError(
            f"disentanglement is about several factors, and {len(columns)} of these vary over the rows; give at least "
            "two"
        )
    return _of(columns, tuple(names))


def _of(columns: list[np.ndarray], names: tuple[str, ...]) -> Factors:
    return Factors(np.stack([np.unique(c, return_inverse=True)[1] for c in columns], 1).astype(np.int64), names)
