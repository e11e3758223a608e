"""A density fitted to the codes once training is over, for models that were trained without a prior."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor
from torch.distributions import Distribution, Independent, MultivariateNormal, Normal

from isthmus.priors.afterwards import FittedPrior

# A covariance of more latents would be larger than most models.
_WIDEST_FULL = 1024


class FullGaussian(MultivariateNormal):
    """A Gaussian of float32 whose density is computed in float64, for codes of either type."""

    def log_prob(self, value: Tensor) -> Tensor:
        precise = MultivariateNormal(self.loc.double(), scale_tril=self.scale_tril.double(), validate_args=False)
        return precise.log_prob(value.double())


class FittedGaussian(FittedPrior):
    """N(m, S) with the mean and covariance of the training codes (ex-post density; Ghosh et al., 2020, section 4).

    Of codes wider than 1,024 only the variances are kept.
    """

    name = "gaussian"
    widest: ClassVar = None
    mean: Tensor
    scale_tril: Tensor
    std: Tensor

    def setup(self, latent_dim: int) -> None:
        super().setup(latent_dim)
        self.is_full = latent_dim <= _WIDEST_FULL
        self.register_buffer("mean", torch.zeros(latent_dim))
        if self.is_full:
            self.register_buffer("scale_tril", torch.zeros(latent_dim, latent_dim).fill_diagonal_(1))
        else:
            self.register_buffer("std", torch.ones(latent_dim))

    def fit(self, codes: Tensor) -> None:
        if not self.is_full:
            self.mean.copy_(codes.mean(0))
            self.std.copy_(codes.std(0, correction=0).clamp_min(1e-6))
            return
        codes = codes.double()
        self.set_moments(codes.mean(0), torch.cov(codes.T, correction=0).reshape(codes.shape[1], -1))

    def set_moments(self, mean: Tensor, covariance: Tensor) -> None:
        """Take these for the mean, of shape (latent_dim,), and the covariance of the codes."""
        self.mean.copy_(mean)
        if not self.is_full:
            self.std.copy_(covariance.diagonal().sqrt().clamp_min(1e-6))
            return
        # A latent that never varies would make the covariance singular.
        jitter = 1e-6 * covariance.diagonal().mean().clamp_min(1e-6)
        eye = torch.eye(len(mean), dtype=covariance.dtype, device=covariance.device)
        self.scale_tril.copy_(torch.linalg.cholesky(covariance + jitter * eye))

    def forward(self) -> Distribution:
        if self.is_full:
            return FullGaussian(self.mean, scale_tril=self.scale_tril, validate_args=False)
        return Independent(Normal(self.mean, self.std, validate_args=False), 1, validate_args=False)
