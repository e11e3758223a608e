"""The isotropic prior of the variational autoencoder."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor
from torch.distributions import Independent, Normal

from isthmus.priors.base import Prior


class StandardNormal(Prior):
    """p(z) = N(0, I)."""

    names: ClassVar = {"normal": {}}
    mean: Tensor
    std: Tensor

    def setup(self, latent_dim: int) -> None:
        self.register_buffer("mean", torch.zeros(latent_dim))
        self.register_buffer("std", torch.ones(latent_dim))

    def forward(self) -> Independent:
        return Independent(Normal(self.mean, self.std, validate_args=False), 1, validate_args=False)
