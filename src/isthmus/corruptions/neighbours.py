"""Two pictures of half the size from one: neighbouring pixels show the same thing under independent noise."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from isthmus.corruptions.base import Corruption
from isthmus.errors import ParameterError

if TYPE_CHECKING:
    from isthmus.data.info import DataInfo

# Neighbours in a cell of 2 x 2, read row by row: each pixel with those beside it.
_PAIRS = torch.tensor([[0, 1], [0, 2], [1, 0], [1, 3], [2, 0], [2, 3], [3, 1], [3, 2]])


class NeighbourPairs(Corruption):
    """Of every cell of 2 x 2 pixels, one pixel goes to the input and a neighbour of it to the target.

    Source: Huang et al. (2021), section 3.2. The mask is the choice made in every cell, with which `half` takes the
    same pixels from another picture.
    """

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        cells = (len(x), x.shape[1] // 2, x.shape[2] // 2)
        choice = _PAIRS.to(x.device)[torch.randint(0, len(_PAIRS), cells, device=x.device)]
        return half(x, choice[..., 0]), choice

    def target(self, x: Tensor, mask: Tensor | None) -> Tensor:
        assert mask is not None
        return half(x, mask[..., 1])


def check_divisible(info: DataInfo) -> None:
    """Complain about data that have no pixels with neighbours."""
    if not info.is_picture or min(info.shape[:2]) < 4:
        raise ParameterError(
            f"neighbour sub-sampling needs pictures of at least 4 x 4 pixels, and a sample here has shape "
            f"{info.shape}; pass image_shape=(H, W), or use method='blind_spot'"
        )


def half(x: Tensor, choice: Tensor) -> Tensor:
    """The chosen pixel of every cell of 2 x 2: (B, H, W, ...) and (B, H // 2, W // 2) to (B, H // 2, W // 2, ...)."""
    height, width = 2 * choice.shape[1], 2 * choice.shape[2]
    rest = x.shape[3:]
    cells = x[:, :height, :width].reshape(len(x), height // 2, 2, width // 2, 2, *rest).transpose(2, 3)
    cells = cells.reshape(len(x), height // 2, width // 2, 4, *rest)
    index = choice.reshape(*choice.shape, 1, *[1] * len(rest)).expand(*choice.shape, 1, *rest)
    return cells.gather(3, index).squeeze(3)
