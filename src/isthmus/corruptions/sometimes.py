"""A corruption that leaves some samples as they are."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from isthmus.corruptions.base import Corruption, check_share

if TYPE_CHECKING:
    from isthmus.data.info import DataInfo
    from isthmus.networks.scaling import Scaling


class Sometimes(Corruption):
    """Corrupts a share of the samples only, drawn anew every time, so that the encoder knows both kinds.

    Parameters
    ----------
    corruption : Corruption
        What is done to these.
    share : float
        Probability that a sample is corrupted.
    """

    def __init__(self, corruption: Corruption, share: float = 0.5) -> None:
        super().__init__()
        self.corruption = corruption
        self.share = share

    def setup(self, info: DataInfo, scaling: Scaling) -> None:
        check_share(self.share, "the share of samples that are corrupted")
        self.corruption.setup(info, scaling)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor | None]:
        corrupted, mask = self.corruption(x)
        hit = (torch.rand(len(x), device=x.device) < self.share).reshape(-1, *[1] * (x.ndim - 1))
        return torch.where(hit, corrupted, x), None if mask is None else mask & hit

    def target(self, x: Tensor, mask: Tensor | None) -> Tensor:
        return self.corruption.target(x, mask)
