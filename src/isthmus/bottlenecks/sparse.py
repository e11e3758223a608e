"""What every sparse bottleneck has in common."""

from __future__ import annotations

from abc import abstractmethod
from math import sqrt
from statistics import NormalDist
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from isthmus.bottlenecks.base import Bottleneck
from isthmus.core import Code
from isthmus.errors import ParameterError
from isthmus.networks.unit_norm import UnitNormLinear

if TYPE_CHECKING:
    from isthmus.networks import Network


class Sparse(Bottleneck):
    """Codes that are nonnegative and mostly exactly zero, each latent with an atom of unit norm in the decoder.

    The decoder's first layer, which reads the code, becomes a `isthmus.networks.unit_norm.UnitNormLinear`. If the
    encoder's last layer has the shape of the atoms, it starts as a copy of them: every latent then begins by looking
    for its own atom, and few die (Gao et al., 2024, appendix A). No bias is taken off the input, as is often done:
    with a linear encoder this is its own bias in other words.

    The code's ``aux`` holds ``pre`` (the features before anything is set to zero) and ``active`` (which latents are not
    zero), both of shape (B, latent_dim).
    """

    continuous = False
    k: int = 0
    """Active latents per sample, where their number is given."""
    bias: float = 0.0
    """Bias of the encoder's last layer at the start."""

    def attach(self, network: Network) -> None:
        reads, writes = network.decoder[0], network.encoder[-1]
        if not isinstance(reads, nn.Linear):
            raise ParameterError(
                f"a sparse code needs a decoder that begins with a linear layer, and that of a "
                f"{type(network).__name__} begins otherwise; use network='linear', 'mlp' or 'conv'"
            )
        network.decoder[0] = atoms = UnitNormLinear(reads, self.k)
        if isinstance(writes, nn.Linear):
            _start(writes, atoms, self.bias)

    def forward(self, h: Tensor) -> Code:
        z, aux = self.select(h)
        return Code(z, aux={"pre": h, "active": z > 0, **aux})

    @abstractmethod
    def select(self, h: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """Codes of features h, and what else a term may want to read."""


@torch.no_grad()
def _start(layer: nn.Linear, atoms: UnitNormLinear, bias: float) -> None:
    if layer.weight.shape == atoms.weight.shape:
        layer.weight.copy_(atoms.weight)
    if layer.bias is not None:
        layer.bias.fill_(bias)


def count_active(n_active: int | str, latent_dim: int) -> int:
    """Active latents per sample; "auto": half the square root of all, at least 1.

    Raises
    ------
    ParameterError
        There are not so many latents.
    """
    if isinstance(n_active, str):
        return max(1, round(sqrt(latent_dim) / 2))
    if not 1 <= n_active <= latent_dim:
        raise ParameterError(f"n_active={n_active}, but there are {latent_dim} latents; give a number from 1 to that")
    return n_active


def sparse_start(latent_dim: int) -> float:
    """Threshold that a standard normal feature exceeds as often as a latent should be active; from 0 up.

    Features start about standard normal. Codes that are sparse from the first step learn parts; codes that start
    dense first learn averages, and hardly ever leave them.
    """
    return max(0.0, NormalDist().inv_cdf(1 - count_active("auto", latent_dim) / max(2, latent_dim)))
