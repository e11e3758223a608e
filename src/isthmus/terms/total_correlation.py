"""How far the latents are from independence, from a batch of posteriors."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from isthmus.core import Step
from isthmus.processes import own_rows, whole_batch
from isthmus.terms.base import Term
from isthmus.terms.kl import require_gaussian

if TYPE_CHECKING:
    from isthmus.data.info import DataInfo


class TotalCorrelation(Term):
    """log q(z) − Σ_j log q(z_j), whose mean is the total correlation of the code, in nats (Chen et al., 2018, eq. 2).

    q(z) is the mean of q(z|x) over the data, estimated from the batch: the posterior that z was drawn from has the
    share 1/N that it has among all N samples, and the others in the batch stand for the rest.

    Parameters
    ----------
    weight : float
        Factor in the training loss: β − 1, if the whole divergence is in the loss as well.
    warmup : float
        Share of the training over which the weight grows from 0.
    """

    name = "total_correlation"
    of_batch = True

    def setup(self, info: DataInfo, latent_dim: int) -> None:
        self.n_samples = info.n_samples

    def forward(self, step: Step) -> Tensor:
        q = require_gaussian(step.code.q, "the total correlation")
        z, mean, std = (whole_batch(part) for part in (step.code.z, q.mean, q.stddev))
        scaled = (z.unsqueeze(1) - mean) / std
        density = -0.5 * scaled.square() - std.log() - 0.5 * math.log(2 * math.pi)
        shares = self._log_shares(z)
        joint = (density.sum(-1) + shares).logsumexp(1)
        each = (density + shares.unsqueeze(-1)).logsumexp(1)
        return own_rows(joint - each.sum(-1))

    def _log_shares(self, z: Tensor) -> Tensor:
        """Logarithm of the share of each posterior of the batch in q(z), for each code: (B, B)."""
        n, n_samples = len(z), max(self.n_samples, len(z))
        if n == 1:
            return z.new_zeros(1, 1)
        others = math.log((n_samples - 1) / (n_samples * (n - 1)))
        own = torch.eye(n, dtype=torch.bool, device=z.device)
        return torch.where(own, -math.log(n_samples), others)
