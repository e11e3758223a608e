"""The plain code: one value per latent."""

from __future__ import annotations

from torch import Tensor

from isthmus.bottlenecks.base import Bottleneck
from isthmus.core import Code


class Deterministic(Bottleneck):
    """The encoder's features are the code."""

    mean_first = True

    def forward(self, h: Tensor) -> Code:
        return Code(h)
