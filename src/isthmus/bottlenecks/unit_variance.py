"""A code whose scale is pinned."""

from __future__ import annotations

import torch
from torch import Tensor

from isthmus.bottlenecks.base import Bottleneck
from isthmus.core import Code

_MEMORY = 10.0
_MIN_VARIANCE = 1e-12


class UnitVariance(Bottleneck):
    """The encoder's features, each over its standard deviation: every latent varies by 1 over the data.

    A penalty on the size or on the slope of a code is worth nothing if the encoder may shrink the code and the decoder
    enlarge it again. Here it cannot shrink. While training, the deviation is that of the batch, through which gradients
    flow; else it is a running mean of about the last ten batches. ``code.aux["spread"]`` has it.
    """

    variance: Tensor
    n_batches: Tensor

    def setup(self, latent_dim: int) -> None:
        super().setup(latent_dim)
        self.register_buffer("variance", torch.ones(latent_dim))
        self.register_buffer("n_batches", torch.zeros(()))

    def forward(self, h: Tensor) -> Code:
        variance = self.variance
        if self.training and len(h) > 1:
            variance = h.var(0, correction=0)
            with torch.no_grad():
                self.n_batches += 1
                self.variance.lerp_(variance.detach(), 1 / self.n_batches.clamp(max=_MEMORY))
        spread = variance.clamp_min(_MIN_VARIANCE).sqrt()
        return Code(h / spread, aux={"spread": spread})
