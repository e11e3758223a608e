"""The reconstruction cost where the input was hidden."""

from __future__ import annotations

from torch import Tensor

from isthmus.core import Step
from isthmus.errors import ParameterError
from isthmus.likelihoods.per_value import log_prob_per_value
from isthmus.terms.base import Term


class MaskedNLL(Term):
    """−log p(x|z) of the values that the corruption hid, times all values over hidden ones: nats per sample.

    Where the noise of different values is independent, its minimum is that of the cost against clean targets
    (Batson & Royer, 2019, proposition 1).
    """

    name = "nll"

    def forward(self, step: Step) -> Tensor:
        if step.mask is None:
            raise ParameterError("the masked cost needs a corruption that hides values, and this one hides none")
        hidden = step.mask.flatten(1).float()
        each = log_prob_per_value(step.p, step.x).flatten(1)
        return -(each * hidden).sum(1) * (hidden.shape[1] / hidden.sum(1).clamp_min(1))
