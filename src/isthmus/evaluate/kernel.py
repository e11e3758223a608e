"""The kernel distance between two sets of features (KID)."""

from __future__ import annotations

import numpy as np

from isthmus.evaluate.frechet import same_size

_BLOCKS, _MOST_ROWS = 10, 1000


def cubic_kernel(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """(x·y / d + 1)³ of every pair of features (n, d) and (m, d), of shape (n, m)."""
    return (first @ second.T / first.shape[1] + 1) ** 3


def squared_discrepancy(first: np.ndarray, second: np.ndarray) -> float:
    """Unbiased estimate of the squared maximum mean discrepancy (Gretton et al., 2012, eq. 3), cubic kernel.

    Means over pairs of different rows of each set, less twice the mean over pairs of both; it may be negative.

    Parameters
    ----------
    first, second : ndarray of shape (n, d)
        Features of as many samples each, at least two.
    """
    first, second = same_size(first, second, 2)
    n = len(first)
    within = 0.0
    for rows in (first, second):
        kernel = cubic_kernel(rows, rows)
        within += (kernel.sum() - np.trace(kernel)) / (n * (n - 1))
    return float(within - 2 * cubic_kernel(first, second).mean())


def kernel_distance(first: np.ndarray, second: np.ndarray) -> tuple[float, float]:
    """Kernel inception distance and its standard error (Bińkowski et al., 2018, section 4).

    Parameters
    ----------
    first, second : ndarray of shape (n, d)
        Features of as many samples each, in no particular order, at least 20.

    Returns
    -------
    distance : float
        Mean of the unbiased squared discrepancy over disjoint blocks of rows: ten, or more if there would be over 1,000
        rows in each. It is 0 on average for samples of one distribution, so it may be below 0.
    error : float
        Standard error of that mean, from the spread of the blocks.

    Notes
    -----
    The paper draws its blocks with overlap, which makes the spread too small; disjoint blocks are independent.
    """
    first, second = same_size(first, second, 2 * _BLOCKS)
    n_blocks = max(_BLOCKS, -(-len(first) // _MOST_ROWS))
    parts = zip(np.array_split(first, n_blocks), np.array_split(second, n_blocks), strict=True)
    values = np.array([squared_discrepancy(a, b) for a, b in parts])
    return float(values.mean()), float(values.std(ddof=1) / n_blocks**0.5)
