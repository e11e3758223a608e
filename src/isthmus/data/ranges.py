"""Ascending row numbers that take no memory of their own, however many there are."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Ranges:
    """Row numbers in ascending order, held as the ranges that they form.

    Indexed by a slice they are an array of row numbers, as an array of all of them would be.

    Parameters
    ----------
    starts, stops : ndarray of int64, of shape (k,)
        Rows from ``starts[i]`` up to but without ``stops[i]``; no two ranges overlap, and they ascend.
    """

    starts: np.ndarray
    stops: np.ndarray

    @classmethod
    def up_to(cls, n: int) -> Ranges:
        """All rows of ``n``."""
        return cls(np.array([0]), np.array([n]))

    def __len__(self) -> int:
        return int((self.stops - self.starts).sum())

    def __getitem__(self, key: slice) -> np.ndarray:
        return self.at(np.arange(*key.indices(len(self))))

    def at(self, positions: np.ndarray) -> np.ndarray:
        """Row numbers at these positions."""
        ends = np.cumsum(self.stops - self.starts)
        inside = np.searchsorted(ends, positions, side="right")
        return self.stops[inside] - ends[inside] + positions

    def count_below(self, rows: np.ndarray) -> np.ndarray:
        """How many of the row numbers are smaller than each of ``rows``."""
        inside = np.searchsorted(self.stops, rows, side="right")
        starts, sizes = np.append(self.starts, rows.max(initial=0)), self.stops - self.starts
        before = np.concatenate([[0], np.cumsum(sizes)])
        return before[inside] + np.clip(rows - starts[inside], 0, None)

    def without(self, chosen: np.ndarray) -> Ranges:
        """The ranges whose number is not among ``chosen``."""
        kept = np.delete(np.arange(len(self.starts)), chosen)
        return Ranges(self.starts[kept], self.stops[kept])

    def only(self, chosen: np.ndarray) -> Ranges:
        """The ranges with these numbers, which ascend."""
        return Ranges(self.starts[chosen], self.stops[chosen])


RowNumbers = np.ndarray | Ranges
"""Ascending row numbers, all of them or as ranges."""
