"""Estimates of log p(x) with their errors, by importance sampling.

Protocol. For each row x, k codes are drawn from q(z|x), and weighed by w = p(x, z) / q(z|x). The estimate is the
logarithm of the mean weight (Burda et al., 2016, eq. 8). It is a lower bound on average, and tends to log p(x). Its
standard error is that of the mean weight, by the delta method: √(1 / n_eff − 1 / k) · √(k / (k − 1)), where n_eff =
(Σ w)² / Σ w² is the effective sample size (Kish, 1965, section 8.2). It is the error of the sampling alone; how much
the mean would vary with other rows is `LikelihoodEstimate.spread`. Both are too small where the largest weights are
still to come, which is what the shape k̂ of the tail tells (Vehtari et al., 2024).
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from isthmus.errors import LikelihoodWarning
from isthmus.evaluate.bounds import add_up, nothing, weight_passes
from isthmus.evaluate.tails import WORST_TAIL, pareto_tail, tail_length

if TYPE_CHECKING:
    from isthmus.core import Composed
    from isthmus.data.streams import AnyRows

WORST_ERROR = 0.3
"""Nats of standard error from which the estimate of a row counts as doubtful: fewer than about 11 effective samples.

The logarithm of a mean with the relative error e is too low by e² / 2 on average.
"""

SMALL_ERROR = 0.05
"""Nats of standard error up to which a heavy tail is forgiven: one more weight cannot change much then."""

_MOST_DOUBTFUL = 0.1


@dataclass(frozen=True)
class LikelihoodEstimate:
    """Estimate of log p(x) of every row, and what is to be thought of it.

    Parameters
    ----------
    log_p : ndarray of shape (n,), float64
        Estimates, in nats.
    error : ndarray of shape (n,), float64
        Their standard errors, in nats: by the delta method, from the weights. Infinite for a single sample.
    effective : ndarray of shape (n,), float64
        Effective number of samples, from 1 to ``n_samples``.
    tail : ndarray of shape (n,), float64
        Shape k̂ of the tail of the weights; NaN if there are too few.
    n_samples : int
        Weights of every row: importance samples, or annealed chains.
    method : {"importance", "annealed"}
        How they came about.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from isthmus import VAE
    >>> X = load_iris().data
    >>> estimate = VAE(2, max_epochs=20, random_state=0).fit(X).estimate_likelihood(X)
    >>> estimate.log_p.shape, estimate.reliable
    ((150,), True)
    """

    log_p: np.ndarray
    error: np.ndarray
    effective: np.ndarray
    tail: np.ndarray
    n_samples: int
    method: str

    @property
    def mean(self) -> float:
        """Mean over the rows."""
        return float(self.log_p.mean())

    @property
    def mean_error(self) -> float:
        """Standard error of `mean` that comes from the sampling; rows have independent samples."""
        return float(np.sqrt(np.square(self.error).sum()) / len(self.error))

    @property
    def spread(self) -> float:
        """Standard error of `mean` as an estimate for all data, of which the rows are a random part."""
        return float(self.log_p.std(ddof=1) / math.sqrt(len(self.log_p))) if len(self.log_p) > 1 else math.inf

    @property
    def reliable(self) -> bool:
        """Whether at most a tenth of the rows have too few effective samples, or too heavy a tail."""
        return not self.reason

    @property
    def reason(self) -> str:
        """Why the estimate is not `reliable`; empty if it is."""
        n, reasons = len(self.log_p), []
        uncertain = int((self.error > WORST_ERROR).sum())
        heavy = int(((self.tail > WORST_TAIL) & (self.error > SMALL_ERROR)).sum())
        if uncertain > _MOST_DOUBTFUL * n:
            reasons.append(
                f"the standard error is above {WORST_ERROR:g} nats for {uncertain:,} of {n:,} rows (median effective "
                f"sample size {np.median(self.effective):.3g} of {self.n_samples:,})"
            )
        if heavy > _MOST_DOUBTFUL * n:
            reasons.append(
                f"the largest weights have too heavy a tail for {heavy:,} of {n:,} rows (Pareto k above {WORST_TAIL:g})"
            )
        return " and ".join(reasons)

    def __str__(self) -> str:
        doubt = "" if self.reliable else f"; not reliable: {self.reason}"
        number = f"{self.mean:.3f} ± {self.mean_error:.2g} nats"
        return f"log p(x) = {number}, mean of {len(self.log_p):,} rows, {self.n_samples:,} {_UNITS[self.method]}{doubt}"


_UNITS = {"importance": "importance samples each", "annealed": "annealed chains each"}
_ADVICE = {"importance": "a larger n_samples, or method='annealed'", "annealed": "more n_steps, or a larger n_samples"}


def importance_estimate(module: Composed, rows: AnyRows, n_samples: int, seed: int) -> LikelihoodEstimate:
    """Estimate log p(x) of rows (n, *event) with ``n_samples`` codes from q(z|x) each.

    Weights are added up as they come: memory does not grow with ``n_samples``.
    """
    from isthmus.models.inference import weigh_rows

    def summary(module: Composed, x: Tensor, n: int, noise: Callable[[int], Tensor]) -> Tensor:
        return summarise(weight_passes(module, x, n, noise), x, n)

    return judged(weigh_rows(module, rows, n_samples, seed, summary), n_samples, "importance")


def summarise(passes: Iterable[Tensor], x: Tensor, n: int) -> Tensor:
    """Of ``n`` log weights of every row, (k, B) at a time, the columns (B, 3) of `judged`."""
    total, squares, largest = nothing(x), nothing(x), torch.empty(0, len(x), dtype=torch.float64, device=x.device)
    most = tail_length(n) + 1
    for weights in passes:
        total, squares = add_up(total, weights), add_up(squares, 2 * weights)
        seen = torch.cat([largest, weights])
        largest = seen.topk(min(len(seen), most), 0).values
    return torch.stack([total - math.log(n), (2 * total - squares).exp(), pareto_tail(largest)], 1)


def judged(columns: np.ndarray, n_samples: int, method: str) -> LikelihoodEstimate:
    """The estimate of what `summarise` found for all rows, with a warning if it is not to be believed."""
    log_p, effective, tail = columns.T
    with np.errstate(divide="ignore", invalid="ignore"):
        lost = np.maximum(1 / effective - 1 / n_samples, 0) * n_samples / max(n_samples - 1, 1)
    error = np.sqrt(lost) if n_samples > 1 else np.full_like(log_p, math.inf)
    estimate = LikelihoodEstimate(log_p, error, effective, tail, n_samples, method)
    if not estimate.reliable:
        warnings.warn(
            f"the estimate of log p(x) is not reliable: {estimate.reason}; use {_ADVICE[method]}",
            LikelihoodWarning,
            stacklevel=4,
        )
    return estimate
