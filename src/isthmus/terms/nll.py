"""The reconstruction cost."""

from __future__ import annotations

from torch import Tensor

from isthmus.core import Step
from isthmus.terms.base import Term


class NLL(Term):
    """−log p(x|z): nats per sample, summed over dimensions, in the data's own units."""

    name = "nll"

    def forward(self, step: Step) -> Tensor:
        return -step.p.log_prob(step.x)
