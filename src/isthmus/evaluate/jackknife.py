"""Standard errors of numbers that are no plain means."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

GROUPS = 10


def jackknife(statistic: Callable[[np.ndarray], np.ndarray | float], n: int) -> np.ndarray:
    """Standard error of a statistic of n rows, by leaving out one tenth of them in turn (Efron & Stein, 1981).

    Parameters
    ----------
    statistic : callable
        From the numbers of the rows that are kept, an ndarray, to one value or several. It should be smooth in the
        rows, as functions of moments or counts are.
    n : int
        Rows, in no particular order, at least ten.

    Returns
    -------
    ndarray, float64
        Of the shape of what the statistic returns.
    """
    group = np.arange(n) % GROUPS
    values = np.array([statistic(np.flatnonzero(group != g)) for g in range(GROUPS)], dtype=np.float64)
    return np.sqrt((GROUPS - 1) / GROUPS * np.sum((values - values.mean(0)) ** 2, axis=0))
