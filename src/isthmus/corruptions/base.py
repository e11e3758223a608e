"""What every corruption has in common, and the one that does nothing."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, ClassVar

import torch
from torch import Tensor

from isthmus.core import Part
from isthmus.errors import ParameterError

if TYPE_CHECKING:
    from isthmus.data.info import DataInfo
    from isthmus.networks.scaling import Scaling


class Corruption(Part):
    """Noise on the encoder's input, in the data's own units.

    A subclass names itself for ``corruption="..."`` strings with ``names``, a dict from name to the constructor
    arguments that the name stands for. Its first argument is its strength.
    """

    names: ClassVar[dict[str, dict]] = {}
    takes_from_others: ClassVar[bool] = False
    """Whether values of other samples of the batch are put into a sample."""

    def setup(self, info: DataInfo, scaling: Scaling) -> None:
        """Create the buffers that depend on the data."""

    @abstractmethod
    def forward(self, x: Tensor) -> tuple[Tensor, Tensor | None]:
        """Corrupt a batch (B, *event) of floating-point values.

        Returns
        -------
        x_in : Tensor of shape (B, *event)
            What the encoder gets.
        mask : Tensor or None
            Where values were hidden (True), if the corruption hides values.
        """

    def target(self, x: Tensor, mask: Tensor | None) -> Tensor:
        """What the decoder is to give back: the batch as it was, unless learning from noise alone says otherwise."""
        return x


class NoCorruption(Corruption):
    """Leaves the input as it is."""

    def forward(self, x: Tensor) -> tuple[Tensor, None]:
        return x, None


class Ranged(Corruption):
    """A corruption that needs the ends of the range: of all values where these share one scale, else each column's."""

    low: Tensor
    high: Tensor

    def setup(self, info: DataInfo, scaling: Scaling) -> None:
        ends = info.display_range if shares_one_scale(info, scaling) else (info.minimum, info.maximum)
        for name, end in zip(("low", "high"), ends, strict=True):
            self.register_buffer(name, torch.tensor(end, dtype=torch.float64))


def shares_one_scale(info: DataInfo, scaling: Scaling) -> bool:
    """Whether one strength of noise fits all values, as for the pixels of a picture."""
    return info.is_picture or scaling.kind in ("common", "global")


def check_share(share: float, what: str) -> None:
    """Complain unless ``share`` is a number above 0 and at most 1."""
    if not 0 < share <= 1:
        raise ParameterError(f"{what} must be above 0 and at most 1, got {share}")


def check_positive(value: float, what: str) -> None:
    """Complain unless ``value`` is a positive, finite number."""
    if not 0 < value < float("inf"):
        raise ParameterError(f"{what} must be positive and finite, got {value}")
