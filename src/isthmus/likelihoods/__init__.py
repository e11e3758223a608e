"""Densities of the data given the code."""

from isthmus.likelihoods.base import Likelihood
from isthmus.likelihoods.categorical import CategoricalLikelihood
from isthmus.likelihoods.continuous import GaussianLikelihood, LaplaceLikelihood
from isthmus.likelihoods.counts import NegativeBinomialLikelihood, PoissonLikelihood
from isthmus.likelihoods.unit_interval import BernoulliLikelihood, ContinuousBernoulliLikelihood

__all__ = [
    "BernoulliLikelihood",
    "CategoricalLikelihood",
    "ContinuousBernoulliLikelihood",
    "GaussianLikelihood",
    "LaplaceLikelihood",
    "Likelihood",
    "NegativeBinomialLikelihood",
    "PoissonLikelihood",
]
