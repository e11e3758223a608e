"""What every bottleneck has in common."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, ClassVar

from torch import Tensor
from torch.distributions import Distribution

from isthmus.core import Code, Part
from isthmus.errors import ParameterError

if TYPE_CHECKING:
    from isthmus.networks import Network


class Bottleneck(Part):
    """What the code is: maps encoder features to a `Code`."""

    stochastic: ClassVar[bool] = False
    """Whether the code has a distribution q(z|x)."""

    support: ClassVar[str] = "space"
    """Where codes lie: in all of "space", or on the "sphere"; the prior has to be a density there."""
    usual_prior: ClassVar[str] = "normal"
    """Name of the prior that goes with this code unless another is asked for."""

    mean_first: ClassVar[bool] = False
    """Whether the deterministic code is the first ``latent_dim`` features as they are."""

    continuous: ClassVar[bool] = True
    """Whether codes spread over their space: not mostly zeros, and not chosen from a list."""
    has_spare: ClassVar[bool] = False
    """Whether there are more latents than are needed, so that it is no bad sign if few of them vary with the data."""

    latent_dim_: int
    sampling: bool = False
    """Draw the code from its distribution while evaluating too, as when the validation loss is measured."""

    def setup(self, latent_dim: int) -> None:
        """Learn the width of the code; a bottleneck with parameters creates them here."""
        self.latent_dim_ = latent_dim

    def attach(self, network: Network) -> None:
        """Make the networks, which have just been created, suit the code: shared or normalised weights, say.

        Raises
        ------
        ParameterError
            The network cannot serve this bottleneck.
        """
        if network.only_with not in ("", type(self).__name__):
            raise ParameterError(
                f"a {type(network).__name__} has no place for the code of this model: it goes with the bottleneck "
                f"{network.only_with} only; use another network"
            )

    @property
    def n_features(self) -> int:
        """How many features the encoder must deliver."""
        return self.latent_dim_

    @property
    def noise_dim(self) -> int:
        """How many standard normal numbers a draw of the code is made of."""
        return self.latent_dim_

    @abstractmethod
    def forward(self, h: Tensor) -> Code:
        """Code of features ``h`` of shape (B, n_features)."""

    def posterior(self, h: Tensor) -> Distribution | None:
        """q(z|x) of these features, or None if the code is deterministic; nothing is drawn if that can be helped."""
        return self(h).q

    def mean(self, h: Tensor) -> Tensor:
        """`Code.mean` of these features, with less work where it does not need all of the code."""
        return h.narrow(-1, 0, self.latent_dim_) if self.mean_first else self(h).mean
