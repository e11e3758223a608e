"""The Fréchet distance between two sets of features (FID)."""

from __future__ import annotations

import numpy as np

from isthmus.errors import DataError
from isthmus.evaluate.jackknife import GROUPS, jackknife


def gaussian_distance(mean: np.ndarray, cov: np.ndarray, other_mean: np.ndarray, other_cov: np.ndarray) -> float:
    """Squared Fréchet distance between two normal distributions (Dowson & Landau, 1982, eq. 16).

    ‖m₁ − m₂‖² + tr(C₁ + C₂ − 2 (C₁ C₂)^½), which is also their squared 2-Wasserstein distance.

    Parameters
    ----------
    mean, other_mean : ndarray of shape (d,)
        Means.
    cov, other_cov : ndarray of shape (d, d)
        Covariances, symmetric, perhaps singular.

    Returns
    -------
    float
        In squared units of the features; at least 0.

    Notes
    -----
    (C₁ C₂)^½ has the trace of (C₁^½ C₂ C₁^½)^½, which is symmetric: its eigenvalues are real, and those that
    rounding makes negative are 0. A general matrix square root of C₁ C₂ would come out complex where they are singular.
    """
    values, vectors = np.linalg.eigh(cov)
    root = (vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T
    product = np.linalg.eigvalsh(root @ other_cov @ root)
    shared = np.sqrt(np.maximum(product, 0)).sum()
    distance = np.sum((mean - other_mean) ** 2) + np.trace(cov) + np.trace(other_cov) - 2 * shared
    return float(max(distance, 0.0))


def frechet_distance(first: np.ndarray, second: np.ndarray) -> float:
    """Fréchet distance between the normal distributions with the moments of two sets of features.

    This is the Fréchet inception distance of Heusel et al. (2017, eq. 6), for whatever features are passed.

    Parameters
    ----------
    first, second : ndarray of shape (n, d)
        Features of as many samples each.

    Returns
    -------
    float
        In squared units of the features.

    Raises
    ------
    DataError
        The sets differ in size or width, or have fewer than two rows.

    Notes
    -----
    The covariances are unbiased, the distance is not: by chance alone it is positive, by about what two sets of real
    data of that size have between them, and it falls as 1 / n. Values for different n cannot be compared, so both
    sets must be of one size; read them beside the floor that `isthmus.evaluate.samples.sample_quality` gives.
    """
    first, second = same_size(first, second, 2)
    moments = [(f.mean(0), np.atleast_2d(np.cov(f, rowvar=False))) for f in (first, second)]
    return gaussian_distance(*moments[0], *moments[1])


def frechet_error(first: np.ndarray, second: np.ndarray) -> float:
    """Standard error of `frechet_distance`, by the jackknife over ten groups of rows.

    Parameters
    ----------
    first, second : ndarray of shape (n, d)
        Features, in no particular order, at least 20 rows of each.
    """
    first, second = same_size(first, second, 2 * GROUPS)
    return float(jackknife(lambda kept: frechet_distance(first[kept], second[kept]), len(first)))


def same_size(first: np.ndarray, second: np.ndarray, least: int) -> tuple[np.ndarray, np.ndarray]:
    """Both sets of features in float64, if they have one shape and enough rows; else a `DataError`."""
    first, second = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
    if first.ndim != 2 or first.shape != second.shape:
        raise DataError(
            f"two sets of features are compared row for row in number, and theirs are {first.shape} and "
            f"{second.shape}; take as many samples of each"
        )
    if len(first) < least:
        raise DataError(f"there are {len(first)} samples of each kind; at least {least} are needed")
    return first, second
