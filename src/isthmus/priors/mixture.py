"""A mixture of Gaussians, learned with the rest."""

from __future__ import annotations

import math
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.distributions import Independent, Normal
from torch.nn.functional import softplus

from isthmus.errors import ParameterError
from isthmus.priors.base import Prior
from isthmus.priors.mixtures import Mixture

_UNIT, _NARROWEST = math.log(math.expm1(1.0)), 1e-3
_MOST = 1 << 16


class MixturePrior(Prior):
    """p(z) = Σ_k w_k N(z; μ_k, diag σ_k²), of which weights, means and deviations are learned.

    Means start as draws from N(0, I), and deviations at 1.

    Parameters
    ----------
    n_components : int
        How many.
    """

    names: ClassVar = {"mixture": {}}

    def __init__(self, n_components: int = 16) -> None:
        super().__init__()
        self.n_components = n_components

    def setup(self, latent_dim: int) -> None:
        if not 1 <= self.n_components <= _MOST:
            raise ParameterError(f"n_components must be from 1 to {_MOST:,}, got {self.n_components}")
        self.logits = nn.Parameter(torch.zeros(self.n_components))
        self.means = nn.Parameter(torch.randn(self.n_components, latent_dim))
        self.raw_stds = nn.Parameter(torch.full((self.n_components, latent_dim), _UNIT))

    @property
    def stds(self) -> Tensor:
        """Standard deviations of the components, of shape (n_components, latent_dim)."""
        return softplus(self.raw_stds) + _NARROWEST

    def forward(self) -> Mixture:
        means, stds = self.means, self.stds

        def gaussians(mean: Tensor, std: Tensor) -> Independent:
            return Independent(Normal(mean, std, validate_args=False), 1, validate_args=False)

        return Mixture(self.logits, gaussians(means, stds), lambda rows: gaussians(means[rows], stds[rows]))

    @torch.no_grad()
    def set_parameters(self, weights: Tensor, means: Tensor, stds: Tensor) -> None:
        """Take these weights (K,), means and standard deviations (K, latent_dim) for those of the components."""
        self.logits.copy_(weights.clamp_min(1e-8).log())
        self.means.copy_(means)
        above = (stds - _NARROWEST).clamp_min(_NARROWEST)
        # log(exp(x) − 1), for large x too.
        self.raw_stds.copy_(above + (-(-above).expm1()).log())
