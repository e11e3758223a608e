"""A trained model over many rows, in batches that fit in memory."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from sklearn.utils import check_random_state
from torch import Tensor

from isthmus.core import Composed
from isthmus.data.streams import AnyRows, chunks
from isthmus.evaluate.bounds import common_noise, elbo, importance_weighted

_MOST_VALUES = 1 << 22
MOST_ROWS = 1024
_BLOCK, _MOST_TO_REPEAT = 16, 1 << 14
SCORE_DRAWS = 32


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
def by_batch(module: Composed, rows: AnyRows, function: Callable[[Tensor], Tensor], *, copies: int = 1) -> np.ndarray:
    """Apply ``function`` to batches of ``rows`` and join what it returns.

    ``copies`` is how many decoded samples a row costs, which shrinks the batch.
    """
    module.eval()
    device = device_of(module)
    size = batch_size(module, math.prod(rows.shape[1:]), copies)
    # torch.tensor copies: a read-only or memory-mapped array may not be handed over.
    parts = [_evenly(function, torch.tensor(chunk, device=device)).cpu().numpy() for chunk in chunks(rows, size)]
    return np.concatenate(parts)


def _evenly(function: Callable[[Tensor], Tensor], batch: Tensor) -> Tensor:
    """The function of a batch, to which the last row is added until the number of rows is even enough.

    Matrix products treat the rows that do not fill a block in another way, with another rounding: without this, the
    last bits of a row would depend on where in a batch it sits. Of large samples there is too much else to do.
    """
    missing = -len(batch) % _BLOCK
    if missing == 0 or batch[0].numel() > _MOST_TO_REPEAT:
        return function(batch)
    return function(torch.cat([batch, batch[-1:].expand(missing, *batch.shape[1:])]))[: len(batch)]


def batch_size(module: Composed, n_values: int, copies: int = 1) -> int:
    """How many samples of so many values to pass through a model at once."""
    return max(1, min(MOST_ROWS, _MOST_VALUES // (max(1, n_values) * module.likelihood.n_outputs * copies)))


def device_of(module: Composed) -> torch.device:
    """Where a model is."""
    return module.prior().mean.device


def rebuild(module: Composed, rows: AnyRows) -> np.ndarray:
    """Mean of p(x|z) at the code of each row, without keeping the codes, which may be wider than the rows."""
    return by_batch(module, rows, lambda x: module.decode(module.encode(x).mean).mean)


def score_rows(module: Composed, rows: AnyRows) -> np.ndarray:
    """`BaseAutoencoder.score_samples`: the same noise for every row, so that no row depends on another."""
    if not module.bottleneck.stochastic:
        return by_batch(module, rows, lambda x: module.log_prob(x, module.encode(x).z))
    noise = common_noise(SCORE_DRAWS, module.bottleneck.latent_dim_).to(device_of(module))
    return by_batch(module, rows, lambda x: elbo(module, x, noise), copies=len(noise))


def weigh_rows(module: Composed, rows: AnyRows, n_draws: int, seed: int) -> np.ndarray:
    """`BaseAutoencoder.log_likelihood`."""
    generator = torch.Generator().manual_seed(seed)
    return by_batch(module, rows, lambda x: importance_weighted(module, x, n_draws, generator), copies=min(n_draws, 64))
