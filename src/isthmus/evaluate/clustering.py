"""Groups in the code, and how well they agree with known classes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np

from isthmus.errors import DataError, ParameterError

if TYPE_CHECKING:
    from isthmus.models.base import BaseAutoencoder

Method = Literal["kmeans", "gmm"]
_KMEANS_STARTS: Any = 10  # whose annotation in scikit-learn knows "auto" alone
_MIXTURE_STARTS = 5
_ROWS_PER_LATENT = 5
_HARDLY = 0.1


@dataclass(frozen=True, eq=False)
class Clustering:
    """Groups of rows by their codes.

    Parameters
    ----------
    labels : ndarray of shape (n,)
        Cluster of every row, from 0; the largest cluster first.
    centres : ndarray of shape (n_clusters, latent_dim)
        Codes in the middle of the clusters: their means.
    decoded_centres : ndarray of shape ``(n_clusters, *shape of a sample)``
        What these codes decode to.
    probabilities : ndarray of shape (n, n_clusters) or None
        Share that every cluster has in every row, for a mixture; each row adds up to 1.
    """

    labels: np.ndarray
    centres: np.ndarray
    decoded_centres: np.ndarray
    probabilities: np.ndarray | None = None

    @property
    def sizes(self) -> np.ndarray:
        """Rows in every cluster."""
        return np.bincount(self.labels, minlength=len(self.centres))

    def scores(self, y: Any) -> dict[str, float]:
        """Agreement with known classes, which had no part in finding the clusters.

        Parameters
        ----------
        y : array-like of shape (n,)
            Class of every row, numbers or names.

        Returns
        -------
        dict of str to float
            ``accuracy``: share of rows whose cluster stands for their class, when every class gets at most one cluster
            and every cluster at most one class, in the best way (Hungarian method; Kuhn, 1955). ``nmi``: mutual
            information over the mean of both entropies. ``ari``: Rand index, adjusted so that chance gives 0 (Hubert &
            Arabie, 1985).
        """
        y = np.asarray(y)
        if y.shape != self.labels.shape:
            raise DataError(f"there are {len(self.labels):,} rows and labels of shape {y.shape}; give one per row")
        return agreement(y, self.labels)


def agreement(y: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    """What `Clustering.scores` gives, of classes and clusters of shape (n,)."""
    from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score

    return {
        "accuracy": matched_accuracy(y, labels),
        "nmi": float(normalized_mutual_info_score(y, labels)),
        "ari": float(adjusted_rand_score(y, labels)),
    }


def matched_accuracy(y: np.ndarray, labels: np.ndarray) -> float:
    """Largest share of rows that agree when clusters and classes are matched one to one."""
    from scipy.optimize import linear_sum_assignment
    from sklearn.metrics.cluster import contingency_matrix

    table: Any = contingency_matrix(y, labels)
    return float(table[linear_sum_assignment(-table)].sum() / len(labels))


def cluster(
    estimator: BaseAutoencoder,
    X: Any,
    n_clusters: int,
    method: Method,
    random_state: int | np.random.RandomState | None,
) -> Clustering:
    """Groups in the codes of X; see `BaseAutoencoder.cluster`."""
    codes = estimator.transform(X).astype(np.float64)
    if method not in get_args(Method):
        raise ParameterError(f"method must be one of {', '.join(map(repr, get_args(Method)))}, got {method!r}")
    if not 1 <= n_clusters <= len(codes):
        raise ParameterError(f"n_clusters must lie between 1 and the number of rows, {len(codes):,}, got {n_clusters}")
    if method == "kmeans":
        labels, shares = kmeans(codes, n_clusters, random_state), None
    else:
        labels, shares = fit_mixture(codes, n_clusters, random_state)
    # The order of the clusters is otherwise that of a random start.
    order = np.argsort(-np.bincount(labels, minlength=n_clusters), kind="stable")
    labels = np.argsort(order)[labels]
    weights = np.eye(n_clusters)[labels] if shares is None else shares[:, order]
    centres = weights.T @ codes / np.maximum(weights.sum(0), 1e-12)[:, None]
    probabilities = None if shares is None else weights
    return Clustering(labels, centres, estimator.inverse_transform(centres), probabilities)


def kmeans(codes: np.ndarray, n_clusters: int, random_state: Any) -> np.ndarray:
    """Cluster of each code (n, latent_dim), by the best of ten starts."""
    from sklearn.cluster import KMeans

    return KMeans(n_clusters, n_init=_KMEANS_STARTS, random_state=random_state).fit_predict(codes)


def fit_mixture(codes: np.ndarray, n_clusters: int, random_state: Any) -> tuple[np.ndarray, np.ndarray]:
    """Label of every code, and the share (n, n_clusters) that each component of a Gaussian mixture has in it."""
    from sklearn.mixture import GaussianMixture

    # A full covariance for each cluster wants a few rows for each latent.
    shape = "full" if len(codes) >= _ROWS_PER_LATENT * n_clusters * codes.shape[1] else "diag"
    mixture = GaussianMixture(
        n_clusters, covariance_type=shape, n_init=_MIXTURE_STARTS, reg_covar=1e-3, random_state=random_state
    )
    scaled = _standardised(codes)
    return mixture.fit_predict(scaled), mixture.predict_proba(scaled)


def _standardised(codes: np.ndarray) -> np.ndarray:
    """Codes with each latent in its standard deviations; one that hardly varies is not blown up."""
    spread = codes.std(0)
    return (codes - codes.mean(0)) / np.maximum(spread, _HARDLY * spread.max() or 1.0)
