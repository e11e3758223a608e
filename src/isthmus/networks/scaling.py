"""From the data's own units to the network's and back, with buffers fitted on the training part."""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn

from isthmus.data.info import DataInfo

# Standard deviation over mean below which a value is constant but for rounding.
_ROUNDING = 1e-12
ScalingKind = Literal["common", "global", "standard", "center", "log", "none"]


class Scaling(nn.Module):
    """Affine map of every value, after log(1 + x) for counts.

    * ``"common"``: each value to zero mean, and one scale for all, so that their mean square is 1. For pictures
      and for columns of one common range, where a value that varies little also matters little.
    * ``"global"``: one mean and one scale for all values, so that a network which treats every place of a picture alike
      sees every place in the same units.
    * ``"standard"``: each value to zero mean and unit variance. For columns of different units.
    * ``"center"``: each value to zero mean, in its own units. For principal components.
    * ``"log"``: log(1 + x), with one scale for all values so that they span [0, 1]. For counts.
    * ``"none"``: as they are.

    A value that never varied keeps the scale 1.
    """

    shift: Tensor
    scale: Tensor

    def __init__(self, kind: ScalingKind) -> None:
        super().__init__()
        self.kind = kind

    def setup(self, info: DataInfo) -> None:
        """Fit the buffers: float64 for float64 data, so that large offsets lose nothing, else float32."""
        shift, scale = _FITTED[self.kind](info)
        dtype = torch.float64 if info.dtype in ("float64", "int32", "int64") else torch.float32
        self.register_buffer("shift", torch.tensor(np.asarray(shift), dtype=dtype))
        self.register_buffer("scale", torch.tensor(np.asarray(scale), dtype=dtype))

    def forward(self, x: Tensor) -> Tensor:
        """Network units, in float32."""
        x = x.to(self.shift.dtype)
        if self.kind == "log":
            x = x.clamp_min(0).log1p()  # a corruption may take counts below 0
        return ((x - self.shift) / self.scale).float()

    def inverse(self, u: Tensor) -> Tensor:
        """The data's own units."""
        x = self.shift + self.scale * u.to(self.shift.dtype)
        return x.expm1() if self.kind == "log" else x


def _common(info: DataInfo) -> tuple[np.ndarray, float]:
    spread = float(np.sqrt(np.mean(info.std**2)))
    return info.mean, spread if spread > _ROUNDING * np.abs(info.mean).max() else 1.0


def _global(info: DataInfo) -> tuple[float, float]:
    mean = float(info.mean.mean())
    spread = float(np.sqrt(np.mean(info.std**2 + (info.mean - mean) ** 2)))
    return mean, spread if spread > _ROUNDING * abs(mean) else 1.0


def _standard(info: DataInfo) -> tuple[np.ndarray, np.ndarray]:
    # A column that is constant up to rounding must not be blown up to unit variance.
    negligible = info.std <= _ROUNDING * np.maximum(np.abs(info.mean), 1e-300)
    return info.mean, np.where(negligible, 1.0, info.std)


def _log(info: DataInfo) -> tuple[float, float]:
    return 0.0, math.log1p(max(info.high, 0.0)) or 1.0


_FITTED = {
    "common": _common,
    "global": _global,
    "standard": _standard,
    "center": lambda info: (info.mean, 1.0),
    "log": _log,
    "none": lambda info: (0.0, 1.0),
}
