"""Densities of the code."""

from isthmus.priors.base import Prior
from isthmus.priors.fitted import FittedGaussian
from isthmus.priors.flow import FlowPrior
from isthmus.priors.mixture import MixturePrior
from isthmus.priors.mixtures import Mixture
from isthmus.priors.sphere import UniformSphere
from isthmus.priors.spiked import FittedSpike, SpikedLogNormal
from isthmus.priors.standard import StandardNormal
from isthmus.priors.student_t import StudentTPrior
from isthmus.priors.vamp import VampPrior

__all__ = [
    "FittedGaussian",
    "FittedSpike",
    "FlowPrior",
    "Mixture",
    "MixturePrior",
    "Prior",
    "SpikedLogNormal",
    "StandardNormal",
    "StudentTPrior",
    "UniformSphere",
    "VampPrior",
]
