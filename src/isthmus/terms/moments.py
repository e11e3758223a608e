"""What the moments of the aggregate posterior cost where they are not those of the prior."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, get_args

import torch
from torch import Tensor

from isthmus.core import Step
from isthmus.errors import ParameterError
from isthmus.processes import whole_batch
from isthmus.terms.base import Term
from isthmus.terms.kl import require_gaussian

if TYPE_CHECKING:
    from isthmus.data.info import DataInfo

Kind = Literal["means", "codes"]


class Decorrelation(Term):
    """Σ_{i≠j} C_ij² + r Σ_i (C_ii − 1)², for the covariance C of the code over a batch (Kumar et al., 2018, eq. 6, 7).

    Parameters
    ----------
    weight : float
        Factor in the training loss (λ_od), for the correlations.
    diagonal : float
        r = λ_d / λ_od, for the variances.
    of : {"means", "codes"}
        ``"means"``: C is the covariance of the posterior means (DIP-VAE-I). ``"codes"``: that of the draws, to which
        the mean of the posterior variances is added (DIP-VAE-II).
    """

    name = "decorrelation"
    of_batch = True

    def __init__(self, weight: float = 10.0, diagonal: float = 10.0, of: Kind = "means") -> None:
        super().__init__(weight)
        self.diagonal = diagonal
        self.of = of

    def setup(self, info: DataInfo, latent_dim: int) -> None:
        if self.of not in get_args(Kind):
            raise ParameterError(f"of must be one of {', '.join(map(repr, get_args(Kind)))}, got {self.of!r}")

    def forward(self, step: Step) -> Tensor:
        q = require_gaussian(step.code.q, "the decorrelation of the code")
        mean = whole_batch(q.mean)
        centred = mean - mean.mean(0)
        covariance = centred.T @ centred / len(mean)
        if self.of == "codes":
            covariance = covariance + whole_batch(q.variance).mean(0).diag()
        variances = covariance.diagonal()
        correlated = (covariance - variances.diag()).square().sum()
        return (correlated + self.diagonal * (variances - 1).square().sum()).expand(len(step.code.z))


class MeanDiscrepancy(Term):
    """Maximum mean discrepancy between the codes of a batch and draws from the prior (Gretton et al., 2012, eq. 3).

    Its kernel is a sum of inverse multiquadrics, Σ_s s C / (s C + ‖z − z'‖²), with C = 2 d σ², the expected square of
    the distance of two draws from the prior, and s from 0.1 to 10 (Tolstikhin et al., 2018, section 4). The estimate is
    unbiased, so that it is negative now and then.

    Parameters
    ----------
    weight : float
        Factor in the training loss.
    """

    name = "mmd"
    of_batch = True

    def __init__(self, weight: float = 100.0) -> None:
        super().__init__(weight)

    def forward(self, step: Step) -> Tensor:
        z = whole_batch(step.code.z)
        drawn = step.prior.sample(torch.Size([len(z)]))
        return mean_discrepancy(z, drawn).expand(len(step.code.z))


_SCALES = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)


def mean_discrepancy(z: Tensor, drawn: Tensor) -> Tensor:
    """Unbiased estimate of the squared discrepancy between two sets of as many codes (n, d); 0 if there is only one."""
    n = len(z)
    if n < 2:
        return 0 * z.sum()
    typical = 2 * drawn.var(0).sum().detach()
    within = (_kernel(z, z, typical) + _kernel(drawn, drawn, typical)).fill_diagonal_(0).sum() / (n * (n - 1))
    return within - 2 * _kernel(z, drawn, typical).mean()


def _kernel(a: Tensor, b: Tensor, typical: Tensor) -> Tensor:
    # Differences rather than products, which lose the digits of small distances.
    squared = (a.unsqueeze(1) - b).square().sum(-1)
    return torch.stack([s * typical / (s * typical + squared) for s in _SCALES]).sum(0)
