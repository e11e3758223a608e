"""A penalty on the size of the code."""

from __future__ import annotations

from torch import Tensor

from isthmus.core import Step
from isthmus.terms.base import Term


class L1(Term):
    """Σ |z|: −log of a Laplace density of the code, in nats up to its constant."""

    name = "l1"

    def forward(self, step: Step) -> Tensor:
        return step.code.z.abs().sum(-1)
