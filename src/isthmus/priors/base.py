"""What every prior has in common."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from typing import ClassVar

from torch import Tensor
from torch.distributions import Distribution

from isthmus.core import Composed, Part


class Prior(Part):
    """p(z), as a module that returns a distribution with event shape (latent_dim,)."""

    has_density: ClassVar[bool] = True
    """Whether its distribution has ``log_prob``; one without can only be drawn from."""
    support: ClassVar[str] = "space"
    """Where its codes lie: in all of "space", on the "sphere", or "any": wherever the posterior's do."""

    @abstractmethod
    def setup(self, latent_dim: int) -> None:
        """Create buffers and parameters for codes of this width."""

    def attach(self, module: Composed) -> None:
        """Make use of the model, which has just been set up: of its encoder, or of what it knows of the data.

        A prior that keeps the model must hide it from PyTorch, or every parameter would appear twice.
        """

    @abstractmethod
    def forward(self) -> Distribution:
        """The prior distribution."""

    def start(self, rows: Callable[[int], Tensor]) -> None:
        """Make use of training samples before training: ``rows(n)`` gives at most n of them, (n, *event)."""

    def fit(self, codes: Tensor) -> None:
        """Learn from the training set's codes, of shape (n, latent_dim), once training is over."""
