"""Costs."""

from isthmus.terms.base import Term
from isthmus.terms.capacity import Capacity
from isthmus.terms.code_norm import CodeNorm
from isthmus.terms.commitment import Commitment
from isthmus.terms.consistency import NeighbourConsistency
from isthmus.terms.contribution import Contribution
from isthmus.terms.critic import AdversarialTerm, Critic, DensityRatio, Fooling
from isthmus.terms.dead import DeadLatents
from isthmus.terms.decoder_l2 import DecoderL2
from isthmus.terms.decoder_slope import DecoderSlope
from isthmus.terms.features import FeatureNLL, Judge, Realism
from isthmus.terms.firing_rate import FiringRate
from isthmus.terms.gate import GateNLL
from isthmus.terms.importance import ImportanceWeighted
from isthmus.terms.jacobian import Jacobian
from isthmus.terms.kl import KL, kl_closed, kl_divergence, kl_per_latent
from isthmus.terms.l0 import L0
from isthmus.terms.l1 import L1
from isthmus.terms.masked import MaskedNLL
from isthmus.terms.mixture_kl import MixtureKL
from isthmus.terms.moments import Decorrelation, MeanDiscrepancy
from isthmus.terms.nested import NestedNLL
from isthmus.terms.nll import NLL
from isthmus.terms.seen import SeenNLL
from isthmus.terms.total_correlation import TotalCorrelation
from isthmus.terms.walkback import Walkback

__all__ = [
    "KL",
    "L0",
    "L1",
    "NLL",
    "AdversarialTerm",
    "Capacity",
    "CodeNorm",
    "Commitment",
    "Contribution",
    "Critic",
    "DeadLatents",
    "DecoderL2",
    "DecoderSlope",
    "Decorrelation",
    "DensityRatio",
    "FeatureNLL",
    "FiringRate",
    "Fooling",
    "GateNLL",
    "ImportanceWeighted",
    "Jacobian",
    "Judge",
    "MaskedNLL",
    "MeanDiscrepancy",
    "MixtureKL",
    "NeighbourConsistency",
    "NestedNLL",
    "Realism",
    "SeenNLL",
    "Term",
    "TotalCorrelation",
    "Walkback",
    "kl_closed",
    "kl_divergence",
    "kl_per_latent",
]
