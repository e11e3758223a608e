"""The plain code of a decoder that lengthens no difference."""

from __future__ import annotations

from typing import TYPE_CHECKING

from isthmus.bottlenecks.deterministic import Deterministic
from isthmus.errors import ParameterError
from isthmus.networks.spectral import make_spectral

if TYPE_CHECKING:
    from isthmus.networks import Network


class Lipschitz(Deterministic):
    """The encoder's features are the code, and every linear layer of the decoder has a spectral norm of 1.

    So the outputs of a decoder without batch normalisation differ by not much more than the codes do.
    """

    def attach(self, network: Network) -> None:
        if not make_spectral(network.decoder):
            raise ParameterError(f"the decoder of {network!r} has no linear layers in turn; use smoothing='l2'")
