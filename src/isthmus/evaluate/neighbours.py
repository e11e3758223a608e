"""Precision, recall, density and coverage of samples, by nearest neighbours among features."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from isthmus.evaluate.frechet import same_size

PRECISION_K, DENSITY_K = 3, 5
_MOST_PAIRS, _ROUNDING = 1 << 22, 1e-13


def precision_recall(real: np.ndarray, made: np.ndarray, k: int = PRECISION_K) -> tuple[float, float]:
    """Improved precision and recall (Kynkäänniemi et al., 2019, eq. 1 and 2).

    The region of a set is the union of balls about its rows, each out to the k-th nearest other row of the set.

    Parameters
    ----------
    real, made : ndarray of shape (n, d)
        Features of data and of a model's samples, as many of each.
    k : int
        Neighbours; 3 in the paper.

    Returns
    -------
    precision : float
        Share of the samples that lie in the region of the data.
    recall : float
        Share of the data that lies in the region of the samples.
    """
    real, made = same_size(real, made, k + 1)
    in_real, _ = _balls(real, kth_distance(real, k), made)
    in_made, _ = _balls(made, kth_distance(made, k), real)
    return float(np.mean(in_real > 0)), float(np.mean(in_made > 0))


def density_coverage(real: np.ndarray, made: np.ndarray, k: int = DENSITY_K) -> tuple[float, float]:
    """Density and coverage (Naeem et al., 2020, eq. 5 and 6), which an outlier among the data does not deceive.

    Parameters
    ----------
    real, made : ndarray of shape (n, d)
        Features of data and of a model's samples, as many of each.
    k : int
        Neighbours; 5 in the paper.

    Returns
    -------
    density : float
        How many balls of the data a sample lies in on average, over k: about 1 for samples of the same distribution,
        and more if they crowd where data are dense.
    coverage : float
        Share of the data's balls that hold a sample. For samples of the same distribution it is about 1 − 2⁻ᵏ.
    """
    real, made = same_size(real, made, k + 1)
    inside, covered = _balls(real, kth_distance(real, k), made)
    return float(inside.mean() / k), float(covered.mean())


def kth_distance(rows: np.ndarray, k: int) -> np.ndarray:
    """Distance of every row (n, d) to its k-th nearest other row, of shape (n,)."""
    # The row itself is at distance 0, so the k-th of the others is number k from 0.
    found = [np.partition(part, k, axis=1)[:, k] for part, _ in _squared_distances(rows, rows)]
    return np.sqrt(np.concatenate(found))


def _balls(centres: np.ndarray, radius: np.ndarray, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """In how many balls each point lies, and which balls hold a point."""
    inside, covered = [], np.zeros(len(centres), dtype=bool)
    for part, error in _squared_distances(points, centres):
        within = part <= radius**2 + error
        inside.append(within.sum(1))
        covered |= within.any(0)
    return np.concatenate(inside), covered


def _squared_distances(rows: np.ndarray, others: np.ndarray) -> Iterator[tuple[np.ndarray, float]]:
    """Squared distances of some rows (n, d) at a time to all others (m, d), and how far they may be off by rounding.

    By a product of matrices, about the middle of the others, which takes a tenth of the time of differences.
    """
    middle = others.mean(0)
    rows, others = rows - middle, others - middle
    lengths, own = (rows**2).sum(1), (others**2).sum(1)
    error = _ROUNDING * float(max(lengths.max(), own.max()))
    step = max(1, _MOST_PAIRS // len(others))
    for start in range(0, len(rows), step):
        part = slice(start, start + step)
        yield np.maximum(lengths[part, None] + own - 2 * rows[part] @ others.T, 0), error
