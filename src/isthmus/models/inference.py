"""A trained model over many rows, in batches that fit in memory."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import torch
from sklearn.utils import check_random_state
from torch import Tensor

from isthmus.core import Composed
from isthmus.data.streams import AnyRows, chunks
from isthmus.engines.engine import Engine
from isthmus.engines.halves import BLOCK, MOST_TO_REPEAT, in_blocks
from isthmus.evaluate.bounds import (
    common_noise,
    divergence,
    draw,
    elbo,
    importance_weighted,
    log_prob,
    own_noise,
    posterior,
)

# Decoded values of a batch. A processor is fastest where what passes between the layers stays in its cache.
_MOST_VALUES = {"cpu": 1 << 19}
_MOST_VALUES_ELSEWHERE = 1 << 22
MOST_ROWS = 512
SCORE_DRAWS = 32

Weigh = Callable[[Composed, Tensor, int, Callable[[int], Tensor]], Tensor]
"""Function of a module, rows (B, *event), a number of draws, and their source: one value or more for each row."""


@dataclass(frozen=True)
class Posterior:
    """q(z|x) of every row.

    Parameters
    ----------
    mean, std : ndarray of shape (n, latent_dim)
        Moments.
    noise_dim : int, optional
        How many standard normal numbers a draw is made of, if these are not the moments of a Gaussian with diagonal
        covariance.
    made_of : callable, optional
        Draws (k, n, latent_dim) made of such numbers (k, n, noise_dim).
    """

    mean: np.ndarray
    std: np.ndarray
    noise_dim: int | None = None
    made_of: Callable[[np.ndarray], np.ndarray] | None = field(default=None, repr=False)

    def sample(self, n: int = 1, *, random_state: int | np.random.RandomState | None = None) -> np.ndarray:
        """Draw ``n`` codes per row, of shape (n, rows, latent_dim)."""
        rows, width = self.mean.shape
        noise = check_random_state(random_state).standard_normal((n, rows, self.noise_dim or width))
        drawn = self.mean + self.std * noise if self.made_of is None else self.made_of(noise)
        return drawn.astype(self.mean.dtype)


@torch.no_grad()
def by_batch(
    module: Composed, rows: AnyRows, function: Callable[[Tensor], Tensor], *, copies: int = 1, multiple: int = 1
) -> np.ndarray:
    """Apply ``function`` to batches of ``rows`` and join what it returns.

    ``copies`` is how many decoded samples a row costs, which shrinks the batch; it stays a ``multiple`` of some number
    of rows. An `Engine` sees to it that no row depends on its batch; for a plain module that is done here.
    """
    module.eval()
    device = device_of(module)
    apply = function if isinstance(module, Engine) else in_blocks(function)

    def on_arrays(part: np.ndarray) -> np.ndarray:
        # torch.tensor copies: a read-only or memory-mapped array may not be handed over.
        return apply(torch.tensor(part, device=device)).cpu().numpy()

    return _in_slices(module, rows, on_arrays, copies, multiple)


def encode_rows(engine: Engine, rows: AnyRows) -> np.ndarray:
    """`BaseAutoencoder.transform`."""
    direct = engine.encode_arrays()
    if direct is None:
        return by_batch(engine, rows, engine.code)
    # For one row all else would take as long as its code.
    return direct(rows[:]) if len(rows) == 1 else _in_slices(engine, rows, direct)


def _in_slices(
    module: Composed, rows: AnyRows, function: Callable[[np.ndarray], np.ndarray], copies: int = 1, multiple: int = 1
) -> np.ndarray:
    # Codes are decoded to samples.
    size = batch_size(module, max(math.prod(rows.shape[1:]), math.prod(module.event_shape)), copies)
    size = max(multiple, size - size % multiple)
    return np.concatenate([function(chunk) for chunk in chunks(rows, size)])


def batch_size(module: Composed, n_values: int, copies: int = 1) -> int:
    """How many samples of so many values to pass through a model at once."""
    most = _MOST_VALUES.get(device_of(module).type, _MOST_VALUES_ELSEWHERE)
    return max(1, min(MOST_ROWS, most // (max(1, n_values) * module.likelihood.n_outputs * copies)))


def device_of(module: Composed) -> torch.device:
    """Where a model is."""
    return module.scaling.shift.device


def rebuild(module: Composed, rows: AnyRows) -> np.ndarray:
    """Mean of p(x|z) at the code of each row, without keeping the codes, which may be wider than the rows."""
    return by_batch(module, rows, lambda x: decoded(module, module.code(x)))


def decode_rows(module: Composed, codes: np.ndarray) -> np.ndarray:
    """`BaseAutoencoder.inverse_transform`: the mean of p(x|z)."""
    return by_batch(module, codes, lambda z: decoded(module, z))


def decoded(module: Composed, z: Tensor) -> Tensor:
    """Mean of p(x|z), to the same bits whatever batch a code is in.

    For bounded data it is no affine map of the outputs, and is computed in float64: PyTorch's functions of float32
    round the last values of an array in another way than those before them.
    """
    if not module.likelihood.is_bounded:
        return module.decode(z).mean
    outputs = module.outputs(z)
    return module.likelihood(outputs.double()).mean.to(outputs.dtype)


def moments(module: Composed, rows: AnyRows) -> Posterior:
    """`BaseAutoencoder.posterior`."""
    gaussian = True

    def both(x: Tensor) -> Tensor:
        nonlocal gaussian
        q = posterior(module, x)
        gaussian = not hasattr(q, "from_noise")
        return torch.stack([q.mean, q.stddev], 1).float()

    found = by_batch(module, rows, both)
    if gaussian:
        return Posterior(found[:, 0], found[:, 1])
    return Posterior(
        found[:, 0], found[:, 1], module.bottleneck.noise_dim, lambda noise: _draws_of(module, rows, noise)
    )


def _draws_of(module: Composed, rows: AnyRows, noise: np.ndarray) -> np.ndarray:
    """Codes (k, n, latent_dim) drawn from the posterior of each row, made of standard normal numbers."""
    first = 0

    def draw_batch(x: Tensor) -> Tensor:
        nonlocal first
        start, first = first, first + len(x)
        part = torch.tensor(noise[:, start:first], device=x.device)
        return draw(posterior(module, x), part).transpose(0, 1)

    return by_batch(module, rows, draw_batch, copies=len(noise)).swapaxes(0, 1)


def score_rows(module: Composed, rows: AnyRows) -> np.ndarray:
    """`BaseAutoencoder.score_samples`: the same noise for every row, so that no row depends on another."""
    if not module.bottleneck.stochastic:
        return by_batch(module, rows, lambda x: log_prob(module, x, module.code(x)[None])[0])
    noise = _score_noise(module)
    return by_batch(module, rows, lambda x: elbo(module, x, noise), copies=len(noise))


def divergence_rows(module: Composed, rows: AnyRows) -> np.ndarray:
    """KL of the posterior of each row from the prior in nats, with the noise that `score_rows` has."""
    noise = _score_noise(module)
    return by_batch(module, rows, lambda x: divergence(module, x, noise))


def _score_noise(module: Composed) -> Tensor:
    return common_noise(SCORE_DRAWS, module.bottleneck.noise_dim).to(device_of(module))


def weigh_rows(
    module: Composed, rows: AnyRows, n_draws: int, seed: int, function: Weigh = importance_weighted
) -> np.ndarray:
    """What a function makes of the importance weights of every row: `BaseAutoencoder.log_likelihood` by default.

    Every row has noise of its own, which its number and the seed make.
    """
    first = 0

    def weigh(x: Tensor) -> Tensor:
        nonlocal first
        start, first = first, first + len(x)

        def weigh_block(x: Tensor) -> Tensor:
            noise = own_noise(seed, start, len(x), module.bottleneck.noise_dim)
            return function(module, x, n_draws, noise)

        return in_blocks(weigh_block)(x)

    # What is filled up to whole blocks had better be made of rows; how much is decoded at once is bounded all the same.
    fills = math.prod(module.event_shape) <= MOST_TO_REPEAT
    return by_batch(module, rows, weigh, copies=min(n_draws, 16), multiple=BLOCK if fills else 1)
