"""What the code is."""

from isthmus.bottlenecks.base import Bottleneck
from isthmus.bottlenecks.deterministic import Deterministic
from isthmus.bottlenecks.gaussian import DiagonalGaussian
from isthmus.bottlenecks.unit_variance import UnitVariance

__all__ = ["Bottleneck", "Deterministic", "DiagonalGaussian", "UnitVariance"]
