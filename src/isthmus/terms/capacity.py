"""The divergence that a code is asked to have."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from isthmus.core import Step
from isthmus.errors import ParameterError
from isthmus.processes import whole_batch
from isthmus.terms.base import Term
from isthmus.terms.kl import kl_divergence

if TYPE_CHECKING:
    from isthmus.data.info import DataInfo


class Capacity(Term):
    """Distance of the mean KL(q(z|x) ‖ p(z)) from a capacity C that grows from 0, in nats (Burgess et al., 2018).

    Parameters
    ----------
    capacity : float
        C at the end, in nats.
    weight : float
        Factor in the training loss (γ).
    growth : float
        Share of the training, in [0, 1], over which C grows.
    """

    name = "capacity"
    of_batch = True
    allowed: Tensor

    def __init__(self, capacity: float = 25.0, weight: float = 100.0, growth: float = 0.8) -> None:
        super().__init__(weight)
        self.capacity = capacity
        self.growth = growth

    def setup(self, info: DataInfo, latent_dim: int) -> None:
        self.register_buffer("allowed", torch.zeros(()))

    def advance(self, progress: float) -> None:
        self.allowed.fill_(self.capacity * min(1.0, progress / self.growth) if self.growth else self.capacity)

    def forward(self, step: Step) -> Tensor:
        if step.code.q is None:
            raise ParameterError("the capacity of a code needs a stochastic bottleneck, and this one is deterministic")
        divergence = whole_batch(kl_divergence(step.code.q, step.prior, step.code.z)).mean()
        # Epochs are compared by what is asked for in the end.
        asked = self.allowed if self.training else self.capacity
        return (divergence - asked).abs().expand(len(step.code.z))
