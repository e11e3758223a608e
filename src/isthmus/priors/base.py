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

    has_density: bool = True
    """Whether that distribution has `log_prob`; False for one that can only sample."""

    @abstractmethod
    def setup(self, latent_dim: int) -> None:
        """Create buffers and parameters for codes of this width."""

    @abstractmethod
    def forward(self) -> Distribution:
        """The prior distribution."""

    def attach(self, module: Composed) -> None:
        """Get to know the model, which has just been set up; what is kept of it must not be registered as a part."""

    def fit(self, codes: Tensor) -> None:
        """Learn from the training set's codes, of shape (n, latent_dim), once training is over."""
