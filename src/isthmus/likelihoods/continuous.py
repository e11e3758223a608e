"""Likelihoods of real numbers: Gaussian and Laplace, with a fixed or a learned scale."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

import torch
from torch import Tensor, nn
from torch.distributions import Independent, Laplace, Normal

from isthmus.errors import ParameterError
from isthmus.likelihoods.base import Likelihood
from isthmus.likelihoods.rescaled import Rescaled
from isthmus.networks.scaling import Scaling

if TYPE_CHECKING:
    from isthmus.data.info import DataInfo

# Below this share of the data's own spread a density measures rounding, not data: for pictures it is about a
# quarter of a grey level, the spread of rounding to one (1/√12).
_FLOOR = 3e-3
# Adam moves a parameter by about the learning rate a step; the logarithm of the scale needs larger steps.
_GAIN = 10.0


class LocationScale(Likelihood):
    """A location from the decoder and a scale that is learned once for all samples.

    Parameters
    ----------
    scale : {"learned", "per_feature"} or float
        ``"learned"``: one scale for all values, in network units (optimal-σ VAE; Rybkin et al., 2021).
        ``"per_feature"``: one for each value. A number: fixed, in the data's own units; the loss is then the plain
        L2 (L1) loss divided by its unit, up to a constant.
    relative : bool
        Whether a number is a share of the spread of the data instead, so that it suits data in any units.
    """

    is_bounded = False
    family: ClassVar[type[Normal] | type[Laplace]]
    order: ClassVar[int]
    """Moment of the error of which the scale of greatest likelihood is the root."""
    shift_: Tensor
    unit_: Tensor
    floor_: Tensor
    raw_scale: Tensor

    def __init__(self, scale: Literal["learned", "per_feature"] | float = "learned", relative: bool = False) -> None:
        super().__init__()
        self.scale = scale
        self.relative = relative

    def check(self, info: DataInfo) -> None:
        if isinstance(self.scale, str) and self.scale not in ("learned", "per_feature"):
            raise ParameterError(f"scale must be 'learned', 'per_feature' or a number, got {self.scale!r}")
        if not isinstance(self.scale, str) and not 0 < self.scale < float("inf"):
            raise ParameterError(f"a fixed scale must be positive and finite, got {self.scale}")

    def setup(self, info: DataInfo, scaling: Scaling) -> None:
        super().setup(info, scaling)
        self.register_buffer("shift_", scaling.shift.clone())
        self.register_buffer("unit_", scaling.scale.clone())
        floor, start = self._start(info)
        self.register_buffer("floor_", floor)
        if isinstance(self.scale, str):
            self.raw_scale = nn.Parameter(start)
        else:
            self.register_buffer("raw_scale", start)

    def _start(self, info: DataInfo) -> tuple[Tensor, Tensor]:
        """The smallest scale that can be learned, and the raw scale to start from."""
        if self.unit_.is_meta:
            # Laid out to be filled from a file. The first arithmetic without values costs PyTorch a second of imports.
            shapes = {"learned": (), "per_feature": info.shape}
            fixed = () if self.relative else self.unit_.shape
            return torch.zeros(()), torch.zeros(shapes[self.scale] if isinstance(self.scale, str) else fixed)
        spread = (torch.tensor(info.std, dtype=self.unit_.dtype) / self.unit_).float()
        overall = spread.square().mean().sqrt().clamp_min(1e-30)
        if not isinstance(self.scale, str):
            fixed = self.scale * overall if self.relative else self.scale / self.unit_
            return torch.zeros(()), fixed.log().float() / _GAIN
        # An autoencoder that knows nothing yet is wrong by the spread of the data.
        floor, start = _FLOOR * overall, spread if self.scale == "per_feature" else overall
        return floor, torch.maximum(start, floor).log() / _GAIN

    @property
    def spread(self) -> Tensor:
        """Scale of the distribution, in network units."""
        return (_GAIN * self.raw_scale).exp() + self.floor_

    @torch.no_grad()
    def set_spread(self, spread: float | Tensor) -> None:
        """Set the scale to a value found otherwise, or to the smallest there may be."""
        above = torch.as_tensor(spread, dtype=self.raw_scale.dtype) - self.floor_
        self.raw_scale.copy_(torch.maximum(above, 1e-3 * self.floor_).log() / _GAIN)

    @torch.no_grad()
    def calibrate(self, y: Tensor, x: Tensor) -> None:
        if self.scale not in ("learned", "per_feature"):
            return
        error = (self(y).standardize(x) - y[..., 0]).abs()
        moments = error.pow(self.order).mean(0)
        self.set_spread((moments if self.scale == "per_feature" else moments.mean()).pow(1 / self.order))

    def forward(self, y: Tensor) -> Rescaled:
        location = y[..., 0]
        base = self.family(location, self.spread.expand_as(location), validate_args=False)
        base = Independent(base, self.n_event_, validate_args=False)
        return Rescaled(base, self.shift_, self.unit_)


class GaussianLikelihood(LocationScale):
    """x ~ N(g(z), σ²): with a fixed σ, the squared L2 loss; with a learned one, that loss weighed rightly."""

    family = Normal
    order = 2
    names: ClassVar = {
        "gaussian": {},
        "gaussian_per_feature": {"scale": "per_feature"},
        "l2": {"scale": 1.0},
    }


class LaplaceLikelihood(LocationScale):
    """x ~ Laplace(g(z), b): the L1 loss, which outliers move less."""

    family = Laplace
    order = 1
    names: ClassVar = {"laplace": {}, "laplace_per_feature": {"scale": "per_feature"}, "l1": {"scale": 1.0}}
