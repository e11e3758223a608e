"""The prior of codes on a sphere."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor
from torch.distributions import Distribution, constraints

from isthmus.bottlenecks.von_mises_fisher import log_area
from isthmus.priors.base import Prior


class UniformOnSphere(Distribution):
    """The uniform distribution on the unit sphere; its density is with respect to area.

    Parameters
    ----------
    like : Tensor of shape (latent_dim,)
        Tells width, format and device.
    """

    arg_constraints: ClassVar = {}  # pyright: ignore[reportIncompatibleMethodOverride, reportAssignmentType]
    support = constraints.real_vector  # pyright: ignore[reportIncompatibleMethodOverride, reportAssignmentType]
    is_uniform_on_sphere = True

    def __init__(self, like: Tensor) -> None:
        self.like = like
        super().__init__(event_shape=like.shape, validate_args=False)

    def log_prob(self, value: Tensor) -> Tensor:
        return torch.zeros_like(value[..., 0]) - log_area(value.shape[-1])

    def sample(self, sample_shape: torch.Size | list[int] | tuple[int, ...] = ()) -> Tensor:
        drawn = torch.randn(*sample_shape, *self.event_shape, dtype=self.like.dtype, device=self.like.device)
        return drawn / drawn.norm(dim=-1, keepdim=True).clamp_min(1e-12)

    @property
    def mean(self) -> Tensor:
        return torch.zeros_like(self.like)

    @property
    def variance(self) -> Tensor:
        return torch.full_like(self.like, 1 / self.like.shape[-1])


class UniformSphere(Prior):
    """p(z) uniform on the unit sphere in latent_dim dimensions, for codes that lie there (Davidson et al., 2018)."""

    names: ClassVar = {"uniform_sphere": {}}
    support = "sphere"
    like: Tensor

    def setup(self, latent_dim: int) -> None:
        self.register_buffer("like", torch.zeros(latent_dim))

    def forward(self) -> UniformOnSphere:
        return UniformOnSphere(self.like)
