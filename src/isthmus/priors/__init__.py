"""Densities of the code."""

from isthmus.priors.base import Prior
from isthmus.priors.fitted import FittedGaussian
from isthmus.priors.ladder import LadderPrior
from isthmus.priors.spiked import FittedSpike, SpikedLogNormal
from isthmus.priors.standard import StandardNormal

__all__ = ["FittedGaussian", "FittedSpike", "LadderPrior", "Prior", "SpikedLogNormal", "StandardNormal"]
