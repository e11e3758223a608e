"""Estimates of log p(x) for models of which there are only samples: one that can be trusted, and one that cannot."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.distributions import Bernoulli, ContinuousBernoulli, Distribution, Independent, Normal

from isthmus.errors import DataError, ParzenWarning
from isthmus.likelihoods.rescaled import Rescaled

# Values, and pairs of a sample and a state, that are in memory at once.
_MOST_VALUES, _MOST_PAIRS = 1 << 23, 1 << 22

PARZEN_WARNING = (
    "a Parzen window estimate is no measure of a model: in many dimensions it is far from log p(x) whatever the number "
    "of samples, and k-means centroids score above samples of the true distribution (Theis et al., 2016); use a bound "
    "on the likelihood instead"
)


# ------------------------------------------------------------------ the conservative bound


def conservative_log_likelihood(x: Tensor, conditionals: Iterable[Distribution]) -> Tensor:
    """Log of the mean of p(x|state) over states of a chain: a lower bound on log p(x) on average.

    The stationary distribution of a chain of corrupting and denoising is the mean of p(x|x̃) over its corrupted states
    x̃. Over finitely many states the logarithm of that mean is too low on average, by Jensen's inequality, and
    the less so the more states there are (CSL; Bengio, Yao & Cho, 2013, section 3).

    Parameters
    ----------
    x : Tensor of shape (n, *event)
        Samples, in the data's own units.
    conditionals : iterable of Distribution
        p(x|state) of some states at a time, each of batch shape (states,) and event shape ``event``; only one is in
        memory at once. The states should be independent, or come from a chain that has converged.

    Returns
    -------
    Tensor of shape (n,), float64
        Nats.

    Raises
    ------
    DataError
        There are no states.
    """
    total = torch.full((len(x),), -math.inf, dtype=torch.float64, device=x.device)
    n_states = 0
    for p in conditionals:
        states = p.batch_shape[0]
        blocks = x.split(max(1, _MOST_PAIRS // states))
        found = torch.cat([pairwise_log_prob(p, block).logsumexp(1) for block in blocks])
        total = torch.logaddexp(total, found)
        n_states += states
    if not n_states:
        raise DataError("there are no states of a chain to estimate a likelihood from")
    return total - math.log(n_states)


def pairwise_log_prob(p: Distribution, x: Tensor) -> Tensor:
    """Log density of every sample under every distribution of a batch, in nats.

    Parameters
    ----------
    p : Distribution
        Batch shape (k,) and event shape ``event``.
    x : Tensor of shape (n, *event)
        Samples.

    Returns
    -------
    Tensor of shape (n, k), float64
    """
    if isinstance(p, Rescaled):
        jacobian = p.scale.double().log().expand(p.event_shape).sum()
        return pairwise_log_prob(p.base, p.standardize(x)) - jacobian
    base = p.base_dist if isinstance(p, Independent) else p
    # Exponential families need a product of matrices only: hundreds of times fewer passes through memory.
    if isinstance(base, Normal) and isinstance(p, Independent):
        return _normal_pairs(_rows(base.mean), _rows(base.stddev), _rows(x))
    if isinstance(base, Bernoulli | ContinuousBernoulli) and isinstance(p, Independent):
        at_zero = base.log_prob(torch.zeros_like(base.logits)).double().flatten(1).sum(1)
        return _rows(x) @ _rows(base.logits).T + at_zero
    size = max(1, _MOST_VALUES // (p.batch_shape[0] * max(1, x[0].numel())))
    return torch.cat([p.log_prob(part.unsqueeze(1)).double() for part in x.split(size)])


def _rows(values: Tensor) -> Tensor:
    return values.double().flatten(1)


def _normal_pairs(mean: Tensor, sd: Tensor, x: Tensor) -> Tensor:
    """Log densities of rows (n, d) under normal distributions (k, d), by −½ (x² − 2 x m + m²) / s² in float64."""
    middle, precision = mean.mean(0), sd**-2
    x, mean = x - middle, mean - middle  # squares of what is large would cancel
    weighed = mean * precision
    constant = (mean * weighed).sum(1) + 2 * sd.log().sum(1) + mean.shape[1] * math.log(2 * math.pi)
    return x @ weighed.T - 0.5 * (x**2 @ precision.T + constant)


# ------------------------------------------------------------------ Parzen windows


@dataclass(frozen=True)
class ParzenEstimate:
    """A Parzen window estimate, with what has to be said of it.

    Parameters
    ----------
    log_density : ndarray of shape (n,), float64
        Of each row, in nats.
    bandwidth : float
        Standard deviation of the kernels that gives the validation rows the largest mean.
    warning : str
        Why not to believe it.
    """

    log_density: np.ndarray
    bandwidth: float
    warning: str = PARZEN_WARNING

    def __str__(self) -> str:
        error = self.log_density.std() / len(self.log_density) ** 0.5
        mean = f"{self.log_density.mean():.1f} ± {error:.1f} nats at bandwidth {self.bandwidth:.3g}"
        return f"Parzen window estimate {mean}; but {self.warning}"


def parzen(
    samples: np.ndarray, validation: np.ndarray, X: np.ndarray, *, bandwidths: Sequence[float] | None = None
) -> ParzenEstimate:
    """Log density of X under Gaussian kernels on a model's samples (Breuleux et al., 2011), and a warning.

    It is there because so many papers quote it. `parzen_paradox` shows why it misleads.

    Parameters
    ----------
    samples : ndarray of shape (n, *event)
        Drawn from the model.
    validation : ndarray of shape (m, *event)
        Data that choose the bandwidth, neither trained on nor among X.
    X : ndarray of shape (k, *event)
        Data to score.
    bandwidths : sequence of float, optional
        Standard deviations to choose from. By default 20, from a fiftieth to twice the root mean square distance per
        value of the validation rows from their nearest samples.

    Returns
    -------
    ParzenEstimate

    Warns
    -----
    ParzenWarning
        Always.
    """
    warnings.warn(PARZEN_WARNING, ParzenWarning, stacklevel=2)
    return _parzen(samples, validation, X, bandwidths)


def parzen_paradox(
    train: np.ndarray, validation: np.ndarray, test: np.ndarray, *, n: int, random_state: int | None = 0
) -> dict[str, float]:
    """Parzen windows prefer k-means centroids to the truth: the counter-example of Theis et al. (2016, section 3.3).

    Parameters
    ----------
    train, validation, test : ndarray of shape (rows, *event)
        Parts of one data set, in one unit for all values.
    n : int
        Samples of either "model", fewer than there are rows to train on.
    random_state : int or None
        Seed of the choice of rows and of k-means.

    Returns
    -------
    dict of str to float
        Mean Parzen log-likelihood of the test rows, in nats: ``truth``, under ``n`` training rows, which are samples of
        the true distribution; ``k_means``, under ``n`` centroids of the training rows, which no one would call a model.

    Raises
    ------
    DataError
        There are not more training rows than ``n``.
    """
    from sklearn.cluster import KMeans

    if not 0 < n < len(train):
        raise DataError(f"n={n} centroids need more rows than that to be means of, and there are {len(train):,}")
    rows = np.asarray(train, np.float64).reshape(len(train), -1)
    drawn = rows[np.random.RandomState(random_state).permutation(len(rows))[:n]]
    centroids = KMeans(n, random_state=random_state).fit(rows).cluster_centers_
    models = {"truth": drawn, "k_means": centroids}
    return {name: float(_parzen(found, validation, test).log_density.mean()) for name, found in models.items()}


def _parzen(
    samples: np.ndarray, validation: np.ndarray, X: np.ndarray, bandwidths: Sequence[float] | None = None
) -> ParzenEstimate:
    flat, known, rows = (torch.tensor(np.asarray(a)).double().flatten(1) for a in (samples, validation, X))
    d = flat.shape[1]
    if not len(flat) or not len(known) or {d} != {known.shape[1], rows.shape[1]}:
        shapes = ", ".join(str(np.shape(a)) for a in (samples, validation, X))
        raise DataError(f"samples, validation rows and X must hold samples of one shape, and theirs are {shapes}")
    distances = _squared_distances(known, flat)
    grid = _grid(distances, d) if bandwidths is None else list(bandwidths)
    means = [_kernel_density(distances, width, d).mean().item() for width in grid]
    best = float(grid[int(np.argmax(means))])
    blocks = (_squared_distances(part, flat) for part in rows.split(max(1, _MOST_PAIRS // len(flat))))
    found = torch.cat([_kernel_density(block, best, d) for block in blocks])
    return ParzenEstimate(found.numpy(), best)


def _squared_distances(rows: Tensor, centres: Tensor) -> Tensor:
    """Of shape (rows, centres), by the differences from a common middle, which keeps the digits."""
    middle = centres.mean(0)
    rows, centres = rows - middle, centres - middle
    squares = (rows**2).sum(1)[:, None] + (centres**2).sum(1)
    return (squares - 2 * rows @ centres.T).clamp_min(0)


def _kernel_density(squared: Tensor, bandwidth: float, d: int) -> Tensor:
    n = squared.shape[1]
    constant = math.log(n) + 0.5 * d * math.log(2 * math.pi * bandwidth**2)
    return (squared / (-2 * bandwidth**2)).logsumexp(1) - constant


def _grid(squared: Tensor, d: int) -> list[float]:
    typical = (squared.min(1).values.mean() / d).sqrt().item() or 1.0
    return [float(width) for width in np.geomspace(typical / 50, 2 * typical, 20)]
