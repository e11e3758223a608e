"""The largest features of a whole batch."""

from __future__ import annotations

import torch
from torch import Tensor

from isthmus.bottlenecks.sparse import Sparse, count_active
from isthmus.processes import own_rows, whole_batch

# Steps over which the threshold is a mean of equal weights, and then a running one.
_MEMORY = 100


class BatchTopK(Sparse):
    """While training, the k · B largest features of a batch of B; then all above a threshold (Bussmann et al., 2024).

    Samples share their budget, so that a complicated one may have more active latents than a simple one. The threshold
    is the running mean of the smallest feature that was kept, and is saved with the model: in evaluation no row
    depends on another.

    Parameters
    ----------
    n_active : int or "auto"
        k, on average. "auto": half the square root of the number of latents.
    """

    threshold: Tensor
    n_steps: Tensor

    def __init__(self, n_active: int | str = "auto") -> None:
        super().__init__()
        self.n_active = n_active

    def setup(self, latent_dim: int) -> None:
        super().setup(latent_dim)
        self.k = count_active(self.n_active, latent_dim)
        self.register_buffer("threshold", torch.zeros(()))
        self.register_buffer("n_steps", torch.zeros((), dtype=torch.int64))

    def select(self, h: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        h = h.relu()
        if not self.training:
            return torch.where(h > self.threshold, h, 0), {}
        whole = whole_batch(h)
        kept, at = whole.flatten().topk(self.k * len(whole), sorted=False)
        self._learn(kept.detach())
        return own_rows(torch.zeros_like(whole).flatten().scatter(0, at, kept).reshape(whole.shape)), {}

    @torch.no_grad()
    def _learn(self, kept: Tensor) -> None:
        self.n_steps += 1
        smallest = torch.where(kept > 0, kept, torch.inf).min()
        step = (smallest - self.threshold) / self.n_steps.clamp(max=_MEMORY)
        # A batch in which nothing is positive says nothing.
        self.threshold += torch.where(smallest.isfinite(), step, 0)
