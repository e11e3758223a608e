"""The mutual information gap, in the two protocols under which it has been published."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from isthmus.evaluate.factors import Factors

_BINS, _MOST_PAIRS, _DRAWS = 20, 1 << 22, 1000


def mig_chen(mean: np.ndarray, std: np.ndarray, factors: Factors, random_state: int = 0) -> float:
    """Mutual information gap with the posterior as a distribution (Chen et al., 2018, eq. 6 and appendix B).

    I(zⱼ; vₖ) = E[log q(zⱼ|vₖ) − log q(zⱼ)], where q(zⱼ) is the mean of q(zⱼ|x) over all rows, and q(zⱼ|v) that over the
    rows with this value; the expectation is a mean over one draw from the posterior of each row. The gap between the
    two latents that tell most about a factor, over the entropy of the factor, is averaged over factors.

    Parameters
    ----------
    mean, std : ndarray of shape (n, latent_dim)
        Moments of q(z|x), taken for a Gaussian with independent latents.
    factors : Factors
        Of the rows, ideally every combination equally often, as the definition assumes independent factors.
    random_state : int
        Seed of the draws, from the posteriors of 1,000 rows at most.

    Returns
    -------
    float
        From 0 to 1.

    Notes
    -----
    A posterior much narrower than the gaps between the rows' codes tells which row it is, and with it every factor:
    then all latents know everything, and there is no gap. It takes enough rows for q(zⱼ) to be smooth.
    """
    return _gap(told_by_latents(mean, std, factors, random_state), entropies(factors))


def told_by_latents(mean: np.ndarray, std: np.ndarray, factors: Factors, random_state: int = 0) -> np.ndarray:
    """I(zⱼ; vₖ) of every latent and every factor, as in `mig_chen`, in nats.

    Parameters
    ----------
    mean, std, factors, random_state
        As in `mig_chen`.

    Returns
    -------
    information : ndarray of shape (latent_dim, n_factors), float64
    """
    mean_, std_ = (torch.from_numpy(np.asarray(a, dtype=np.float64)) for a in (mean, std))
    generator = np.random.RandomState(random_state)
    rows = generator.permutation(len(mean))[:_DRAWS]
    draws = mean_[rows] + std_[rows] * torch.from_numpy(generator.standard_normal((len(rows), mean.shape[1])))
    whole = _log_density(draws, mean_, std_)
    information = np.zeros((mean.shape[1], len(factors.names)))
    for k, column in enumerate(factors.values.T):
        total = -whole.sum(0)
        for value in range(factors.counts[k]):
            same, drawn = np.flatnonzero(column == value), np.flatnonzero(column[rows] == value)
            total += _log_density(draws[drawn], mean_[same], std_[same]).sum(0)
        information[:, k] = (total / len(rows)).numpy()
    return information


def mig_locatello(mean: np.ndarray, factors: Factors) -> float:
    """Mutual information gap of discretised mean codes (Locatello et al., 2019, appendix C).

    Each latent is cut into 20 bins of equal width over its range; mutual information and entropies are those of the
    counts. It sees nothing of the posterior's spread, and depends on the bins.

    Parameters
    ----------
    mean : ndarray of shape (n, latent_dim)
        Codes.
    factors : Factors
        Of the rows.

    Returns
    -------
    float
        From 0 to 1.
    """
    information = np.array([[_information(bins, column) for column in factors.values.T] for bins in in_bins(mean).T])
    return _gap(information, entropies(factors))


def in_bins(codes: np.ndarray, n_bins: int = _BINS) -> np.ndarray:
    """Bin of every code, of equal width over the range of its latent, of shape (n, latent_dim), int64."""
    codes = np.asarray(codes, dtype=np.float64)
    low, width = codes.min(0), np.ptp(codes, axis=0)
    share = (codes - low) / np.where(width > 0, width, 1.0)
    return np.minimum((share * n_bins).astype(np.int64), n_bins - 1)


def _information(bins: np.ndarray, values: np.ndarray) -> float:
    """Mutual information of two discrete variables, in nats, from their counts."""
    table = np.zeros((int(bins.max()) + 1, int(values.max()) + 1))
    np.add.at(table, (bins, values), 1)
    table /= len(bins)
    expected = np.outer(table.sum(1), table.sum(0))
    seen = table > 0
    return float(np.sum(table[seen] * np.log(table[seen] / expected[seen])))


def entropies(factors: Factors) -> np.ndarray:
    """Entropy of every factor over the rows, in nats: what a latent can tell of it at most."""
    return np.array([_information(column, column) for column in factors.values.T])


def _gap(information: np.ndarray, entropies: np.ndarray) -> float:
    """Mean over factors of the gap between the two most telling latents, of information (latent_dim, n_factors)."""
    # With a single latent, no other one tells anything.
    two = np.sort(np.concatenate([information, np.zeros((1, information.shape[1]))]), axis=0)[::-1][:2]
    return float(np.mean((two[0] - two[1]) / entropies))


def _log_density(z: Tensor, mean: Tensor, std: Tensor) -> Tensor:
    """Log density of codes (k, latent_dim) under the mixture of Gaussians (n, latent_dim), latent by latent.

    Up to a constant that all mixtures share.
    """
    log_std, inverse = std.log(), 1 / std
    parts = z.split(max(1, _MOST_PAIRS // mean.numel()))
    found = [(-0.5 * ((part[:, None] - mean) * inverse) ** 2 - log_std).logsumexp(1) for part in parts]
    return torch.cat(found) - math.log(len(mean))
