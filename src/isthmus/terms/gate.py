"""What teaches the gates of a gated code."""

from __future__ import annotations

from torch import Tensor

from isthmus.core import Step
from isthmus.terms.aside import decode_aside
from isthmus.terms.base import Term


class GateNLL(Term):
    """−log p(x | gates), in nats: the rectified gates have to reconstruct by themselves.

    Decoder and likelihood are frozen for it, so that they serve the code alone (Rajamanoharan et al., 2024a, eq. 8).
    """

    name = "gate_nll"

    def forward(self, step: Step) -> Tensor:
        return -decode_aside(step.model, self.given(step, "gate"), trained=False).log_prob(step.x)
