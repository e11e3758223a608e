"""Several models on the same data, by the same features and the same seeds."""

from isthmus.comparison.measure import compare
from isthmus.comparison.result import Comparison

__all__ = ["Comparison", "compare"]
