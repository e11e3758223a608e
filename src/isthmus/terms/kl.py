"""The divergence of the posterior from the prior."""

from __future__ import annotations

from torch import Tensor
from torch.distributions import Distribution, Independent, Normal

from isthmus.core import Step
from isthmus.errors import ParameterError
from isthmus.terms.base import Term


def kl_per_latent(q: Distribution, prior: Distribution) -> Tensor | None:
    """KL(q ‖ p) of each latent in nats, of shape (..., latent_dim), in closed form.

    None unless both are Gaussians with diagonal covariance. Source: Kingma & Welling (2014), appendix B,
    for a general mean and scale of the prior.
    """
    if not (is_diagonal_gaussian(q) and is_diagonal_gaussian(prior)):
        return None
    ratio = (q.stddev / prior.stddev) ** 2
    shift = ((q.mean - prior.mean) / prior.stddev) ** 2
    return 0.5 * (ratio + shift - 1 - ratio.log())


def kl_closed(q: Distribution, prior: Distribution) -> Tensor | None:
    """KL(q ‖ p) in nats, of shape (...), in closed form; None where there is none.

    A posterior other than a Gaussian may know its own: a method ``kl_to(prior)``, which returns it or None.
    """
    closed = kl_per_latent(q, prior)
    if closed is not None:
        return closed.sum(-1)
    known = getattr(q, "kl_to", None)
    return None if known is None else known(prior)


def kl_divergence(q: Distribution, prior: Distribution, z: Tensor) -> Tensor:
    """KL(q ‖ p) in nats, summed over latents: in closed form, or estimated at the sample ``z`` of q."""
    closed = kl_closed(q, prior)
    return q.log_prob(z) - prior.log_prob(z) if closed is None else closed


def is_diagonal_gaussian(distribution: Distribution) -> bool:
    """Whether it is one, of independent latents."""
    return isinstance(distribution, Independent) and isinstance(distribution.base_dist, Normal)


class KL(Term):
    """KL(q(z|x) ‖ p(z)) in nats, summed over latents.

    Parameters
    ----------
    weight : float
        β of the β-VAE; 1 gives the evidence lower bound.
    warmup : float
        Share of the training over which the weight grows from 0.
    free_bits : float
        Nats per latent and sample below which the divergence costs nothing extra (after Kingma et al., 2016,
        section 8, but per sample, so that no cost depends on the rest of the batch).
    """

    name = "kl"

    def __init__(self, weight: float = 1.0, warmup: float = 0.0, free_bits: float = 0.0) -> None:
        super().__init__(weight, warmup)
        self.free_bits = free_bits

    def forward(self, step: Step) -> Tensor:
        q = step.code.q
        if q is None:
            raise ParameterError("the KL term needs a stochastic bottleneck, and this one is deterministic")
        if self.free_bits > 0:
            closed = kl_per_latent(q, step.prior)
            if closed is None:
                raise ParameterError("free_bits needs a KL in closed form: a Gaussian posterior and prior")
            return closed.clamp_min(self.free_bits).sum(-1)
        return kl_divergence(q, step.prior, step.code.z)
