"""What every corruption has in common, and the one that does nothing."""

from __future__ import annotations

from abc import abstractmethod

from torch import Tensor

from isthmus.core import Part


class Corruption(Part):
    """Noise on the encoder's input, in the network's units, in which the data have unit variance."""

    @abstractmethod
    def forward(self, x: Tensor) -> tuple[Tensor, Tensor | None]:
        """Return the corrupted batch, and a mask of the values it hid if the corruption hides values."""


class NoCorruption(Corruption):
    """Leaves the input as it is."""

    def forward(self, x: Tensor) -> tuple[Tensor, None]:
        return x, None
