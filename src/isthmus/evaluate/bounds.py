"""Bounds on log p(x): always the same quantity, however the model was trained."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import numpy as np
import torch
from torch import Tensor
from torch.distributions import Distribution

from isthmus.core import Composed
from isthmus.terms import kl_closed
from isthmus.terms.kl import is_diagonal_gaussian

# Draws decoded at once, in values: bounds the memory of a batch, and keeps it in the cache of a processor.
_MOST_VALUES = 1 << 20
# PyTorch fills arrays with normal numbers by so many, and draws that are a multiple can be cut in any way.
_GROUP = 16
# Values from which PyTorch lets threads share the one sum that there is.
_SHARED = 1 << 15


def common_noise(n_draws: int, latent_dim: int, seed: int = 0) -> Tensor:
    """Standard normal draws of shape (k, 1, latent_dim), shared by all rows.

    ``latent_dim`` is the width of the noise: `Bottleneck.noise_dim`, which most often is that of the code.

    Antithetic, and with second moment exactly the identity where there are enough draws, so that means of
    quadratics come out exact: the ELBO of a linear Gaussian model has no sampling error. k is ``n_draws``, rounded
    down to an even number, or 2 · latent_dim if that is more (up to 128 draws).
    """
    generator = torch.Generator().manual_seed(seed)
    half = max(1, n_draws // 2, min(latent_dim, 64))
    noise = torch.randn(half, latent_dim, generator=generator, dtype=torch.float64)
    if half >= latent_dim:
        # noise = QR with QᵀQ = I, so the rows of √half · Q have second moment I.
        noise = torch.linalg.qr(noise).Q * half**0.5
    return torch.cat([noise, -noise]).float().unsqueeze(1)


def draw(q: Distribution, noise: Tensor) -> Tensor:
    """Samples of q, of shape (k, B, latent_dim), made from standard normal ``noise`` of shape (k, 1 or B, noise_dim).

    A posterior other than a Gaussian with diagonal covariance has a method ``from_noise`` for that, in which no row
    depends on another.
    """
    if is_diagonal_gaussian(q):
        return q.mean + q.stddev * noise
    from_noise = getattr(q, "from_noise", None)
    return q.rsample(noise.shape[:1]) if from_noise is None else from_noise(noise)


def elbo(module: Composed, x: Tensor, noise: Tensor) -> Tensor:
    """Evidence lower bound on log p(x) in nats, of shape (B,).

    E_q[log p(x|z)] is a mean over ``noise``; the divergence is in closed form where there is one
    (Kingma & Welling, 2014, eq. 7).
    """
    q, prior = posterior(module, x), module.prior()
    z = draw(q, noise)
    apart = _divergence(q, prior, z)
    expected = _over_draws(log_prob(module, x, z))
    return (expected - apart).to(expected.dtype)


def divergence(module: Composed, x: Tensor, noise: Tensor) -> Tensor:
    """KL(q(z|x) ‖ p(z)) in nats, of shape (B,): in closed form where there is one, else a mean over ``noise``."""
    q, prior = posterior(module, x), module.prior()
    return _divergence(q, prior, draw(q, noise))


def _divergence(q: Distribution, prior: Distribution, z: Tensor) -> Tensor:
    closed = kl_closed(q, prior, z)
    found = q.log_prob(z) - prior.log_prob(z) if closed is None else closed
    return _over_draws(found) if found.ndim > 1 else found


def log_weights(module: Composed, x: Tensor, noise: Tensor) -> Tensor:
    """Logarithms of importance weights p(x, z) / q(z|x), of shape (k, B)."""
    q = posterior(module, x)
    z = draw(q, noise)
    return log_prob(module, x, z) + module.prior().log_prob(z) - q.log_prob(z)


def own_noise(seed: int, first: int, n_rows: int, noise_dim: int) -> Callable[[int], Tensor]:
    """Source of standard normal draws that every row has to itself, whatever batch it comes in.

    Row i of the data has the same draws for the same seed, and rows have different ones, so that the error of a mean
    over rows falls with their number.

    Parameters
    ----------
    seed : int
        Of all rows.
    first, n_rows : int
        Rows ``first`` to ``first + n_rows - 1`` of the data are in the batch.
    noise_dim : int
        Width of the noise, which most often is that of the code.

    Returns
    -------
    draw : callable
        Gives the next k draws of each row, (k, n_rows, noise_dim), for k a multiple of 16.
    """
    generators = [
        torch.Generator().manual_seed(int(np.random.SeedSequence((seed, row)).generate_state(1)[0]))
        for row in range(first, first + n_rows)
    ]

    def draw(k: int) -> Tensor:
        return torch.stack([torch.randn(k, noise_dim, generator=generator) for generator in generators], 1)

    return draw


def importance_weighted(module: Composed, x: Tensor, n_draws: int, noise: Callable[[int], Tensor]) -> Tensor:
    """Importance-weighted bound on log p(x) with k = ``n_draws`` (Burda et al., 2016, eq. 8), of shape (B,).

    It does not fall as k grows, and tends to log p(x). ``noise`` is a source as `own_noise` makes it.
    """
    total = nothing(x)
    for weights in weight_passes(module, x, n_draws, noise):
        total = add_up(total, weights)
    return total - math.log(n_draws)


def weight_passes(module: Composed, x: Tensor, n_draws: int, noise: Callable[[int], Tensor]) -> Iterator[Tensor]:
    """Log importance weights, as many draws at a time as memory allows: (k, B) each, float64."""
    per_pass = max(1, _most_draws(module, x) // _GROUP) * _GROUP
    for start in range(0, n_draws, per_pass):
        k = min(per_pass, n_draws - start)
        drawn = noise(-(-k // _GROUP) * _GROUP)[:k]
        yield log_weights(module, x, drawn.to(x.device)).double()


def nothing(x: Tensor) -> Tensor:
    """Logarithm of an empty sum for each row, of shape (B,), float64."""
    return torch.full((len(x),), -math.inf, dtype=torch.float64, device=x.device)


def add_up(total: Tensor, weights: Tensor) -> Tensor:
    """Logarithm (B,) of a sum that goes on with exp(weights), of shape (k, B).

    Always by 16 draws of a row, so that no sum is split in another way for another number of rows in memory.
    """
    for group in weights.split(_GROUP):
        total = torch.logaddexp(total, group.T.contiguous().logsumexp(1))
    return total


def log_prob(module: Composed, x: Tensor, z: Tensor) -> Tensor:
    """Log p(x|z) for codes (k, B, latent_dim), of shape (k, B): some at a time, and independent of one another."""
    passes = z.float().split(_most_draws(module, x))
    return torch.cat([_in_company(module, x, some) for some in passes])


def _in_company(module: Composed, x: Tensor, z: Tensor) -> Tensor:
    """Log p(x|z), where a large sample is never alone: all threads would share its sum, in an order of their own."""
    if len(z) * len(x) > 1 or x.numel() < _SHARED:
        return module.log_prob(x, z)
    return module.log_prob(x, z.expand(2, -1, -1))[:1]


def _most_draws(module: Composed, x: Tensor) -> int:
    """Draws of each row to decode at once."""
    return max(1, _MOST_VALUES // (len(x) * max(1, x[0].numel()) * module.likelihood.n_outputs))


def _over_draws(values: Tensor) -> Tensor:
    """Mean over draws (k, B), in one order whatever B: along the first axis PyTorch adds up columns by groups."""
    return values.T.contiguous().mean(1)


def posterior(module: Composed, x: Tensor) -> Distribution:
    """q(z|x) in float64, as PyTorch's functions of float32 round the last values of an array in another way."""
    q = module.bottleneck.posterior(module.features(x).double())
    if q is None:
        raise TypeError("a deterministic code has no bound")
    return q
