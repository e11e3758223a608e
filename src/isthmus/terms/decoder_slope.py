"""How much what is decoded moves when the code does."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn.functional import normalize

from isthmus.core import Step
from isthmus.terms.base import Term
from isthmus.terms.jacobian import as_used

if TYPE_CHECKING:
    from isthmus.data.info import DataInfo

# Half the way, in units of the code, over which a slope is measured. Shorter ones drown in bfloat16's rounding.
_STEP = 0.05
_MOST_PROBES = 8


class DecoderSlope(Term):
    """‖∂y/∂z‖²_F of the decoder's outputs y, in the network's units (the gradient penalty of Ghosh et al., 2020).

    By differences along a random direction v on the unit sphere, as latent_dim · ‖(y(z + h v) − y(z − h v)) / 2h‖²,
    which is unbiased but for terms of the order h². So it takes two passes through the decoder and no second
    derivative. While evaluating it is a mean over up to 8 directions that are at right angles to each other and drawn
    once; with so few latents these are all there are. Dropout and batch statistics are left out.
    """

    name = "decoder_slope"
    probes: Tensor

    def setup(self, info: DataInfo, latent_dim: int) -> None:
        generator = torch.Generator().manual_seed(0)
        with torch.device("cpu"):
            square = torch.linalg.qr(torch.randn(latent_dim, min(latent_dim, _MOST_PROBES), generator=generator)).Q.T
        self.register_buffer("probes", square.contiguous().to(torch.get_default_device()))

    def forward(self, step: Step) -> Tensor:
        z = step.code.z
        if self.training:
            return self._slope(step, normalize(torch.randn_like(z), dim=-1))
        return torch.stack([self._slope(step, v.expand_as(z)) for v in self.probes]).mean(0)

    def _slope(self, step: Step, v: Tensor) -> Tensor:
        z = step.code.z
        y = as_used(step.model.network.decoder, torch.cat([z + _STEP * v, z - _STEP * v])).float()
        above, below = y.flatten(1).chunk(2)
        return z.shape[-1] * ((above - below) / (2 * _STEP)).square().sum(-1)
