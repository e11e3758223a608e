"""Softmax and cross-entropy: integer levels, or rows in one-hot coding."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import torch
from torch import Tensor
from torch.distributions import Categorical, Distribution, Independent, OneHotCategorical, constraints

from isthmus.errors import DataError
from isthmus.likelihoods.base import Likelihood, check_counts
from isthmus.networks.scaling import Scaling

if TYPE_CHECKING:
    from isthmus.data.info import DataInfo

_MOST_LEVELS = 256


class Levels(Categorical):
    """Categorical over the levels 0 … K − 1 whose mean is the expected level."""

    @property
    def mean(self) -> Tensor:
        return (self.probs * self._levels).sum(-1)

    @property
    def variance(self) -> Tensor:
        return (self.probs * (self._levels - self.mean.unsqueeze(-1)) ** 2).sum(-1)

    @property
    def _levels(self) -> Tensor:
        return torch.arange(self.logits.shape[-1], device=self.logits.device, dtype=self.logits.dtype)


class OneHotRows(OneHotCategorical):
    """One-hot categorical that accepts targets of any numeric dtype."""

    support = constraints.independent(constraints.real, 1)

    def log_prob(self, value: Tensor) -> Tensor:
        return (value * self.logits).sum(-1)


class CategoricalLikelihood(Likelihood):
    """Softmax over levels, with the cross-entropy as cost.

    Data of whole numbers 0 … K − 1 (K at most 256): each value has its own softmax over K levels, and the
    reconstruction is the expected level. Rows in one-hot coding (zeros but for a single one): one softmax over
    the row, and the reconstruction is the vector of probabilities.
    """

    names: ClassVar = {"categorical": {}}
    scaling = "common"
    _one_hot: bool | None = None
    _n_levels: int = 0

    def check(self, info: DataInfo) -> None:
        if info.one_hot and self._one_hot is not False:
            return
        if self._one_hot:
            raise DataError(
                "the categorical likelihood was fitted on rows in one-hot coding, and these are not all zeros but a "
                f"single one (they range from {info.low:g} to {info.high:g}); encode them in the same way"
            )
        check_counts(info, "categorical")
        if info.high >= _MOST_LEVELS:
            raise DataError(
                f"the categorical likelihood takes whole numbers from 0 to {_MOST_LEVELS - 1}, and the data reach "
                f"{info.high:g}; use likelihood='poisson' or 'negative_binomial' for counts, else 'gaussian'"
            )

        if self._n_levels and info.high >= self._n_levels:
            raise DataError(
                f"the categorical likelihood was fitted on levels 0 to {self._n_levels - 1}, and these data reach "
                f"{info.high:g}; fit on data that hold every level"
            )

    def setup(self, info: DataInfo, scaling: Scaling) -> None:
        super().setup(info, scaling)
        self._one_hot = info.one_hot
        if not info.one_hot:
            self._n_levels = self.n_outputs = int(info.high) + 1

    def forward(self, y: Tensor) -> Distribution:
        if self._one_hot:
            return OneHotRows(logits=y[..., 0], validate_args=False)
        return Independent(Levels(logits=y, validate_args=False), self.n_event_, validate_args=False)
