"""Some rows of the data, in memory or read on demand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from isthmus.data.ranges import Ranges, RowNumbers
from isthmus.data.samples import Samples
from isthmus.data.streams import AnyRows, Rows
from isthmus.models.fitting import spread

_WATCHED_BYTES = 64 << 20


class Selected(Rows):
    """Some rows of a stream, as a stream of their own.

    Parameters
    ----------
    rows : Rows
        All rows.
    numbers : ndarray of int, or Ranges
        Which of them, ascending.
    """

    def __init__(self, rows: Rows, numbers: RowNumbers) -> None:
        super().__init__((len(numbers), *rows.shape[1:]), rows.dtype, rows.name)
        self._rows, self._numbers = rows, numbers
        self.in_order = rows.in_order

    def _take(self, rows: np.ndarray) -> np.ndarray:
        numbers = self._numbers
        return self._rows.take(numbers.at(rows) if isinstance(numbers, Ranges) else numbers[rows])

    def _checked(self, rows: np.ndarray) -> np.ndarray:
        return self._take(rows)  # the other stream has checked them


def rows_of(samples: Samples, numbers: RowNumbers) -> Samples:
    """Some rows, with the names of the columns."""
    X = samples.X
    return replace(samples, X=Selected(X, numbers) if isinstance(X, Rows) else X[numbers[:]], y=None, factors=None)


def few_of(X: AnyRows, numbers: RowNumbers) -> np.ndarray:
    """These rows in memory, or of many a spread: enough to see how a training goes."""
    return X[spread(numbers, max(2, _WATCHED_BYTES // X[:1].nbytes))]
