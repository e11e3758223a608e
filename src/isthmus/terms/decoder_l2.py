"""A price on the weights of the decoder."""

from __future__ import annotations

import torch
from torch import Tensor

from isthmus.core import Step
from isthmus.terms.base import Term


class DecoderL2(Term):
    """‖θ‖² of the decoder's weights, biases and gains left out: the same for every sample.

    Small weights make a smooth decoder, and keep the encoder from making codes small only for the decoder to enlarge
    them again (Ghosh et al., 2020, section 3).
    """

    name = "decoder_l2"

    def forward(self, step: Step) -> Tensor:
        weights = [p for p in step.model.network.decoder.parameters() if p.ndim > 1]
        total = torch.stack([weight.float().square().sum() for weight in weights]).sum()
        return total.expand(len(step.code.z))
