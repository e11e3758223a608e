"""A distribution over network units, read in the data's own units."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor
from torch.distributions import Distribution, constraints


class Rescaled(Distribution):
    """Distribution of x = shift + scale · u, for u from ``base``.

    ``log_prob`` standardises before it leaves float64, so that large offsets lose nothing, and includes the
    Jacobian −Σ log scale: it is a density in the data's own units.

    Parameters
    ----------
    base : Distribution
        Event shape ``event``, in network units.
    shift, scale : Tensor
        Broadcast to ``event``.
    """

    arg_constraints: ClassVar = {}  # pyright: ignore[reportIncompatibleMethodOverride, reportAssignmentType]
    support = constraints.real  # pyright: ignore[reportIncompatibleMethodOverride, reportAssignmentType]

    def __init__(self, base: Distribution, shift: Tensor, scale: Tensor) -> None:
        self.base = base
        self.shift = shift
        self.scale = scale
        super().__init__(base.batch_shape, base.event_shape, validate_args=False)

    def log_prob(self, value: Tensor) -> Tensor:
        jacobian = self.scale.log().expand(self.event_shape).sum().float()
        return self.base.log_prob(self.standardize(value)) - jacobian

    def standardize(self, value: Tensor) -> Tensor:
        """Data to network units."""
        return ((value.to(self.shift.dtype) - self.shift) / self.scale).float()

    @property
    def mean(self) -> Tensor:
        return self._back(self.base.mean)

    @property
    def variance(self) -> Tensor:
        return self.base.variance * self.scale**2

    def rsample(self, sample_shape: torch.Size | list[int] | tuple[int, ...] = ()) -> Tensor:
        return self._back(self.base.rsample(torch.Size(sample_shape)))

    def _back(self, u: Tensor) -> Tensor:
        return self.shift + self.scale * u.to(self.shift.dtype)
