"""What every prior has in common."""

from __future__ import annotations

from abc import abstractmethod

from torch import Tensor
from torch.distributions import Distribution

from isthmus.core import Part


class Prior(Part):
    """p(z), as a module that returns a distribution with event shape (latent_dim,)."""

    @abstractmethod
    def setup(self, latent_dim: int) -> None:
        """Create buffers and parameters for codes of this width."""

    @abstractmethod
    def forward(self) -> Distribution:
        """The prior distribution."""

    def fit(self, codes: Tensor) -> None:
        """Learn from the training set's codes, of shape (n, latent_dim), once training is over."""
