"""The importance-weighted bound as a function of the number of samples.

Protocol. One set of weights is drawn for each row. For each k it is cut into blocks of k; the bound is the mean over
the blocks of the logarithm of their mean weight, an unbiased estimate of the bound with k samples (Burda et al., 2016,
eq. 8). Where each k divides the next, Jensen's inequality holds block by block: the curve cannot fall, not even by
chance. The error of the mean over blocks comes from their spread; of a single block, it is that of the logarithm of a
mean of k weights, by the delta method.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from isthmus.evaluate.bounds import add_up, nothing, weight_passes

if TYPE_CHECKING:
    from isthmus.core import Composed
    from isthmus.data.streams import AnyRows

COUNTS = (1, 2, 10, 20, 100, 200, 1000)
"""Numbers of samples unless others are asked for; each divides the next."""


@dataclass(frozen=True)
class BoundCurve:
    """Bounds on log p(x) for several numbers of importance samples.

    Parameters
    ----------
    counts : tuple of int
        Numbers of samples, m of them.
    bounds : ndarray of shape (m, n), float64
        Bound of every row, in nats.
    variances : ndarray of shape (m, n), float64
        Of these estimates, by the sampling alone; infinite if there was but one weight.
    """

    counts: tuple[int, ...]
    bounds: np.ndarray
    variances: np.ndarray

    @property
    def means(self) -> np.ndarray:
        """Mean over the rows for each count, of shape (m,)."""
        return self.bounds.mean(1)

    @property
    def errors(self) -> np.ndarray:
        """Standard errors of `means` that come from the sampling, of shape (m,)."""
        return np.sqrt(self.variances.sum(1)) / self.bounds.shape[1]


def bound_curve(module: Composed, rows: AnyRows, counts: Sequence[int], seed: int) -> BoundCurve:
    """Bounds of rows (n, *event) for each of these numbers of samples, all from 1 up, from one set of the largest."""
    from isthmus.models.inference import weigh_rows

    chosen = tuple(sorted(set(counts)))

    def points(module: Composed, x: Tensor, n: int, noise: Callable[[int], Tensor]) -> Tensor:
        return _points(weight_passes(module, x, n, noise), x, chosen)

    bounds, variances = np.split(weigh_rows(module, rows, chosen[-1], seed, points).T, 2)
    return BoundCurve(chosen, bounds, variances)


def _points(passes: Iterable[Tensor], x: Tensor, counts: tuple[int, ...]) -> Tensor:
    """Bounds and their variances for each count, the last of which is that of all draws, of shape (B, 2 m)."""
    n, total, squares = counts[-1], nothing(x), nothing(x)
    blocks = [_Blocks(count) for count in counts]
    for weights in passes:
        total, squares = add_up(total, weights), add_up(squares, 2 * weights)
        for block in blocks:
            block.add(weights)
    relative = (
        (n * (squares - 2 * total).exp() - 1).clamp_min(0) * n / (n - 1) if n > 1 else torch.full_like(total, math.inf)
    )
    variances = [relative / block.count if block.n_blocks < 2 else block.variance for block in blocks]
    return torch.stack([block.mean for block in blocks] + variances, 1)


class _Blocks:
    """Logarithms of the mean weights of blocks of ``count`` draws, of which only sums are kept."""

    def __init__(self, count: int) -> None:
        self.count, self.n_blocks = count, 0
        self.open: list[Tensor] = []
        self.n_open = 0

    def add(self, weights: Tensor) -> None:
        """Go on with log weights (k, B)."""
        missing = self.count - self.n_open
        if len(weights) < missing:
            self._leave_open(weights)
            return
        self._close(torch.stack([*self.open, weights[:missing].logsumexp(0)]).logsumexp(0)[None])
        self.open, self.n_open = [], 0
        rest = weights[missing:]
        whole = len(rest) // self.count
        if whole:
            self._close(rest[: whole * self.count].unflatten(0, (whole, self.count)).logsumexp(1))
        if len(rest) > whole * self.count:
            self._leave_open(rest[whole * self.count :])

    @property
    def mean(self) -> Tensor:
        """Over the blocks, of shape (B,)."""
        return self.first + self.total / self.n_blocks

    @property
    def variance(self) -> Tensor:
        """Of `mean` if there are two blocks or more, of shape (B,)."""
        spread = self.squares / self.n_blocks - (self.total / self.n_blocks) ** 2
        return spread.clamp_min(0) / (self.n_blocks - 1)

    def _leave_open(self, weights: Tensor) -> None:
        self.open = [torch.stack([*self.open, weights.logsumexp(0)]).logsumexp(0)]
        self.n_open += len(weights)

    def _close(self, sums: Tensor) -> None:
        """Count blocks whose log sums are (blocks, B), relative to the first one, whose squares would cancel."""
        bounds = sums - math.log(self.count)
        if not self.n_blocks:
            self.first = bounds[0]
            self.total, self.squares = torch.zeros_like(self.first), torch.zeros_like(self.first)
        self.n_blocks += len(bounds)
        self.total = self.total + (bounds - self.first).sum(0)
        self.squares = self.squares + ((bounds - self.first) ** 2).sum(0)
