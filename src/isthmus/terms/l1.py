"""The cost of the size of the code."""

from __future__ import annotations

from torch import Tensor

from isthmus.core import Step
from isthmus.terms.base import Term


class L1(Term):
    """‖z‖₁: −log of a Laplace density of the code, in nats up to its constant; of the gates, if the code has them.

    Source: Olshausen & Field (1996); for gates, Rajamanoharan et al. (2024a, eq. 8).
    """

    name = "l1"

    def forward(self, step: Step) -> Tensor:
        return step.code.aux.get("gate", step.code.z).abs().sum(-1)
