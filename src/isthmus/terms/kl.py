"""The divergence of the posterior from the prior."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.distributions import Distribution, Independent, Normal

from isthmus.core import Step
from isthmus.errors import ParameterError
from isthmus.terms.base import Term


def kl_per_latent(q: Distribution, prior: Distribution, z: Tensor | None = None) -> Tensor | None:
    """KL(q ‖ p) of each latent in nats, of shape (..., latent_dim), in closed form.

    None unless both are Gaussians with diagonal covariance. Source: Kingma & Welling (2014), appendix B,
    for a general mean and scale of the prior. Where latents depend on each other, but each has a closed form given
    those before it, these are the divergences at the sample ``z`` of q, whose mean over z is the KL; it is then of the
    shape of z. Such a posterior has a method ``kl(prior, z)``, which may return None.
    """
    if z is not None and hasattr(q, "kl"):
        return q.kl(prior, z)  # pyright: ignore[reportAttributeAccessIssue]
    if not (is_diagonal_gaussian(q) and is_diagonal_gaussian(prior)):
        return None
    ratio = (q.stddev / prior.stddev) ** 2
    shift = ((q.mean - prior.mean) / prior.stddev) ** 2
    return 0.5 * (ratio + shift - 1 - ratio.log())


def kl_closed(q: Distribution, prior: Distribution, z: Tensor | None = None) -> Tensor | None:
    """KL(q ‖ p) in nats, of shape (...), in closed form; None where there is none.

    A posterior other than a Gaussian may know its own: a method ``kl_to(prior)``, which returns it or None. Where only
    each latent has a closed form given those before it, this is the sum of these at ``z``; see `kl_per_latent`.
    """
    closed = kl_per_latent(q, prior, z)
    if closed is not None:
        return closed.sum(-1)
    known = getattr(q, "kl_to", None)
    return None if known is None else known(prior)


def kl_divergence(q: Distribution, prior: Distribution, z: Tensor) -> Tensor:
    """KL(q ‖ p) in nats, summed over latents: in closed form, or estimated at the sample ``z`` of q."""
    closed = kl_closed(q, prior, z)
    return q.log_prob(z) - prior.log_prob(z) if closed is None else closed


def require_gaussian(q: Distribution | None, what: str) -> Distribution:
    """The posterior, if it is a Gaussian with diagonal covariance.

    Raises
    ------
    ParameterError
        It is something else, or there is none.
    """
    if q is None or not is_diagonal_gaussian(q):
        kind = "a deterministic one" if q is None else f"{type(q).__name__}"
        raise ParameterError(f"{what} needs a Gaussian posterior with diagonal covariance, and this code has {kind}")
    return q


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
        Share of the training over which the weight changes from ``start``.
    free_bits : float
        Nats per latent and sample below which the divergence costs nothing extra (after Kingma et al., 2016,
        section 8, but per sample, so that no cost depends on the rest of the batch). For a posterior with layers of
        latents, whose ``widths`` it has, nats per layer.
    start : float
        Weight at the first step, if there is a warm-up. One far above ``weight`` leaves room for little at first, so
        that latents are found one by one (Shao et al., 2020).
    """

    name = "kl"

    def __init__(self, weight: float = 1.0, warmup: float = 0.0, free_bits: float = 0.0, start: float = 0.0) -> None:
        super().__init__(weight, warmup)
        if warmup == 0 and start not in (0.0, weight):
            raise ParameterError(
                f"a divergence that starts with the weight {start:g} needs a warm-up over which it becomes {weight:g}, "
                "and there is none; set kl_warmup to 0.5, say"
            )
        self.free_bits = free_bits
        self.start = start

    def forward(self, step: Step) -> Tensor:
        q = step.code.q
        if q is None:
            raise ParameterError("the KL term needs a stochastic bottleneck, and this one is deterministic")
        if self.free_bits > 0:
            closed = kl_per_latent(q, step.prior, step.code.z)
            if closed is None:
                raise ParameterError("free_bits needs a KL in closed form: a Gaussian posterior and prior")
            layers = getattr(q, "widths", None)
            if layers is not None:
                closed = torch.stack([layer.sum(-1) for layer in closed.split(layers, -1)], -1)
            return closed.clamp_min(self.free_bits).sum(-1)
        return kl_divergence(q, step.prior, step.code.z)
