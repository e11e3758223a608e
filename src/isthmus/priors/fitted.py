"""A density fitted to the codes once training is over, for models that were trained without a prior."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.distributions import MultivariateNormal

from isthmus.priors.base import Prior


class FittedGaussian(Prior):
    """N(m, S) with the mean and covariance of the training codes (ex-post density; Ghosh et al., 2020, section 4)."""

    mean: Tensor
    scale_tril: Tensor

    def setup(self, latent_dim: int) -> None:
        self.register_buffer("mean", torch.zeros(latent_dim))
        self.register_buffer("scale_tril", torch.eye(latent_dim))

    def fit(self, codes: Tensor) -> None:
        codes = codes.double()
        mean = codes.mean(0)
        covariance = torch.cov(codes.T, correction=0).reshape(len(mean), len(mean))
        # A latent that never varies would make the covariance singular.
        jitter = 1e-6 * covariance.diagonal().mean().clamp_min(1e-6)
        covariance.diagonal().add_(jitter)
        self.mean.copy_(mean)
        self.scale_tril.copy_(torch.linalg.cholesky(covariance))

    def forward(self) -> MultivariateNormal:
        return MultivariateNormal(self.mean, scale_tril=self.scale_tril, validate_args=False)
