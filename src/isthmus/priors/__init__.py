"""Densities of the code."""

from isthmus.priors.base import Prior
from isthmus.priors.fitted import FittedGaussian
from isthmus.priors.spiked import FittedSpike, SpikedLogNormal
from isthmus.priors.standard import StandardNormal
from isthmus.priors.tokens import TokenDistribution, TokenPrior

__all__ = [
    "FittedGaussian",
    "FittedSpike",
    "Prior",
    "SpikedLogNormal",
    "StandardNormal",
    "TokenDistribution",
    "TokenPrior",
]
