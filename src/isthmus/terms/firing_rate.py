"""The cost of latents that fire more or less often than they should."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from isthmus.bottlenecks.sparse import count_active
from isthmus.core import Step
from isthmus.processes import whole_batch
from isthmus.terms.base import Term

if TYPE_CHECKING:
    from isthmus.data.info import DataInfo

# Steps over which a rate is a mean of equal weights, and then a running one.
_MEMORY = 10
_TEMPERATURE = 0.2
_EDGE = 1e-3


class FiringRate(Term):
    """Σ KL(ρ ‖ r) over latents, in nats: r is how often a latent fires, ρ how often it should (after Ng, 2011).

    r is a mean over samples, so its divergence is no cost of a sample. What is charged is the tangent at the running
    rate r̄: KL(ρ ‖ r̄) + KL'(ρ ‖ r̄) (f(x) − r̄), with f(x) = sigmoid(h / 0.2), a soft version of h > 0. Its mean over the
    samples is the divergence itself where r̄ is their rate, and its gradient is the divergence's. It depends on
    x alone; r̄ moves while training only.

    Parameters
    ----------
    n_active : int or "auto"
        ρ times the number of latents.
    weight : float
        Factor in the training loss.
    """

    name = "rate"
    rate: Tensor
    n_steps: Tensor

    def __init__(self, n_active: int | str = "auto", weight: float = 1.0) -> None:
        super().__init__(weight)
        self.n_active = n_active

    def setup(self, info: DataInfo, latent_dim: int) -> None:
        # All latents active all the time is no rate to aim for: the divergence from it is infinite.
        self.target = min(count_active(self.n_active, latent_dim) / latent_dim, 1 - _EDGE)
        self.register_buffer("rate", torch.full((latent_dim,), self.target))
        self.register_buffer("n_steps", torch.zeros((), dtype=torch.int64))

    def forward(self, step: Step) -> Tensor:
        fires = (self.given(step, "pre") / _TEMPERATURE).sigmoid()
        if self.training:
            self._learn(fires.detach())
        rho, r = self.target, self.rate.clamp(_EDGE * self.target, 1 - _EDGE)
        divergence = rho * (rho / r).log() + (1 - rho) * ((1 - rho) / (1 - r)).log()
        slope = (1 - rho) / (1 - r) - rho / r
        return (divergence + slope * (fires - r)).sum(-1)

    @torch.no_grad()
    def _learn(self, fires: Tensor) -> None:
        self.n_steps += 1
        self.rate += (whole_batch(fires).mean(0) - self.rate) / self.n_steps.clamp(max=_MEMORY)
