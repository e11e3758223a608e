"""Densities of codes in their own standard deviations."""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar

import torch
from torch import Tensor
from torch.distributions import Distribution, constraints

from isthmus.priors.afterwards import FittedPrior

# A latent that never varies would have no density; it is taken to vary by so much of what the others do.
_LEAST = 1e-3


def spread_of(codes: Tensor) -> Tensor:
    """Standard deviation of every latent, of shape (latent_dim,); of one that (almost) never varies, a little more."""
    std = codes.double().std(0, correction=0)
    return std.clamp_min(_LEAST * float(std.square().mean().sqrt())).clamp_min(1e-6)


class Standardised(Distribution):
    """Distribution of shift + scale · u, where u has the distribution ``base``.

    Parameters
    ----------
    base : Distribution
        With event shape (latent_dim,), for float32.
    shift, scale : Tensor of shape (latent_dim,)
        Origin and units of the codes.
    """

    arg_constraints: ClassVar = {}  # pyright: ignore[reportIncompatibleMethodOverride, reportAssignmentType]
    support = constraints.real_vector  # pyright: ignore[reportIncompatibleMethodOverride, reportAssignmentType]

    def __init__(self, base: Distribution, shift: Tensor, scale: Tensor) -> None:
        self.base, self.shift, self.scale = base, shift, scale
        super().__init__(event_shape=shift.shape, validate_args=False)

    def sample(self, sample_shape: torch.Size | list[int] | tuple[int, ...] = ()) -> Tensor:
        with torch.no_grad():
            return self.shift + self.scale * self.base.sample(torch.Size(sample_shape))

    def log_prob(self, value: Tensor) -> Tensor:
        standard = (value.double() - self.shift.double()) / self.scale.double()
        return self.base.log_prob(standard.float()).double() - self.scale.double().log().sum()


class StandardisedPrior(FittedPrior):
    """A density whose model sees codes of zero mean and unit variance; each latent has its own shift and scale."""

    shift: Tensor
    scale: Tensor

    def setup(self, latent_dim: int) -> None:
        super().setup(latent_dim)
        self.register_buffer("shift", torch.zeros(latent_dim))
        self.register_buffer("scale", torch.ones(latent_dim))
        self.lay_out(latent_dim)
        self.requires_grad_(False)

    def fit(self, codes: Tensor) -> None:
        self.shift.copy_(codes.mean(0))
        self.scale.copy_(spread_of(codes))
        self.requires_grad_(True)
        try:
            with torch.enable_grad():  # whatever the caller computes in
                self.learn(((codes - self.shift) / self.scale).float())
        finally:
            self.requires_grad_(False)

    def forward(self) -> Standardised:
        return Standardised(self.standard(), self.shift, self.scale)

    @abstractmethod
    def lay_out(self, latent_dim: int) -> None:
        """Create the parameters, with random weights from torch's generator."""

    @abstractmethod
    def learn(self, codes: Tensor) -> None:
        """Learn from standardised codes, of shape (n, latent_dim)."""

    @abstractmethod
    def standard(self) -> Distribution:
        """Distribution of standardised codes."""
