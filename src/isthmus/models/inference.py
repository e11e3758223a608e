"""A trained model over many rows, in batches that fit in memory."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from sklearn.utils import check_random_state
from torch import Tensor

from isthmus.core import Composed
from isthmus.engines import Engine
from isthmus.engines.halves import in_blocks
from isthmus.evaluate.bounds import common_noise, elbo, importance_weighted, own_noise

# Decoded values of a batch. A processor is fastest where what passes between the layers stays in its cache.
_MOST_VALUES = {"cpu": 1 << 19}
_MOST_VALUES_ELSEWHERE = 1 << 22
_MOST_ROWS = 512
SCORE_DRAWS = 32
# Values from which PyTorch splits a sum that is alone.
_SPLIT = 1 << 15


@dataclass(frozen=True)
class Posterior:
    """q(z|x) of every row: a Gaussian with diagonal covariance.

    Parameters
    ----------
    mean, std : ndarray of shape (n, latent_dim)
        Moments.
    """

    mean: np.ndarray
    std: np.ndarray

    def sample(self, n: int = 1, *, random_state: int | np.random.RandomState | None = None) -> np.ndarray:
        """Draw ``n`` codes per row, of shape (n, rows, latent_dim)."""
        noise = check_random_state(random_state).standard_normal((n, *self.mean.shape))
        return (self.mean + self.std * noise).astype(self.mean.dtype)


@torch.no_grad()
def by_batch(
    module: Composed, rows: np.ndarray, function: Callable[[Tensor], Tensor], *, copies: int = 1
) -> np.ndarray:
    """Apply ``function`` to batches of ``rows`` and join what it returns.

    ``copies`` is how many decoded samples a row costs, which shrinks the batch. An `Engine` sees to it that no row
    depends on its batch; for a function of a plain module that is done here.
    """
    module.eval()
    device = device_of(module)
    size = batch_size(module, rows[0].size, copies)
    apply = function if isinstance(module, Engine) else in_blocks(function)
    # torch.tensor copies: a read-only or memory-mapped array may not be handed over.
    parts = [
        apply(torch.tensor(rows[start : start + size], device=device)).cpu().numpy()
        for start in range(0, len(rows), size)
    ]
    return np.concatenate(parts)


def batch_size(module: Composed, n_values: int, copies: int = 1) -> int:
    """How many samples of so many values to pass through a model at once."""
    most = _MOST_VALUES.get(device_of(module).type, _MOST_VALUES_ELSEWHERE)
    return max(1, min(_MOST_ROWS, most // (max(1, n_values) * module.likelihood.n_outputs * copies)))


def device_of(module: Composed) -> torch.device:
    """Where a model is."""
    return module.scaling.shift.device


def rebuild(module: Composed, rows: np.ndarray) -> np.ndarray:
    """Mean of p(x|z) at the code of each row, without keeping the codes, which may be wider than the rows."""
    return by_batch(module, rows, lambda x: module.decode(module.code(x)).mean)


def score_rows(module: Composed, rows: np.ndarray) -> np.ndarray:
    """`BaseAutoencoder.score_samples`: the same noise for every row, so that no row depends on another."""
    if not module.bottleneck.stochastic:
        return by_batch(module, rows, _in_company(lambda x: module.log_prob(x, module.code(x))))
    noise = common_noise(SCORE_DRAWS, module.bottleneck.latent_dim_).to(device_of(module))
    return by_batch(module, rows, lambda x: elbo(module, x, noise), copies=len(noise))


def weigh_rows(module: Composed, rows: np.ndarray, n_draws: int, seed: int) -> np.ndarray:
    """`BaseAutoencoder.log_likelihood`: every row has noise of its own, which its number and the seed make."""
    first = 0

    def weigh(x: Tensor) -> Tensor:
        nonlocal first
        noise = own_noise(seed, first, len(x), module.bottleneck.latent_dim_)
        first += len(x)
        return importance_weighted(module, x, n_draws, noise)

    return by_batch(module, rows, weigh, copies=min(n_draws, 64))


def _in_company(function: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
    """The function of a batch, in which a large sample is never alone: its sum would be split among the threads."""
    return lambda x: function(torch.cat([x, x]))[:1] if len(x) == 1 and x.numel() >= _SPLIT else function(x)
