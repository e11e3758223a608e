"""Likelihoods of counts."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import numpy as np
import torch
from torch import Tensor, nn
from torch.distributions import Distribution, Independent, NegativeBinomial, Poisson
from torch.nn.functional import softplus

from isthmus.likelihoods.base import Likelihood, check_counts
from isthmus.networks.scaling import Scaling

if TYPE_CHECKING:
    from isthmus.data.info import DataInfo

_MIN_RATE = 1e-6


class _Counts(Likelihood):
    scaling = "log"
    typical_: Tensor

    def check(self, info: DataInfo) -> None:
        check_counts(info, next(iter(self.names)))

    def setup(self, info: DataInfo, scaling: Scaling) -> None:
        super().setup(info, scaling)
        mean = torch.tensor(np.asarray(info.mean), dtype=torch.float32).clamp_min(1e-2)
        self.register_buffer("typical_", mean)

    def rate(self, y: Tensor) -> Tensor:
        """Expected count: the mean of the data where the decoder says 0.

        Linear rather than exponential for large outputs, so that one wild output cannot overflow.
        """
        unit = softplus(y[..., 0] + 0.5413)  # softplus(0.5413) = 1
        return self.typical_ * unit + _MIN_RATE


class _ExactPoisson(Poisson):
    """Poisson whose probabilities are computed in float64: v log λ − λ − log v! cancels almost wholly for large v."""

    def log_prob(self, value: Tensor) -> Tensor:
        value, rate = value.double(), self.rate.double()
        return (value.xlogy(rate) - rate - (value + 1).lgamma()).to(self.rate.dtype)


class PoissonLikelihood(_Counts):
    """x ~ Poisson(g(z)): counts whose variance equals their mean."""

    names: ClassVar = {"poisson": {}}

    def forward(self, y: Tensor) -> Distribution:
        return Independent(_ExactPoisson(self.rate(y), validate_args=False), self.n_event_, validate_args=False)


class NegativeBinomialLikelihood(_Counts):
    """Counts with variance μ + μ²/r; the dispersion r is learned for each value (as for gene expression)."""

    names: ClassVar = {"negative_binomial": {}}
    log_r: nn.Parameter

    def setup(self, info: DataInfo, scaling: Scaling) -> None:
        super().setup(info, scaling)
        self.log_r = nn.Parameter(torch.zeros(info.shape))

    def forward(self, y: Tensor) -> Distribution:
        r = softplus(self.log_r + 0.5413) + _MIN_RATE
        logits = self.rate(y).log() - r.log()
        base = NegativeBinomial(r.expand_as(logits), logits=logits, validate_args=False)
        return Independent(base, self.n_event_, validate_args=False)
