"""Likelihoods of values in [0, 1]."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import torch
from torch import Tensor
from torch.distributions import Bernoulli, ContinuousBernoulli, Distribution, Independent
from torch.nn.functional import softplus

from isthmus.errors import DataError
from isthmus.likelihoods.base import Likelihood
from isthmus.networks.scaling import Scaling

if TYPE_CHECKING:
    from isthmus.data.info import DataInfo


class LogitBernoulli(Bernoulli):
    """Bernoulli whose log-probability is x · logit − softplus(logit), in fewer passes than cross-entropy."""

    def log_prob(self, value: Tensor) -> Tensor:
        return value * self.logits - softplus(self.logits)


# Below this logit the closed forms cancel, and their series are exact to float32.
_SMALL = 0.3


class TiltedUniform(ContinuousBernoulli):
    """Continuous Bernoulli, density proportional to exp(logit · x), written with logits throughout.

    PyTorch's own is written with probabilities: it loses digits near the logit 0 and saturates beyond ±16.
    """

    def _cont_bern_log_norm(self) -> Tensor:
        size, small = self._size()
        series = math.log(2) + self.logits**2 / 12 - 7 * self.logits**4 / 1440
        return torch.where(small, series, size.log() - (size / 2).tanh().log())

    @property
    def mean(self) -> Tensor:
        size, small = self._size()
        half = self.logits / 2
        series = half / 3 - half**3 / 45 + 2 * half**5 / 945
        return 0.5 + 0.5 * torch.where(small, series, self.logits.sign() * (1 / (size / 2).tanh() - 2 / size))

    @property
    def variance(self) -> Tensor:
        size, small = self._size()
        series = 1 / 12 - self.logits**2 / 240 + self.logits**4 / 6048
        # 1 / (4 sinh²) without overflow.
        peak = (-size).exp() / torch.expm1(-size) ** 2
        return torch.where(small, series, 1 / size**2 - peak)

    def icdf(self, value: Tensor) -> Tensor:
        # For a falling density; a rising one is its mirror image. The limit 0 is uniform.
        size, rises = self.logits.abs().clamp_min(1e-6), self.logits > 0
        value = torch.where(rises, 1 - value, value)
        fall = -torch.log1p(value * torch.expm1(-size)) / size
        return torch.where(rises, 1 - fall, fall)

    def _size(self) -> tuple[Tensor, Tensor]:
        small = self.logits.abs() < _SMALL
        # A harmless value where the series is used, so that no gradient passes through a division by 0.
        return torch.where(small, 1.0, self.logits.abs()), small


class _UnitInterval(Likelihood):
    scaling = "common"
    offset_: Tensor
    family: ClassVar[type[Bernoulli] | type[ContinuousBernoulli]]

    def check(self, info: DataInfo) -> None:
        if info.low < 0 or info.high > 1:
            hint = "divide by 255, or use" if info.dtype == "uint8" else "rescale them to [0, 1], or use"
            name = next(iter(self.names))
            raise DataError(
                f"the {name} likelihood needs values in [0, 1], and the data ({info.dtype}) range from "
                f"{info.low:g} to {info.high:g}; {hint} likelihood='gaussian'"
            )

    def setup(self, info: DataInfo, scaling: Scaling) -> None:
        super().setup(info, scaling)
        mean = torch.tensor(np.asarray(info.mean), dtype=torch.float32)
        self.register_buffer("offset_", mean.clamp(0.01, 0.99).logit())

    def forward(self, y: Tensor) -> Distribution:
        # A decoder that says 0 means the data's own mean, not one half.
        base = self.family(logits=self.offset_ + y[..., 0], validate_args=False)
        return Independent(base, self.n_event_, validate_args=False)


class BernoulliLikelihood(_UnitInterval):
    """Cross-entropy: each value is 1 with probability sigmoid(g(z)). Greys in [0, 1] count as probabilities."""

    family = LogitBernoulli
    names: ClassVar = {"bernoulli": {}}


class ContinuousBernoulliLikelihood(_UnitInterval):
    """A normalised density on [0, 1], which cross-entropy on greys is not (Loaiza-Ganem & Cunningham, 2019)."""

    family = TiltedUniform
    names: ClassVar = {"continuous_bernoulli": {}}
