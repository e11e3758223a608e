"""Data: sources in, samples out."""

from isthmus.data.builtin import BUILTINS
from isthmus.data.samples import Samples
from isthmus.data.sources import load
from isthmus.data.writing import apply

__all__ = ["BUILTINS", "Samples", "apply", "load"]
