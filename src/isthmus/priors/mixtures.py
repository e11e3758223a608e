"""Mixtures of many components, whose densities are found without a tensor for each pair of a code and a component."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.distributions import Distribution, Independent, Normal, constraints

from isthmus.numbers import widened


class Mixture(Distribution):
    """p(z) = Σ_k w_k p_k(z).

    Parameters
    ----------
    logits : Tensor of shape (K,)
        Logarithms of the weights, up to a constant.
    components : Distribution
        With batch shape (K,) and event shape (latent_dim,).
    select : callable
        The components of these numbers, which may repeat, as a distribution.
    """

    arg_constraints: ClassVar = {}  # pyright: ignore[reportIncompatibleMethodOverride, reportAssignmentType]
    support = constraints.real_vector  # pyright: ignore[reportIncompatibleMethodOverride, reportAssignmentType]

    def __init__(self, logits: Tensor, components: Distribution, select: Callable[[Tensor], Distribution]) -> None:
        self.log_weights, self.components, self._select = widened(logits).log_softmax(-1), components, select
        super().__init__(event_shape=components.event_shape, validate_args=False)

    def log_joint(self, value: Tensor) -> Tensor:
        """Log w_k p_k(z) for codes of shape (..., latent_dim): of shape (..., K), in float64."""
        return log_prob_of_each(self.components, value) + self.log_weights

    def log_prob(self, value: Tensor) -> Tensor:
        return self.log_joint(value).logsumexp(-1).to(value.dtype)

    def sample(self, sample_shape: torch.Size | list[int] | tuple[int, ...] = ()) -> Tensor:
        shape = torch.Size(sample_shape)
        with torch.no_grad():
            chosen = torch.multinomial(self.log_weights.exp(), max(1, shape.numel()), replacement=True)
            drawn = self._select(chosen).sample()
        return drawn.reshape(*shape, *self.event_shape)

    @property
    def mean(self) -> Tensor:
        weights = self.log_weights.exp()
        return weights.to(self._means.dtype) @ self._means

    @property
    def variance(self) -> Tensor:
        weights = self.log_weights.exp().to(self._means.dtype)
        return weights @ (self.components.variance + (self._means - self.mean).square())

    @property
    def _means(self) -> Tensor:
        # The mean of a distribution on a sphere is not the one in space.
        length = getattr(self.components, "resultant", None)
        mean = self.components.mean
        return mean if length is None else length[..., None] * mean


def log_prob_of_each(components: Distribution, value: Tensor) -> Tensor:
    """Log density of values (..., d) under each of K components, of shape (..., K), in float64."""
    if isinstance(components, Independent) and isinstance(components.base_dist, Normal):
        return gaussian_log_prob_of_each(value, components.mean, components.stddev)
    own: Any = getattr(components, "log_prob_of_each", None)
    return widened(components.log_prob(value[..., None, :])) if own is None else own(value)


def gaussian_log_prob_of_each(value: Tensor, mean: Tensor, std: Tensor) -> Tensor:
    """Log density of values (..., d) under K Gaussians with these means and deviations (K, d), of shape (..., K).

    The squares are multiplied out, so that all pairs come from one matrix product, Σ z²/σ² − 2 z μ/σ². It loses
    digits where z is far from 0 by the scale of a component; float64 has them to lose.
    """
    z, mean, std = widened(value), widened(mean), widened(std)
    precision = std.reciprocal().square()
    constant = mean.square() * precision + math.log(2 * math.pi) + 2 * std.log()
    factors = torch.cat([-0.5 * precision, mean * precision], -1)
    powers = torch.cat([z.square(), z], -1).reshape(-1, 2 * z.shape[-1])
    return torch.addmm(-0.5 * constant.sum(-1), powers, factors.T).reshape(*z.shape[:-1], len(factors))
