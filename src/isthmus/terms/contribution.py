"""A penalty on what each latent adds to the reconstruction."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from isthmus.core import Step
from isthmus.terms.l1 import L1


class Contribution(L1):
    """Σ_j ``|z_j|`` ‖d_j‖, with d_j the weights by which the decoder's first layer spreads latent j.

    It is the L1 penalty of a decoder whose weights have unit norm. Without the norms the encoder could shrink the code
    and the decoder enlarge it again, and pay nothing for a code that is as dense as before.
    """

    def forward(self, step: Step) -> Tensor:
        z = step.code.z
        reach = reach_of(step.model.network.decoder)
        # A channel of a feature map that is laid flat is a run of latents with the same weights.
        return (z.abs() * reach.repeat_interleave(z.shape[1] // len(reach))).sum(-1)


def reach_of(decoder: nn.Module) -> Tensor:
    """Norm of the weights of each input of the first layer that has any."""
    for layer in decoder.modules():
        if isinstance(layer, nn.Linear):
            return torch.linalg.vector_norm(layer.weight, dim=0)
        if isinstance(layer, nn.Conv2d):
            return torch.linalg.vector_norm(layer.weight, dim=(0, 2, 3))
        if isinstance(layer, nn.ConvTranspose2d):
            return torch.linalg.vector_norm(layer.weight, dim=(1, 2, 3))
    raise TypeError("a decoder without weights")
