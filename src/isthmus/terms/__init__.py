"""Costs."""

from isthmus.terms.base import Term
from isthmus.terms.kl import KL, kl_divergence, kl_per_latent
from isthmus.terms.nll import NLL

__all__ = ["KL", "NLL", "Term", "kl_divergence", "kl_per_latent"]
