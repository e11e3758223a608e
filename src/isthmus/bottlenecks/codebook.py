"""A codebook that follows the features by a running mean."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import one_hot

from isthmus.processes import own_rows, whole_batch

# Steps over which the statistics are means of equal weights, and then running ones: a decay of 0.99.
_MEMORY = 100
# A code is dead if it is used less than this share of what it were if all were used equally.
_DEAD = 0.1
_SMOOTHING = 1e-4
# Of the largest squared norms, what differences of distances in float64 are good for.
_ROUNDING = 1e-13


class Codebook(nn.Module):
    """K vectors; each is the mean of the features that are nearest to it (van den Oord et al., 2017, appendix A.1).

    While training, the share of the features that each vector stands for, and their sum, are running means over
    batches, and a vector is their ratio. Shares are smoothed as Laplace did, so that none is divided by nothing. A
    vector that is hardly used is dead, and moved to a random feature of the batch (Dhariwal et al., 2020, section 3.1).
    At the start all are dead, so the first batch fills the codebook.

    Parameters
    ----------
    n_codes : int
        K.
    dim : int
        Values of a vector.

    Attributes
    ----------
    vectors : Tensor of shape (K, dim)
        The codebook.
    share : Tensor of shape (K,)
        Running mean of the share of features that each vector stands for.
    total : Tensor of shape (K, dim)
        Running mean of the sum of those features, over the number of all.
    """

    vectors: Tensor
    share: Tensor
    total: Tensor
    n_steps: Tensor

    def __init__(self, n_codes: int, dim: int) -> None:
        super().__init__()
        self.n_codes = n_codes
        self.register_buffer("vectors", torch.zeros(n_codes, dim))
        self.register_buffer("share", torch.zeros(n_codes))
        self.register_buffer("total", torch.zeros(n_codes, dim))
        self.register_buffer("n_steps", torch.zeros((), dtype=torch.int64))

    @torch.no_grad()
    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Numbers (B, n_tokens) and vectors of the codes nearest to features x, of shape (B, n_tokens, dim).

        While training, dead codes are moved before that, and all codes learn after it.
        """
        if not self.training:
            tokens = self.nearest(x)
            return tokens, self.vectors[tokens]
        # Of several processes all see the whole batch, and so the codebook stays the same.
        whole, luck = whole_batch(x.detach()), whole_batch(torch.rand(x.shape[:2], device=x.device))
        self.revive(whole.flatten(0, 1), luck.flatten())
        tokens = self.nearest(whole)
        vectors = self.vectors[tokens]
        self.learn(whole.flatten(0, 1), tokens.flatten())
        return own_rows(tokens), own_rows(vectors)

    def nearest(self, x: Tensor) -> Tensor:
        """Number of the vector that is nearest to each of x, of shape (..., dim); of equal vectors the first."""
        far = self.distances(x)
        # Rounding must not choose between vectors that are equal, as there are if samples are.
        largest = x.double().square().sum(-1, keepdim=True) + self.vectors.double().square().sum(-1).amax(0)
        return (far <= far.amin(-1, keepdim=True) + _ROUNDING * largest).byte().argmax(-1)

    def distances(self, x: Tensor) -> Tensor:
        """Squared distances of x (..., dim) to the vectors, (..., K)."""
        # In float64, which autocast leaves alone: in bfloat16 near vectors could not be told apart.
        x, vectors = x.double(), self.vectors.double()
        return x.square().sum(-1, keepdim=True) + vectors.square().sum(-1) - 2 * x @ vectors.T

    @torch.no_grad()
    def revive(self, x: Tensor, luck: Tensor) -> None:
        """Move dead codes to features (N, dim) of the batch, those with the largest of N random numbers."""
        k = self.n_codes
        chosen = luck.topk(min(k, len(luck))).indices
        fresh = x[chosen[torch.arange(k, device=x.device) % len(chosen)]]
        dead = self.dead
        self.vectors.copy_(torch.where(dead[:, None], fresh, self.vectors))
        self.share.copy_(torch.where(dead, 1 / k, self.share))
        self.total.copy_(torch.where(dead[:, None], fresh / k, self.total))

    @property
    def dead(self) -> Tensor:
        """Which codes are hardly used, of shape (K,)."""
        return self.share < _DEAD / self.n_codes

    @torch.no_grad()
    def learn(self, x: Tensor, tokens: Tensor) -> None:
        """Update the running means with features (N, dim) and the numbers of their codes (N,)."""
        self.n_steps += 1
        # Where a vector began counts as one batch.
        rate = 1 / (self.n_steps + 1).clamp(max=_MEMORY)
        hits = one_hot(tokens, self.n_codes).T.double() / len(x)
        self.share += rate * (hits.sum(1) - self.share)
        self.total += rate * (hits @ x.double() - self.total)
        whole, little = self.share.sum(), _SMOOTHING / self.n_codes
        smoothed = (self.share + little) / (whole + _SMOOTHING) * whole
        self.vectors.copy_(self.total / smoothed[:, None])
