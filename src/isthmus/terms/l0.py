"""The cost of the number of active latents."""

from __future__ import annotations

from torch import Tensor

from isthmus.core import Step
from isthmus.terms.base import Term


class L0(Term):
    """How many latents are active (Rajamanoharan et al., 2024b, eq. 9).

    With a weight in nats, a latent is worth being active where it makes the sample that much more likely. The code has
    to give the count a derivative, as `isthmus.bottlenecks.JumpReLU` does.
    """

    name = "l0"

    def forward(self, step: Step) -> Tensor:
        return self.given(step, "on").sum(-1)
