"""One path that says which latents are active, another that says how much."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from isthmus.bottlenecks.sparse import Sparse, sparse_start


class Gated(Sparse):
    """z = max(0, e^r h + b) where the gate h is open (h > 0), else 0 (Rajamanoharan et al., 2024a, section 3.2).

    The L1 norm shrinks whatever it is taken of. Here it is taken of the gate, and the magnitudes are left alone. Gate
    and magnitude look in the same direction; r and b are learned for every latent. ``aux["gate"]`` is max(0, h): what
    pays the L1 norm and has to reconstruct by itself, since an open or closed gate has no derivative.
    """

    def setup(self, latent_dim: int) -> None:
        super().setup(latent_dim)
        self.bias = -sparse_start(latent_dim)
        self.log_gain = nn.Parameter(torch.zeros(latent_dim))
        self.offset = nn.Parameter(torch.zeros(latent_dim))

    def select(self, h: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        magnitude = (self.log_gain.exp() * h + self.offset).relu()
        return torch.where(h > 0, magnitude, 0), {"gate": h.relu()}
