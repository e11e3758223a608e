"""What keeps neighbour sub-sampling from blurring."""

from __future__ import annotations

import torch
from torch import Tensor

from isthmus.core import Step
from isthmus.corruptions.neighbours import half
from isthmus.likelihoods.rescaled import Rescaled
from isthmus.terms.base import Term


class NeighbourConsistency(Term):
    """Cost of differing from the target by more than the denoised picture does: ½ ‖(r − t) − (r₁ − t₁)‖² / σ².

    r is the restored half picture and t its target; r₁ and t₁ are the same pixels of the whole picture, restored. If
    the pixels of a pair show different things, the expected difference is not zero, and this takes it off (Huang et
    al., 2021, eq. 6). σ is the learned scale of the likelihood, so the cost is in nats as the likelihood is.
    """

    name = "consistency"

    def forward(self, step: Step) -> Tensor:
        assert step.mask is not None
        with torch.no_grad():
            model = step.model
            whole = model.decode(model.encode(step.data).z).mean
        kept, asked = (half(whole, step.mask[..., i]) for i in (0, 1))
        difference = (step.p.mean - step.x) - (kept - asked)
        assert isinstance(step.p, Rescaled)
        # The scale is not to be learned from this: it would grow to silence it.
        return 0.5 * (difference.square() / step.p.variance.detach()).flatten(1).sum(1).float()
