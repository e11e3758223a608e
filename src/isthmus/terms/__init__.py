"""Costs."""

from isthmus.terms.base import Term
from isthmus.terms.consistency import NeighbourConsistency
from isthmus.terms.contribution import Contribution
from isthmus.terms.dead import DeadLatents
from isthmus.terms.firing_rate import FiringRate
from isthmus.terms.gate import GateNLL
from isthmus.terms.jacobian import Jacobian
from isthmus.terms.kl import KL, kl_closed, kl_divergence, kl_per_latent
from isthmus.terms.l0 import L0
from isthmus.terms.l1 import L1
from isthmus.terms.masked import MaskedNLL
from isthmus.terms.mixture_kl import MixtureKL
from isthmus.terms.nested import NestedNLL
from isthmus.terms.nll import NLL
from isthmus.terms.seen import SeenNLL
from isthmus.terms.walkback import Walkback

__all__ = [
    "KL",
    "L0",
    "L1",
    "NLL",
    "Contribution",
    "DeadLatents",
    "FiringRate",
    "GateNLL",
    "Jacobian",
    "MaskedNLL",
    "MixtureKL",
    "NeighbourConsistency",
    "NestedNLL",
    "SeenNLL",
    "Term",
    "Walkback",
    "kl_closed",
    "kl_divergence",
    "kl_per_latent",
]
