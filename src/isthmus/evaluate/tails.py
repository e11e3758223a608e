"""How heavy the tail of importance weights is: whether their mean can be believed."""

from __future__ import annotations

import math

import torch
from torch import Tensor

FEWEST_IN_TAIL = 20
"""Weights without which nothing can be said of a tail: it takes a hundred draws."""

WORST_TAIL = 0.7
"""Value of k̂ from which a mean of weights cannot be believed: to halve its error would take far more than four times as
many, more than there could be (Vehtari et al., 2024, section 3.2.4)."""

# Of Zhang & Stephens (2009), and of the weak prior of Vehtari et al. (2024) that k̂ is ½.
_PRIOR_SCALE, _PRIOR_WEIGHT, _PRIOR_SHAPE = 3.0, 10.0, 0.5
_MOST_VALUES = 1 << 22


def tail_length(n_draws: int) -> int:
    """How many of the largest weights are the tail: min(n / 5, 3 √n) (Vehtari et al., 2024, section 2.4)."""
    return math.ceil(min(n_draws / 5, 3 * math.sqrt(n_draws)))


def pareto_tail(largest: Tensor) -> Tensor:
    """Shape k̂ of the generalised Pareto distribution that fits the largest weights.

    Weights have about 1 / k moments: a finite mean for k < 1, a finite variance for k < ½.

    Parameters
    ----------
    largest : Tensor of shape (m + 1, B), float64
        Logarithms of the m + 1 largest weights of each row; the smallest of these is where the tail begins.

    Returns
    -------
    Tensor of shape (B,)
        k̂, by the estimate of Zhang & Stephens (2009), drawn towards ½ as by ten more observations. NaN where there are
        fewer than 20 weights, −inf where all of them are the same.
    """
    m = len(largest) - 1
    if m < FEWEST_IN_TAIL:
        return torch.full(largest.shape[1:], math.nan, dtype=largest.dtype, device=largest.device)
    ordered = largest.sort(0).values
    above = (ordered - ordered[-1]).exp()
    above = above[1:] - above[0]
    per_pass = max(1, _MOST_VALUES // (m * _n_candidates(m)))
    return torch.cat([_fit(part) for part in above.split(per_pass, dim=1)])


def _n_candidates(m: int) -> int:
    return 30 + math.isqrt(m)


def _fit(x: Tensor) -> Tensor:
    """Shape for ascending excesses (m, B): the mean over a grid of scales, weighed by their profile likelihood."""
    m, n = len(x), _n_candidates(len(x))
    flat = x[-1] <= 0
    x = torch.where(flat, torch.ones_like(x), x).clamp_min(torch.finfo(x.dtype).tiny)
    grid = 1 - (n / (torch.arange(1, n + 1, dtype=x.dtype, device=x.device) - 0.5)).sqrt()
    b = grid[:, None] / (_PRIOR_SCALE * x[int(m / 4 + 0.5) - 1]) + 1 / x[-1]
    shape = torch.log1p(-b[:, None] * x).mean(1)
    profile = m * ((-b / shape).log() - shape - 1)
    scale = (profile.softmax(0) * b).sum(0)
    found = torch.log1p(-scale * x).mean(0)
    found = (m * found + _PRIOR_WEIGHT * _PRIOR_SHAPE) / (m + _PRIOR_WEIGHT)
    return torch.where(flat, -math.inf, found)
