"""Additive Gaussian noise."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal, get_args

import torch
from torch import Tensor

from isthmus.corruptions.base import Corruption, check_positive, shares_one_scale
from isthmus.errors import ParameterError

if TYPE_CHECKING:
    from isthmus.data.info import DataInfo
    from isthmus.networks.scaling import Scaling

Unit = Literal["spread", "range", "data"]


class GaussianNoise(Corruption):
    """x + s ε with ε from N(0, 1), independent for every value.

    Parameters
    ----------
    std : float
        Standard deviation of the noise, in units of ``unit``.
    unit : {"spread", "range", "data"}
        ``"spread"``: standard deviations of the data, one for all values where these share one scale (pictures), else
        one for each column. ``"range"``: the range of the data (255 for uint8 pictures). ``"data"``: the data's own.
    """

    names: ClassVar = {"gaussian": {}}
    sd: Tensor

    def __init__(self, std: float = 0.5, unit: Unit = "spread") -> None:
        super().__init__()
        self.std = std
        self.unit = unit

    def setup(self, info: DataInfo, scaling: Scaling) -> None:
        check_positive(self.std, "the standard deviation of Gaussian noise")
        if self.unit not in get_args(Unit):
            raise ParameterError(f"unit must be one of {', '.join(get_args(Unit))}, got {self.unit!r}")
        if scaling.shift.is_meta:
            # Laid out to be filled from a file. Arithmetic without values would cost PyTorch a second of imports.
            one = self.unit != "spread" or shares_one_scale(info, scaling)
            self.register_buffer("sd", torch.zeros(() if one else info.shape))
            return
        self.register_buffer("sd", self.std * _unit(self.unit, info, scaling))

    def forward(self, x: Tensor) -> tuple[Tensor, None]:
        return x + self.sd.to(x.dtype) * torch.randn_like(x), None


def _unit(unit: str, info: DataInfo, scaling: Scaling) -> Tensor:
    if unit == "data":
        return torch.tensor(1.0)
    if unit == "range":
        low, high = info.display_range
        return torch.tensor(high - low)
    std = torch.tensor(info.std)
    return std.square().mean().sqrt().float() if shares_one_scale(info, scaling) else std.float()
