"""A corruption that the user wrote."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor

from isthmus.corruptions.base import Corruption
from isthmus.errors import ParameterError


class CustomCorruption(Corruption):
    """Any function from a batch of floating-point values, in the data's own units, to a corrupted one.

    A saved run does not hold the function, as loading a run executes nothing. All else works without it; to corrupt
    again, pass it again.

    Parameters
    ----------
    function : callable
        From Tensor (B, *event) to Tensor of the same shape. It should draw its random numbers from torch.
    """

    def __init__(self, function: Callable[[Tensor], Tensor] | None = None) -> None:
        super().__init__()
        self.function = function

    def config(self) -> dict[str, Any]:
        return {}

    def forward(self, x: Tensor) -> tuple[Tensor, None]:
        if self.function is None:
            raise ParameterError(
                "the corruption was a Python function, which a saved run does not hold; set it again with "
                "model.module_.corruption.function = f"
            )
        corrupted = self.function(x)
        if not isinstance(corrupted, Tensor) or corrupted.shape != x.shape:
            got = tuple(corrupted.shape) if isinstance(corrupted, Tensor) else type(corrupted).__name__
            raise ParameterError(
                f"the corruption function must return a tensor of the shape it got, {tuple(x.shape)}; it returned {got}"
            )
        return corrupted.to(x.dtype), None
