"""Noise on the input."""

from isthmus.corruptions.base import Corruption, NoCorruption

__all__ = ["Corruption", "NoCorruption"]
