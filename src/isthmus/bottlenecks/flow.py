"""The variational code whose posterior is a Gaussian bent by an invertible network."""

from __future__ import annotations

import math
from abc import abstractmethod
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.distributions import Distribution, Independent, Normal, Transform, constraints
from torch.nn.functional import softplus

from isthmus.bottlenecks.base import Bottleneck
from isthmus.bottlenecks.gaussian import MIN_STD, UNIT
from isthmus.core import Code

_MOMENT_DRAWS = 32


class FlowPosterior(Distribution):
    """z = m + s · T(ε) with ε ~ N(0, I), for an invertible T that is cheap in this direction.

    log q(z) = log N(ε) − log |det T'(ε)| − Σ log s. At a z that was just drawn it comes from the pass that drew it; at
    any other T has to be inverted, in as many passes as there are latents.

    Parameters
    ----------
    loc, scale : Tensor of shape (B, latent_dim)
        m and s.
    transform : Transform
        T.
    noise : Tensor of shape (k, 1, latent_dim)
        ε over which the moments are means.
    """

    arg_constraints: ClassVar = {}  # pyright: ignore[reportIncompatibleMethodOverride, reportAssignmentType]
    support = constraints.real_vector  # pyright: ignore[reportIncompatibleMethodOverride, reportAssignmentType]
    has_rsample = True

    def __init__(self, loc: Tensor, scale: Tensor, transform: Transform, noise: Tensor) -> None:
        self.loc, self.scale, self.transform, self.noise = loc, scale, transform, noise
        self._drawn: tuple[Tensor, Tensor] | None = None
        self._moments: tuple[Tensor, Tensor] | None = None
        super().__init__(loc.shape[:-1], loc.shape[-1:], validate_args=False)

    def rsample(self, sample_shape: torch.Size | list[int] | tuple[int, ...] = ()) -> Tensor:
        shape = (*sample_shape, *self.loc.shape)
        return self.from_noise(torch.randn(shape, dtype=self.loc.dtype, device=self.loc.device))

    def from_noise(self, noise: Tensor) -> Tensor:
        """Z of ε, of shape (..., B, latent_dim)."""
        noise = noise.to(self.loc.dtype)
        noise = noise.expand(torch.broadcast_shapes(noise.shape, self.loc.shape))
        y, stretch = self._bend(noise)
        z = self.loc + self.scale * y
        self._drawn = z, _log_normal(noise) - stretch - self.scale.log().sum(-1)
        return z

    def log_prob(self, value: Tensor) -> Tensor:
        if self._drawn is not None and self._drawn[0] is value:
            return self._drawn[1]
        y = (value.to(self.loc.dtype) - self.loc) / self.scale
        noise = self.transform.inv(y)
        assert isinstance(noise, Tensor)
        _, stretch = self._bend(noise)
        return _log_normal(noise) - stretch - self.scale.log().sum(-1)

    @property
    def mean(self) -> Tensor:
        """Mean over the fixed noise."""
        return self._over_noise()[0]

    @property
    def variance(self) -> Tensor:
        """Variance over the fixed noise."""
        return self._over_noise()[1]

    def without_flow(self) -> Independent:
        """The Gaussian that it would be if T were the identity."""
        return Independent(Normal(self.loc, self.scale, validate_args=False), 1, validate_args=False)

    def _bend(self, noise: Tensor) -> tuple[Tensor, Tensor]:
        # zuko gives every transform this method, which spares it a second pass.
        transform: Any = self.transform
        return transform.call_and_ladj(noise)

    def _over_noise(self) -> tuple[Tensor, Tensor]:
        if self._moments is None:
            noise = self.noise.expand(-1, *self.loc.shape)
            y, _ = self._bend(noise)
            variance, mean = torch.var_mean(y, 0, correction=0)
            self._moments = self.loc + self.scale * mean, self.scale.square() * variance
        return self._moments


class Flow(Bottleneck):
    """A posterior z = m(x) + s(x) · T(ε; h(x)), in which the encoder gives m, s and a context h to an invertible T.

    The code of a sample is the mean of its posterior over 32 fixed draws of ε (more where there are more than 16
    latents), half of them the negatives of the others, which are saved with the model. All of it is in float32.

    Parameters
    ----------
    n_transforms : int
        How many transforms T is made of.
    hidden : tuple of int
        Widths of the hidden layers of each.
    n_context : int
        How many numbers the encoder tells them besides m and s.
    """

    stochastic = True
    noise: Tensor

    def __init__(self, n_transforms: int, hidden: tuple[int, ...], n_context: int) -> None:
        super().__init__()
        self.n_transforms = n_transforms
        self.hidden = hidden
        self.n_context = n_context

    def setup(self, latent_dim: int) -> None:
        from isthmus.evaluate.bounds import common_noise

        super().setup(latent_dim)
        self.flow = self.make_flow(latent_dim)
        self.register_buffer("noise", common_noise(_MOMENT_DRAWS, latent_dim)[:, 0])

    @abstractmethod
    def make_flow(self, latent_dim: int) -> nn.Module:
        """T, as a module that makes a transform of a context."""

    @property
    def n_features(self) -> int:
        return 2 * self.latent_dim_ + self.n_context

    def posterior(self, h: Tensor) -> FlowPosterior:
        loc, raw, context = h.float().split((self.latent_dim_, self.latent_dim_, self.n_context), dim=-1)
        scale = softplus(raw + UNIT) + MIN_STD
        return FlowPosterior(loc, scale, self.flow(context), self.noise[:, None])

    def forward(self, h: Tensor) -> Code:
        q = self.posterior(h)
        return Code(q.rsample() if self.training or self.sampling else q.mean, q)


def _log_normal(noise: Tensor) -> Tensor:
    return -0.5 * (noise.square().sum(-1) + noise.shape[-1] * math.log(2 * math.pi))
