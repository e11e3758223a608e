"""A density that a flow makes of a Gaussian, learned with the rest."""

from __future__ import annotations

import math
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.distributions import Distribution, Transform, constraints

from isthmus.networks.autoregressive import Univariate, autoregressive
from isthmus.priors.base import Prior


class FlowDensity(Distribution):
    """p(z) with T(z) ~ N(0, I), for an invertible T that is cheap in this direction.

    Parameters
    ----------
    transform : Transform
        T.
    like : Tensor of shape (latent_dim,)
        Tells width, format and device.
    """

    arg_constraints: ClassVar = {}  # pyright: ignore[reportIncompatibleMethodOverride, reportAssignmentType]
    support = constraints.real_vector  # pyright: ignore[reportIncompatibleMethodOverride, reportAssignmentType]

    def __init__(self, transform: Transform, like: Tensor) -> None:
        self.transform, self.like = transform, like
        super().__init__(event_shape=like.shape, validate_args=False)

    def log_prob(self, value: Tensor) -> Tensor:
        transform: Any = self.transform
        noise, stretch = transform.call_and_ladj(value.to(self.like.dtype))
        normal = -0.5 * (noise.square().sum(-1) + self.like.shape[-1] * math.log(2 * math.pi))
        return (normal + stretch).to(value.dtype)

    def sample(self, sample_shape: torch.Size | list[int] | tuple[int, ...] = ()) -> Tensor:
        with torch.no_grad():
            noise = torch.randn(*sample_shape, *self.event_shape, dtype=self.like.dtype, device=self.like.device)
            drawn = self.transform.inv(noise)
        assert isinstance(drawn, Tensor)
        return drawn


class FlowPrior(Prior):
    """p(z) by a masked autoregressive flow of splines or of shifts and scales (Chen et al., 2017; Durkan et al., 2019).

    The density of a code takes one pass, and a sample as many as there are latents. Needs the extra ``flows``.

    Parameters
    ----------
    univariate : {"spline", "affine"}
        What each latent goes through, given those before it.
    n_transforms : int
        How many transforms, in alternating order.
    hidden : tuple of int
        Widths of the hidden layers of each.
    """

    names: ClassVar = {"flow": {}}
    like: Tensor

    def __init__(
        self,
        univariate: Univariate = "spline",
        n_transforms: int = 3,
        hidden: tuple[int, ...] = (64, 64),
    ) -> None:
        super().__init__()
        self.univariate: Univariate = univariate
        self.n_transforms = n_transforms
        self.hidden = hidden

    def setup(self, latent_dim: int) -> None:
        self.flow = autoregressive(self.univariate, latent_dim, n_transforms=self.n_transforms, hidden=self.hidden)
        self.register_buffer("like", torch.zeros(latent_dim))

    def forward(self) -> FlowDensity:
        return FlowDensity(self.flow(None), self.like)
