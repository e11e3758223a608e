"""The reconstruction cost of what the encoder could see."""

from __future__ import annotations

from torch import Tensor

from isthmus.core import Step
from isthmus.likelihoods.per_value import log_prob_per_value
from isthmus.terms.base import Term


class SeenNLL(Term):
    """−log p(x|z) of the values that the corruption did not hide, in nats per sample; of all, if it hides none.

    With the divergence it bounds log p of the seen values, as with missing ones (Mattei & Frellsen, 2019, section 2).
    So the best q(z|x) is p(z | seen values): as wide as the prior where these say nothing. A cost of the hidden values
    as well would have the best q(z|x) average over them, its width that of one who sees everything: a Gaussian draw
    that is off costs more than the middle does.
    """

    name = "nll"

    def forward(self, step: Step) -> Tensor:
        if step.mask is None:
            return -step.p.log_prob(step.x)
        each = log_prob_per_value(step.p, step.x)
        return -(each * ~step.mask).flatten(1).sum(1)
