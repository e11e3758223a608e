"""The same noise twice, independently: the input of noise2noise and its target."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import Tensor

from isthmus.corruptions.base import Corruption

if TYPE_CHECKING:
    from isthmus.data.info import DataInfo
    from isthmus.networks.scaling import Scaling


class NoisyTarget(Corruption):
    """Corrupts the target too, with noise of the same kind that is independent of the input's.

    Where the noise has mean zero, the target has the clean sample as its mean, and the squared error the same minimum
    (Lehtinen et al., 2018, section 2).

    Parameters
    ----------
    corruption : Corruption
        Draws both.
    """

    def __init__(self, corruption: Corruption) -> None:
        super().__init__()
        self.corruption = corruption

    def setup(self, info: DataInfo, scaling: Scaling) -> None:
        self.corruption.setup(info, scaling)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor | None]:
        return self.corruption(x)

    def target(self, x: Tensor, mask: Tensor | None) -> Tensor:
        return self.corruption(x)[0]
