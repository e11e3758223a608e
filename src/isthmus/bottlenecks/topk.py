"""The k largest features of every sample."""

from __future__ import annotations

import torch
from torch import Tensor

from isthmus.bottlenecks.sparse import Sparse, count_active


class TopK(Sparse):
    """z = the k largest features, where they are positive; all others are zero (Gao et al., 2024, section 2.3).

    Parameters
    ----------
    n_active : int or "auto"
        k. "auto": half the square root of the number of latents.
    """

    def __init__(self, n_active: int | str = "auto") -> None:
        super().__init__()
        self.n_active = n_active

    def setup(self, latent_dim: int) -> None:
        super().setup(latent_dim)
        self.k = count_active(self.n_active, latent_dim)

    def select(self, h: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        largest, at = h.topk(self.k, dim=-1, sorted=False)
        return torch.zeros_like(h).scatter(-1, at, largest.relu()), {}
