"""Likelihoods of values in [0, 1]."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from torch import Tensor
from torch.distributions import Bernoulli, ContinuousBernoulli, Distribution, Independent

from isthmus.errors import DataError
from isthmus.likelihoods.base import Likelihood

if TYPE_CHECKING:
    from isthmus.data.info import DataInfo


class _UnitInterval(Likelihood):
    scaling = "range"
    family: ClassVar[type[Bernoulli] | type[ContinuousBernoulli]]

    def check(self, info: DataInfo) -> None:
        if info.low < 0 or info.high > 1:
            hint = "divide by 255, or use" if info.dtype == "uint8" else "rescale them to [0, 1], or use"
            name = next(iter(self.names))
            raise DataError(
                f"the {name} likelihood needs values in [0, 1], and the data ({info.dtype}) range from "
                f"{info.low:g} to {info.high:g}; {hint} likelihood='gaussian'"
            )

    def forward(self, y: Tensor) -> Distribution:
        base = self.family(logits=y[..., 0], validate_args=False)
        return Independent(base, self.n_event_, validate_args=False)


class BernoulliLikelihood(_UnitInterval):
    """Cross-entropy: each value is 1 with probability sigmoid(g(z)). Greys in [0, 1] count as probabilities."""

    family = Bernoulli
    names: ClassVar = {"bernoulli": {}}


class ContinuousBernoulliLikelihood(_UnitInterval):
    """A normalised density on [0, 1], which cross-entropy on greys is not (Loaiza-Ganem & Cunningham, 2019)."""

    family = ContinuousBernoulli
    names: ClassVar = {"continuous_bernoulli": {}}
