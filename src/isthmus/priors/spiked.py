"""A density of sparse codes, fitted once training is over."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor
from torch.distributions import Distribution, LogNormal, constraints

from isthmus.priors.base import Prior

_NARROWEST = 1e-3


class SpikedLogNormal(Distribution):
    """Independent latents: each is 0 with its own probability, and log-normal otherwise (a spike and a slab).

    ``log_prob`` is a density with respect to length plus a unit mass at 0, so that a latent which is off has the
    logarithm of a probability, and one which is on that of a density.

    Parameters
    ----------
    rate : Tensor of shape (latent_dim,)
        Probability of being on.
    location, scale : Tensor of shape (latent_dim,)
        Mean and standard deviation of log z where it is on.
    """

    arg_constraints: ClassVar = {}  # pyright: ignore[reportIncompatibleMethodOverride, reportAssignmentType]
    support = constraints.independent(constraints.nonnegative, 1)  # pyright: ignore[reportIncompatibleMethodOverride, reportAssignmentType]

    def __init__(self, rate: Tensor, location: Tensor, scale: Tensor) -> None:
        self.rate = rate
        self.slab = LogNormal(location, scale, validate_args=False)
        super().__init__(event_shape=rate.shape, validate_args=False)

    @property
    def mean(self) -> Tensor:
        return self.rate * self.slab.mean

    @property
    def variance(self) -> Tensor:
        return self.rate * (self.slab.variance + self.slab.mean.square()) - self.mean.square()

    def sample(self, sample_shape: torch.Size | list[int] | tuple[int, ...] = ()) -> Tensor:
        with torch.no_grad():
            size = self.slab.rsample(torch.Size(sample_shape))
            return torch.where(torch.rand_like(size) < self.rate, size, 0)

    def log_prob(self, value: Tensor) -> Tensor:
        on = value > 0
        size = self.slab.log_prob(torch.where(on, value, 1))
        return torch.where(on, self.rate.log() + size, (-self.rate).log1p()).sum(-1)


class FittedSpike(Prior):
    """`SpikedLogNormal` with the firing rate of each latent in the training codes, and the spread of its logarithm.

    A Gaussian fitted to sparse codes would have nearly all latents on at once, half of them negative. A latent that
    never fired has the rate 0. Latents are taken to be independent, which they are not: a sample is a plausible number
    of plausible parts rather than a plausible whole.
    """

    rate: Tensor
    location: Tensor
    scale: Tensor

    def setup(self, latent_dim: int) -> None:
        self.register_buffer("rate", torch.full((latent_dim,), 0.5))
        self.register_buffer("location", torch.zeros(latent_dim))
        self.register_buffer("scale", torch.ones(latent_dim))

    def fit(self, codes: Tensor) -> None:
        on = codes > 0
        count = on.sum(0).clamp_min(1)
        logs = torch.where(on, codes, 1).double().log()
        location = logs.sum(0) / count
        spread = torch.where(on, logs - location, 0).square().sum(0) / count
        self.rate.copy_(on.double().mean(0))
        self.location.copy_(location)
        self.scale.copy_(spread.sqrt().clamp_min(_NARROWEST))

    def forward(self) -> SpikedLogNormal:
        return SpikedLogNormal(self.rate, self.location, self.scale)
