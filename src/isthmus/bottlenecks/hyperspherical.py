"""The variational code on a sphere."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor
from torch.nn.functional import normalize, softplus

from isthmus.bottlenecks.base import Bottleneck
from isthmus.bottlenecks.von_mises_fisher import VonMisesFisher
from isthmus.core import Code
from isthmus.errors import ParameterError


class Hyperspherical(Bottleneck):
    """q(z|x) is von Mises–Fisher on the unit sphere in latent_dim dimensions (Davidson et al., 2018).

    With two latents codes lie on a circle, with three on the surface of a ball. The code of a sample is its mean
    direction, which is on the sphere as well. The usual prior is uniform on the sphere. A concentration is at least 1,
    as in the paper.
    """

    names: ClassVar = {"hyperspherical": {}}
    stochastic = True
    support = "sphere"
    usual_prior = "uniform_sphere"

    def setup(self, latent_dim: int) -> None:
        super().setup(latent_dim)
        if latent_dim < 2:
            raise ParameterError(f"a sphere needs latent_dim of at least 2, got {latent_dim}")

    @property
    def n_features(self) -> int:
        return self.latent_dim_ + 1

    @property
    def noise_dim(self) -> int:
        return self.latent_dim_ + 1

    def posterior(self, h: Tensor) -> VonMisesFisher:
        return VonMisesFisher(self.mean(h), softplus(h[..., -1]) + 1)

    def forward(self, h: Tensor) -> Code:
        q = self.posterior(h)
        return Code(q.rsample() if self.training or self.sampling else q.direction, q)

    def mean(self, h: Tensor) -> Tensor:
        return normalize(h[..., : self.latent_dim_], dim=-1, eps=torch.finfo(h.dtype).tiny ** 0.5)
