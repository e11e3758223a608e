"""Hidden values that have to be told from the others: denoising without a second copy."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn.functional import conv2d

from isthmus.corruptions.base import Corruption
from isthmus.errors import ParameterError

if TYPE_CHECKING:
    from isthmus.data.info import DataInfo
    from isthmus.networks.scaling import Scaling

# Weights of the eight neighbours, as in Batson & Royer (2019): near ones count twice.
_NEIGHBOURS = torch.tensor([[0.5, 1.0, 0.5], [1.0, 0.0, 1.0], [0.5, 1.0, 0.5]]) / 6


class BlindSpot(Corruption):
    """Hides every ``stride``-th pixel in both directions, or one in ``stride`` columns of a table.

    A hidden pixel is replaced by a mean of its neighbours, a hidden column by its mean over the data, so that nothing
    is left of it. What is then predicted there cannot be a copy of its noise: the prediction is J-invariant
    (Batson & Royer, 2019, section 2; Krull et al., 2019).

    Parameters
    ----------
    stride : int
        One value in ``stride``² of a picture is hidden at a time, one in ``stride`` of a table.
    """

    fill: Tensor

    def __init__(self, stride: int = 4) -> None:
        super().__init__()
        self.stride = stride

    def setup(self, info: DataInfo, scaling: Scaling) -> None:
        if self.stride < 2:
            raise ParameterError(f"stride must be at least 2, got {self.stride}")
        self.is_picture = info.is_picture
        self.register_buffer("fill", torch.tensor(info.mean))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        phase = torch.randint(0, self.n_phases(x), (len(x),), device=x.device)
        mask = self._mask(x, phase)
        return self._hide(x, mask), mask

    def n_phases(self, x: Tensor) -> int:
        """Ways to place the spots; together they hide every value once."""
        if not self.is_picture:
            return min(self.stride, x.shape[1])
        return min(self.stride, x.shape[1]) * min(self.stride, x.shape[2])

    def phases(self, x: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
        """The batch with each of the ways to hide, and the mask of each."""
        for phase in range(self.n_phases(x)):
            mask = self._mask(x, torch.full((len(x),), phase, device=x.device))
            yield self._hide(x, mask), mask

    def _mask(self, x: Tensor, phase: Tensor) -> Tensor:
        if not self.is_picture:
            stride = min(self.stride, x.shape[1])
            return torch.arange(x.shape[1], device=x.device) % stride == phase[:, None]
        height, width = (min(self.stride, side) for side in x.shape[1:3])
        rows = torch.arange(x.shape[1], device=x.device) % height == (phase // width)[:, None]
        columns = torch.arange(x.shape[2], device=x.device) % width == (phase % width)[:, None]
        mask = rows[:, :, None] & columns[:, None, :]
        return mask.reshape(*mask.shape, *[1] * (x.ndim - 3)).expand_as(x)

    def _hide(self, x: Tensor, mask: Tensor) -> Tensor:
        around = neighbour_mean(x) if self.is_picture else self.fill.to(x.dtype).expand_as(x)
        return torch.where(mask, around, x)


def neighbour_mean(x: Tensor) -> Tensor:
    """Weighted mean of the eight neighbours of every pixel of (B, H, W) or (B, H, W, C), without the pixel itself."""
    channels = x[..., None] if x.ndim == 3 else x
    n, height, width, depth = channels.shape
    planes = channels.permute(0, 3, 1, 2).reshape(n * depth, 1, height, width)
    kernel = _NEIGHBOURS.to(x)[None, None]
    # At the border only the neighbours that exist count.
    around = conv2d(planes, kernel, padding=1) / conv2d(torch.ones_like(planes[:1]), kernel, padding=1)
    return around.reshape(n, depth, height, width).permute(0, 2, 3, 1).reshape(x.shape)
