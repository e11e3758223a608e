"""Noise on the input."""

from isthmus.corruptions.base import Corruption, NoCorruption
from isthmus.corruptions.blind_spot import BlindSpot
from isthmus.corruptions.custom import CustomCorruption
from isthmus.corruptions.gaussian import GaussianNoise
from isthmus.corruptions.independent import NoisyTarget
from isthmus.corruptions.masking import Block, Masking
from isthmus.corruptions.neighbours import NeighbourPairs
from isthmus.corruptions.salt_and_pepper import SaltAndPepper
from isthmus.corruptions.shot import PoissonNoise, Speckle
from isthmus.corruptions.sometimes import Sometimes
from isthmus.corruptions.swap import FeatureSwap

__all__ = [
    "BlindSpot",
    "Block",
    "Corruption",
    "CustomCorruption",
    "FeatureSwap",
    "GaussianNoise",
    "Masking",
    "NeighbourPairs",
    "NoCorruption",
    "NoisyTarget",
    "PoissonNoise",
    "SaltAndPepper",
    "Sometimes",
    "Speckle",
]
