"""The variational code: a Gaussian with diagonal covariance per sample."""

from __future__ import annotations

import math
from typing import ClassVar

from torch import Tensor
from torch.distributions import Independent, Normal
from torch.nn.functional import softplus

from isthmus.bottlenecks.base import Bottleneck
from isthmus.core import Code

UNIT = math.log(math.expm1(1.0))
"""softplus(UNIT) = 1: training starts at the prior's spread."""
MIN_STD = 1e-6
"""Least standard deviation."""


class DiagonalGaussian(Bottleneck):
    """q(z|x) = N(μ(x), diag σ(x)²), sampled by reparameterisation z = μ + σ ε (Kingma & Welling, 2014, eq. 10).

    σ is a softplus rather than an exponential of the encoder's output, which cannot overflow.
    While evaluating, z is the mean, so that the code is deterministic, unless ``sampling`` is set.
    """

    names: ClassVar = {"gaussian": {}}
    stochastic = True
    mean_first = True

    @property
    def n_features(self) -> int:
        return 2 * self.latent_dim_

    def posterior(self, h: Tensor) -> Independent:
        mean, raw = h.chunk(2, dim=-1)
        std = softplus(raw + UNIT) + MIN_STD
        return Independent(Normal(mean, std, validate_args=False), 1, validate_args=False)

    def forward(self, h: Tensor) -> Code:
        q = self.posterior(h)
        return Code(q.rsample() if self.training or self.sampling else q.mean, q)
