"""Care for latents that have fallen silent."""

from __future__ import annotations

from math import ceil
from typing import TYPE_CHECKING, cast

import torch
from torch import Tensor

from isthmus.bottlenecks.sparse import count_active
from isthmus.core import Step
from isthmus.networks.unit_norm import UnitNormLinear
from isthmus.processes import whole_batch
from isthmus.terms.aside import likelihood_aside, pass_aside
from isthmus.terms.base import Term

if TYPE_CHECKING:
    from isthmus.data.info import DataInfo

_LONGEST = 100
# How many of the latents are helped at a time is this part of all: the rest costs no time.
_SHARE = 4


class DeadLatents(Term):
    """log p(x|z) − log p(x | z and a dead latent), in nats: dead latents are to explain what the live ones leave over.

    A latent that is never active gets no gradient, and would stay dead. Here the dead latent that answers most to a
    sample is switched on, rectified, on top of the code, and learns from what that does to the likelihood. The code and
    all other weights of the decoder are frozen for it, so it cannot do harm. It is after the auxiliary cost of Gao et
    al. (2024, appendix A.2), where many dead latents at once explain the squared error that is left: with one at a
    time they become parts rather than averages.

    0 where none is dead, or where those answer to no sample: a latent whose features are all negative cannot be helped.
    While evaluating it is 0 as well: it is help, and no part of what is optimised.

    Parameters
    ----------
    window : float
        Passes over the training data without being active after which a latent is dead. With much data it is less: a
        latent is dead also if it could have been active a hundred times by now, had it been as often as others.
    n_active : int or "auto"
        Active latents per sample, from which follows how often that is.
    weight : float
        Factor in the training loss.
    """

    name = "dead"
    silent: Tensor

    def __init__(self, window: float = 1.0, n_active: int | str = "auto", weight: float = 1.0) -> None:
        super().__init__(weight)
        self.window = window
        self.n_active = n_active

    def setup(self, info: DataInfo, latent_dim: int) -> None:
        gap = latent_dim / count_active(self.n_active, latent_dim)
        self.patience = ceil(min(self.window * info.n_samples, _LONGEST * gap))
        self.n_helped = ceil(latent_dim / _SHARE)
        self.register_buffer("silent", torch.zeros(latent_dim, dtype=torch.int64))

    def forward(self, step: Step) -> Tensor:
        code, decoder = step.code, step.model.network.decoder
        if not self.training:
            return torch.zeros_like(code.z[:, 0])
        silent, longest = self._count(self.given(step, "active")).topk(self.n_helped)
        answer, at = (self.given(step, "pre")[:, longest].relu() * (silent >= self.patience)).max(1, keepdim=True)
        atoms = cast(UnitNormLinear, decoder[0])
        with torch.no_grad():
            left = atoms(code.z)
        more = left + answer * atoms.atoms[longest[at[:, 0]]]
        with torch.no_grad():
            without = self._log_p(step, left)
        return without - self._log_p(step, more)

    @torch.no_grad()
    def _count(self, active: Tensor) -> Tensor:
        """Samples since each latent was active."""
        active = whole_batch(active)
        self.silent += len(active)
        self.silent *= ~active.any(0)
        return self.silent

    def _log_p(self, step: Step, y: Tensor) -> Tensor:
        return likelihood_aside(step.model, pass_aside(step.model.network.decoder[1:], y)).log_prob(step.x)
