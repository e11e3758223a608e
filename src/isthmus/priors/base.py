"""What every prior has in common."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING

from torch import Tensor
from torch.distributions import Distribution

from isthmus.core import Part

if TYPE_CHECKING:
    from isthmus.core import Composed


class Prior(Part):
    """p(z), as a module that returns a distribution with event shape (latent_dim,)."""

    @abstractmethod
    def setup(self, latent_dim: int) -> None:
        """Create buffers and parameters for codes of this width."""

    def attach(self, module: Composed) -> None:
        """Learn of the model, once it is laid out. What is kept of it must not be registered as a part of the prior."""

    @abstractmethod
    def forward(self) -> Distribution:
        """The prior distribution."""

    def fit(self, codes: Tensor) -> None:
        """Learn from the training set's codes, of shape (n, latent_dim), once training is over."""
