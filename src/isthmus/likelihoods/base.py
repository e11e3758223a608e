"""What every likelihood has in common."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, ClassVar

from torch import Tensor
from torch.distributions import Distribution

from isthmus.core import Part
from isthmus.errors import DataError
from isthmus.networks.scaling import Scaling, ScalingKind

if TYPE_CHECKING:
    from isthmus.data.info import DataInfo


class Likelihood(Part):
    """p(x|z): maps the decoder's output to a distribution over data in their own units.

    A subclass names itself for ``likelihood="..."`` strings with ``names``: a dict from name to the constructor
    arguments that the name stands for.
    """

    names: ClassVar[dict[str, dict]] = {}
    scaling: ClassVar[ScalingKind | None] = None
    """Scaling of the network's input that this likelihood asks for; None leaves it to the data."""

    is_bounded: ClassVar[bool] = True
    """Whether there are finite numbers outside the support, which `check` has to look for in data to be scored."""

    n_outputs: int = 1
    """Decoder outputs per value of the data; known once the likelihood is set up."""

    n_event_: int

    @abstractmethod
    def check(self, info: DataInfo) -> None:
        """Raise `DataError` unless the data lie in the support; called before training and before scoring."""

    def setup(self, info: DataInfo, scaling: Scaling) -> None:
        """Check the support and create buffers and parameters."""
        self.check(info)
        self.n_event_ = len(info.shape)

    @abstractmethod
    def forward(self, y: Tensor) -> Distribution:
        """Distribution with event shape ``event`` for decoder outputs of shape (..., *event, n_outputs)."""

    def calibrate(self, y: Tensor, x: Tensor) -> None:
        """Set what is learned beside the decoder to its best value for decoder outputs ``y`` of the data ``x``.

        Only a scale has such a value in closed form; other likelihoods stay as they are.
        """


def check_counts(info: DataInfo, who: str) -> None:
    """Complain unless the data are whole numbers from 0 up."""
    if not info.integral or info.low < 0:
        kind = "whole numbers" if info.integral else "numbers with fractions"
        raise DataError(
            f"the {who} likelihood needs counts (whole numbers from 0 up), and the data are {kind} from "
            f"{info.low:g} to {info.high:g}; use likelihood='gaussian'"
        )
