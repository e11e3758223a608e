"""The cost of finding back from where the Markov chain went."""

from __future__ import annotations

import torch
from torch import Tensor

from isthmus.core import Step
from isthmus.terms.base import Term


class Walkback(Term):
    """Mean of −log p(x|z) over further steps of the chain of corrupting and denoising, in nats.

    From the reconstruction of the corrupted sample a new one is drawn, corrupted, and has to be led back to x, again
    and again. This finds the spurious modes that the corruption alone would never reach (Bengio et al., 2013b,
    section 4; algorithm 1 with a fixed number of steps).

    Parameters
    ----------
    steps : int
        Steps beyond the first.
    weight : float
        Factor in the training loss.
    """

    name = "walkback"

    def __init__(self, steps: int = 4, weight: float = 1.0) -> None:
        super().__init__(weight)
        self.steps = steps

    def forward(self, step: Step) -> Tensor:
        model, p = step.model, step.p
        costs = []
        for _ in range(self.steps):
            with torch.no_grad():
                start = model.real(p.sample())
            corrupted, _ = model.corruption(start)
            p = model.complete(start, corrupted, None, step.x).p
            costs.append(-p.log_prob(step.x))
        return torch.stack(costs).mean(0)
