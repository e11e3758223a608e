"""The cost of features that are far from the vectors that stand for them."""

from __future__ import annotations

from torch import Tensor

from isthmus.core import Step
from isthmus.terms.base import Term


class Commitment(Term):
    """‖h − sg(z)‖², summed over the code: how far features are from their vectors (van den Oord et al., 2017, eq. 3).

    In the squared units of the code. The vectors get no gradient: it is the encoder that is to commit itself.

    Parameters
    ----------
    weight : float
        β in the training loss.
    """

    name = "commitment"

    def __init__(self, weight: float = 10.0) -> None:
        super().__init__(weight)

    def forward(self, step: Step) -> Tensor:
        return self.given(step, "distance")
