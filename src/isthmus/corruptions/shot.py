"""Noise that grows with the signal: of counting, and of coherent light."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import torch
from torch import Tensor

from isthmus.corruptions.base import Ranged, check_positive

if TYPE_CHECKING:
    from isthmus.data.info import DataInfo
    from isthmus.networks.scaling import Scaling


class PoissonNoise(Ranged):
    """Counting noise: the value, in counts above the lowest, becomes the rate of a Poisson draw.

    Parameters
    ----------
    peak : float
        Counts at the top of the range (of each column, for tables). Fewer are noisier: the relative spread of a value
        of c counts is 1 / √c.
    """

    names: ClassVar = {"poisson": {}}

    def __init__(self, peak: float = 20.0) -> None:
        super().__init__()
        self.peak = peak

    def setup(self, info: DataInfo, scaling: Scaling) -> None:
        check_positive(self.peak, "the peak of Poisson noise, in counts,")
        super().setup(info, scaling)

    def forward(self, x: Tensor) -> tuple[Tensor, None]:
        low = self.low.to(x.dtype)
        # A value that never varies has no range; any scale will do for it.
        unit = (self.high - self.low).clamp_min(1e-12).to(x.dtype) / self.peak
        return low + unit * torch.poisson(((x - low) / unit).clamp_min(0)), None


class Speckle(Ranged):
    """Multiplicative noise: the value above the lowest times 1 + s ε, with ε from N(0, 1).

    Parameters
    ----------
    std : float
        Standard deviation s of the factor.
    """

    names: ClassVar = {"speckle": {}}

    def __init__(self, std: float = 0.5) -> None:
        super().__init__()
        self.std = std

    def setup(self, info: DataInfo, scaling: Scaling) -> None:
        check_positive(self.std, "the standard deviation of speckle")
        super().setup(info, scaling)

    def forward(self, x: Tensor) -> tuple[Tensor, None]:
        low = self.low.to(x.dtype)
        return low + (x - low) * (1 + self.std * torch.randn_like(x)), None
