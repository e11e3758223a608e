"""Values of other samples."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import torch
from torch import Tensor

from isthmus.corruptions.base import Corruption, check_share

if TYPE_CHECKING:
    from isthmus.data.info import DataInfo
    from isthmus.networks.scaling import Scaling


class FeatureSwap(Corruption):
    """Replaces a share of the values by the same feature of another sample of the batch.

    What comes out is distributed like that feature, whatever its kind: suited to tables of mixed columns, where no one
    size of noise fits all.

    Parameters
    ----------
    share : float
        Probability that a value is replaced.
    """

    names: ClassVar = {"feature_swap": {}}
    takes_from_others = True

    def __init__(self, share: float = 0.15) -> None:
        super().__init__()
        self.share = share

    def setup(self, info: DataInfo, scaling: Scaling) -> None:
        check_share(self.share, "the share of swapped values")

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        mask = torch.rand_like(x) < self.share
        donors = torch.randint(0, len(x), x.shape, device=x.device)
        return torch.where(mask, x.gather(0, donors), x), mask
