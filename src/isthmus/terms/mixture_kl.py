"""The divergence from a mixture, with a cluster as a second latent variable."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor
from torch.distributions import Distribution

from isthmus.core import Step
from isthmus.errors import ParameterError
from isthmus.numbers import widened
from isthmus.priors.mixtures import Mixture, gaussian_log_prob_of_each
from isthmus.terms.base import Term
from isthmus.terms.kl import is_diagonal_gaussian


def expected_log_joint(q: Distribution, prior: Mixture) -> Tensor:
    """E_q[log w_c p(z|c)] of Gaussians q (B, latent_dim) for every component c, of shape (B, K), in float64.

    In closed form: log N(μ; μ_c, σ_c²) − ½ Σ s²/σ_c² + log w_c (Jiang et al., 2017, eq. 12).
    """
    means, stds = prior.components.mean, prior.components.stddev
    spread = 0.5 * widened(q.stddev).square() @ widened(stds).reciprocal().square().T
    return gaussian_log_prob_of_each(q.mean, means, stds) - spread + prior.log_weights


class MixtureKL(Term):
    """KL(q(z, c|x) ‖ p(z, c)) in nats, where c is the component of a mixture of Gaussians that a code is from.

    q(z, c|x) = q(z|x) q(c|x), and q(c|x) ∝ exp E_q[log w_c p(z|c)] is the one for which the bound is the highest. What
    is left of the terms over c then is −H(q(z|x)) − log Σ_c exp E_q[log w_c p(z|c)] (Jiang et al., 2017, eqs. 8 to 12,
    who take the p(c|z) of a sampled z for q(c|x)).
    """

    name = "kl"

    def forward(self, step: Step) -> Tensor:
        q: Any = step.code.q
        if q is None or not is_diagonal_gaussian(q) or not isinstance(step.prior, Mixture):
            raise ParameterError("MixtureKL needs a Gaussian posterior and a mixture of Gaussians for a prior")
        entropy = (q.stddev.log() + 0.5 * (1 + math.log(2 * math.pi))).sum(-1)
        joint = torch.logsumexp(expected_log_joint(q, step.prior), -1)
        return -entropy - joint.to(entropy.dtype)
