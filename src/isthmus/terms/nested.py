"""The cost of the prefixes of a dictionary, each taken for itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from isthmus.core import Step
from isthmus.terms.aside import decode_aside
from isthmus.terms.base import Term

if TYPE_CHECKING:
    from isthmus.data.info import DataInfo


class NestedNLL(Term):
    """Σ −log p(x | first latents only), in nats, over nested prefixes of the code (Bussmann et al., 2025).

    Each prefix has to reconstruct without the latents that follow, so the first latents stay general where a larger
    dictionary would split or absorb them. The scale of the likelihood is that of the whole code.

    Parameters
    ----------
    n_prefixes : int
        Each is half as long as the next; the last one is half of the code.
    weight : float
        Factor in the training loss.
    """

    name = "nested_nll"

    def __init__(self, n_prefixes: int = 4, weight: float = 1.0) -> None:
        super().__init__(weight)
        self.n_prefixes = n_prefixes

    def setup(self, info: DataInfo, latent_dim: int) -> None:
        halves = (latent_dim >> i for i in range(self.n_prefixes, 0, -1))
        self.lengths = [length for length in halves if length > 0]

    def forward(self, step: Step) -> Tensor:
        z = step.code.z
        costs = []
        for length in self.lengths:
            prefix = torch.cat([z[:, :length], torch.zeros_like(z[:, length:])], dim=1)
            costs.append(-decode_aside(step.model, prefix, trained=True).log_prob(step.x))
        return torch.stack(costs).sum(0)
