"""Impulse noise."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import torch
from torch import Tensor

from isthmus.corruptions.base import Ranged, check_share

if TYPE_CHECKING:
    from isthmus.data.info import DataInfo
    from isthmus.networks.scaling import Scaling


class SaltAndPepper(Ranged):
    """Sets a share of the values to the ends of their range, either end with equal chance (Vincent et al., 2010).

    The ends are those of all values where these share one scale (0 and 255 for uint8 pictures), else each column's.

    Parameters
    ----------
    share : float
        Probability that a value is replaced.
    """

    names: ClassVar = {"salt_and_pepper": {}}

    def __init__(self, share: float = 0.1) -> None:
        super().__init__()
        self.share = share

    def setup(self, info: DataInfo, scaling: Scaling) -> None:
        check_share(self.share, "the share of salt and pepper")
        super().setup(info, scaling)

    def forward(self, x: Tensor) -> tuple[Tensor, None]:
        drawn = torch.rand_like(x)
        x = torch.where(drawn < self.share / 2, self.low.to(x.dtype), x)
        return torch.where(drawn > 1 - self.share / 2, self.high.to(x.dtype), x), None
