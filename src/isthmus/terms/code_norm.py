"""A price on the size of the code."""

from __future__ import annotations

from torch import Tensor

from isthmus.core import Step
from isthmus.terms.base import Term


class CodeNorm(Term):
    """½ ‖z‖²: nats by which a code is less likely than zero under a standard normal density, summed over latents."""

    name = "code_norm"

    def forward(self, step: Step) -> Tensor:
        return 0.5 * step.code.z.square().sum(-1)
