"""Densities of the code."""

from isthmus.priors.afterwards import FittedPrior
from isthmus.priors.base import Prior
from isthmus.priors.fitted import FittedGaussian
from isthmus.priors.flow_matching import FlowMatching
from isthmus.priors.gaussian_mixture import FittedMixture
from isthmus.priors.spiked import FittedSpike, SpikedLogNormal
from isthmus.priors.spline_flow import FittedFlow
from isthmus.priors.standard import StandardNormal
from isthmus.priors.two_stage import TwoStage

__all__ = [
    "FittedFlow",
    "FittedGaussian",
    "FittedMixture",
    "FittedPrior",
    "FittedSpike",
    "FlowMatching",
    "Prior",
    "SpikedLogNormal",
    "StandardNormal",
    "TwoStage",
]
