"""Corruptions that hide values: here and there, or a block of a picture."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import torch
from torch import Tensor

from isthmus.corruptions.base import Corruption, check_share
from isthmus.errors import ParameterError

if TYPE_CHECKING:
    from isthmus.data.info import DataInfo
    from isthmus.networks.scaling import Scaling


class Masking(Corruption):
    """Hides a share of the values, drawn anew for every sample: they are replaced by their mean over the data.

    In the network's units, where the mean of every value is 0, this is the masking noise of Vincent et al. (2010,
    section 3.3).

    Parameters
    ----------
    share : float
        Probability that a value is hidden.
    """

    names: ClassVar = {"masking": {}}
    fill: Tensor

    def __init__(self, share: float = 0.25) -> None:
        super().__init__()
        self.share = share

    def setup(self, info: DataInfo, scaling: Scaling) -> None:
        check_share(self.share, "the share of masked values")
        self.register_buffer("fill", torch.tensor(info.mean))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        mask = torch.rand_like(x) < self.share
        return torch.where(mask, self.fill.to(x.dtype), x), mask


class Block(Corruption):
    """Hides one block of each picture, at a random place, behind an even grey: the mean of all values.

    Parameters
    ----------
    side : float
        Height and width of the block, as a share of the picture's.
    """

    names: ClassVar = {"block": {}}
    fill: Tensor

    def __init__(self, side: float = 0.4) -> None:
        super().__init__()
        self.side = side

    def setup(self, info: DataInfo, scaling: Scaling) -> None:
        check_share(self.side, "the side of a block")
        if not info.is_picture:
            raise ParameterError(
                f"corruption='block' needs pictures, and a sample here has shape {info.shape}; use 'masking', or pass "
                "image_shape=(H, W)"
            )
        self.register_buffer("fill", torch.tensor(info.mean).mean())

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        rows, columns = (self._inside(x, axis) for axis in (1, 2))
        mask = (rows[:, :, None] & columns[:, None, :]).reshape(*x.shape[:3], *[1] * (x.ndim - 3)).expand_as(x)
        return torch.where(mask, self.fill.to(x.dtype), x), mask

    def _inside(self, x: Tensor, axis: int) -> Tensor:
        """Which positions along an axis lie in the block, (B, length)."""
        length = x.shape[axis]
        size = max(1, round(self.side * length))
        start = torch.randint(0, length - size + 1, (len(x), 1), device=x.device)
        at = torch.arange(length, device=x.device)
        return (at >= start) & (at < start + size)
