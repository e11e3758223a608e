"""Densities of the code."""

from isthmus.priors.afterwards import FittedPrior
from isthmus.priors.base import Prior
from isthmus.priors.fitted import FittedGaussian
from isthmus.priors.flow import FlowPrior
from isthmus.priors.flow_matching import FlowMatching
from isthmus.priors.gaussian_mixture import FittedMixture
from isthmus.priors.ladder import LadderPrior
from isthmus.priors.mixture import MixturePrior
from isthmus.priors.mixtures import Mixture
from isthmus.priors.sphere import UniformSphere
from isthmus.priors.spiked import FittedSpike, SpikedLogNormal
from isthmus.priors.spline_flow import FittedFlow
from isthmus.priors.standard import StandardNormal
from isthmus.priors.student_t import StudentTPrior
from isthmus.priors.tokens import TokenDistribution, TokenPrior
from isthmus.priors.two_stage import TwoStage
from isthmus.priors.vamp import VampPrior

__all__ = [
    "FittedFlow",
    "FittedGaussian",
    "FittedMixture",
    "FittedPrior",
    "FittedSpike",
    "FlowMatching",
    "FlowPrior",
    "LadderPrior",
    "Mixture",
    "MixturePrior",
    "Prior",
    "SpikedLogNormal",
    "StandardNormal",
    "StudentTPrior",
    "TokenDistribution",
    "TokenPrior",
    "TwoStage",
    "UniformSphere",
    "VampPrior",
]
