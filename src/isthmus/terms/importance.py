"""The importance-weighted bound as a cost, and the ways of taking its gradient."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.distributions import Distribution, Independent, Normal

from isthmus.core import Step
from isthmus.errors import ParameterError
from isthmus.terms.base import Term
from isthmus.terms.kl import require_gaussian


class ImportanceWeighted(Term):
    """Minus the importance-weighted bound on log p(x), in nats (Burda et al., 2016, eq. 8), and its variants.

    The bound with K draws is tighter than the evidence bound, which is that of one draw, and the decoder that maximises
    it comes nearer to maximum likelihood; but the more draws, the fainter is what the encoder learns from it. So the
    encoder may be taught by groups of draws, or by a mixture with the evidence bound (Rainforth et al., 2018).

    Parameters
    ----------
    n_draws : int
        K, draws of a group.
    n_groups : int
        M, groups whose bounds are averaged (MIWAE).
    partial : bool
        Teach the decoder by one bound over all M · K draws, and only the encoder by groups (PIWAE).
    evidence : float
        Share of the evidence bound in the mean of both (the β of CIWAE).
    doubly_reparameterised : bool
        Take the encoder's gradient through the draws alone, with squared weights: of lower variance, and with a signal
        that grows with K (Tucker et al., 2019, eq. 8). For Gaussian posteriors.
    weight : float
        Factor in the training loss.
    """

    name = "iwae"

    def __init__(
        self,
        n_draws: int = 8,
        n_groups: int = 1,
        partial: bool = False,
        evidence: float = 0.0,
        doubly_reparameterised: bool = False,
        weight: float = 1.0,
    ) -> None:
        super().__init__(weight)
        self.n_draws = n_draws
        self.n_groups = n_groups
        self.partial = partial
        self.evidence = evidence
        self.doubly_reparameterised = doubly_reparameterised

    def forward(self, step: Step) -> Tensor:
        q = step.code.q
        if q is None:
            raise ParameterError("the importance-weighted bound needs a stochastic code, and this one is deterministic")
        if not (self.training or step.model.bottleneck.sampling):
            # As elsewhere, the code is its mean while evaluating.
            return q.log_prob(q.mean) - log_joint(step, q.mean.unsqueeze(0))[0]
        z = q.rsample(torch.Size([self.n_groups * self.n_draws]))
        if self.training and (self.partial or self.doubly_reparameterised):
            return self._apart(step, q, z)
        weights = log_joint(step, z) - q.log_prob(z)
        return -self._bound(weights, self.n_groups)

    def _bound(self, weights: Tensor, n_groups: int) -> Tensor:
        """Bound (B,) from log weights of shape (draws, B)."""
        groups = weights.unflatten(0, (n_groups, -1))
        tight = (groups.logsumexp(1) - math.log(groups.shape[1])).mean(0)
        return tight if self.evidence == 0 else self.evidence * weights.mean(0) + (1 - self.evidence) * tight

    def _apart(self, step: Step, q: Distribution, z: Tensor) -> Tensor:
        """The same value, with a gradient for the decoder and another for the encoder."""
        fixed = z.detach().requires_grad_()
        joint = log_joint(step, fixed)
        (slope,) = torch.autograd.grad(joint.sum(), fixed, retain_graph=True)
        with torch.no_grad():
            weights = joint - q.log_prob(fixed)
            for_decoder = self._shares(weights, 1 if self.partial else self.n_groups)
            for_encoder = self._shares(weights, self.n_groups)
        decoder = (for_decoder * joint).sum(0)
        if self.doubly_reparameterised:
            held = _held(require_gaussian(q, "the doubly reparameterised gradient"))
            slope = slope - (held.mean - z.detach()) / held.variance
            squares = self._squared_shares(weights)
            encoder = (squares.unsqueeze(-1) * slope * z).sum((0, -1))
        else:
            encoder = (for_encoder * ((slope * z).sum(-1) - q.log_prob(z))).sum(0)
        gradient = decoder + encoder
        return -(self._bound(weights, self.n_groups) + gradient - gradient.detach())

    def _shares(self, weights: Tensor, n_groups: int) -> Tensor:
        """Derivative of the bound by each log weight."""
        groups = weights.unflatten(0, (n_groups, -1))
        shares = groups.softmax(1).flatten(0, 1) / n_groups
        return shares if self.evidence == 0 else self.evidence / len(weights) + (1 - self.evidence) * shares

    def _squared_shares(self, weights: Tensor) -> Tensor:
        """What the draws' own gradients are weighed with: squares within a group; of the evidence bound, its mean."""
        groups = weights.unflatten(0, (self.n_groups, -1))
        squares = groups.softmax(1).square().flatten(0, 1) / self.n_groups
        return squares if self.evidence == 0 else self.evidence / len(weights) + (1 - self.evidence) * squares


def log_joint(step: Step, z: Tensor) -> Tensor:
    """Log p(x|z) + log p(z) in nats, for draws (k, B, latent_dim): (k, B)."""
    return step.model.decode(z).log_prob(step.x) + step.prior.log_prob(z)


def _held(q: Distribution) -> Independent:
    """The same Gaussian, whose parameters get no gradient."""
    return Independent(Normal(q.mean.detach(), q.stddev.detach(), validate_args=False), 1, validate_args=False)
