"""What the code costs, and what the cost is made of.

Protocol. The rate is KL(q(z|x) ‖ p(z)), the distortion −E_q[log p(x|z)], both in nats per sample, and the ELBO minus
their sum (Alemi et al., 2018). With the aggregate posterior q(z), the mixture of q(z|x) over the N rows, in equal
parts, the mean rate is a sum (Hoffman & Johnson, 2016; Chen et al., 2018, eq. 2):

    rate = mutual information + KL(q(z) ‖ p(z))
         = mutual information + total correlation + dimension-wise KL

* mutual information: E log q(z|x) / q(z), between the code and the number of the row; never above log N
* KL(q(z) ‖ p(z)), the aggregate gap: how far codes of data are from codes of the prior
* total correlation: KL(q(z) ‖ Π q(zⱼ)), how far the latents are from independent of each other
* dimension-wise KL: Σ KL(q(zⱼ) ‖ p(zⱼ)); only for a prior of independent latents

The row that z was drawn for stays in the mixture, as it is one of the N rows that the code tells apart. Expectations
are means over a pair of opposite draws for each row. The mutual information and the total correlation are means of
differences of logarithms at the same draws, and the rest follows from the rate, which is known in closed form for a
Gaussian prior: so the parts add up to it. Standard errors come from the spread over the rows. Posteriors must be
Gaussian with independent latents.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.distributions import Distribution, Independent, Normal

from isthmus.core import Composed
from isthmus.data.streams import AnyRows
from isthmus.evaluate.bounds import posterior
from isthmus.evaluate.density import pairwise_log_prob
from isthmus.terms import kl_per_latent
from isthmus.terms.kl import require_gaussian

# Pairs of rows at once: few enough for the cache of a processor.
_MOST_PAIRS = 1 << 17


@dataclass(frozen=True)
class RateDecomposition:
    """The rate and its parts, in nats per sample.

    Parameters
    ----------
    rate : float
        Mean of KL(q(z|x) ‖ p(z)) over the rows.
    mutual_information, aggregate_gap, total_correlation, dimension_kl : float
        Parts; ``dimension_kl`` is NaN for a prior whose latents are not independent.
    errors : dict of str to float
        Standard errors of the parts, by name.
    n_rows : int
        Rows that the mixture is made of.
    """

    rate: float
    mutual_information: float
    aggregate_gap: float
    total_correlation: float
    dimension_kl: float
    errors: dict[str, float]
    n_rows: int

    @property
    def is_saturated(self) -> bool:
        """Whether the mutual information is so near log N that with more rows it would be larger."""
        return self.mutual_information > math.log(self.n_rows) - 1

    def __str__(self) -> str:
        names = ("mutual_information", "aggregate_gap", "total_correlation", "dimension_kl")
        parts = ", ".join(f"{n.replace('_', ' ')} {getattr(self, n):.3f} ± {self.errors[n]:.2g}" for n in names)
        return f"rate {self.rate:.3f} nats of {self.n_rows:,} rows: {parts}"


def rows_for(latent_dim: int) -> int:
    """Rows whose pairs can be compared in about a second: 2,000, and fewer for more than 16 latents."""
    return max(256, min(2000, math.isqrt((1 << 26) // latent_dim)))


@torch.no_grad()
def decompose(module: Composed, rows: AnyRows, seed: int = 0) -> RateDecomposition:
    """Rate of rows (n, *event), and its parts, with the mixture over just these rows.

    Time grows as the square of the number of rows; see `rows_for`.

    Raises
    ------
    ParameterError
        The posterior is not Gaussian with diagonal covariance.
    """
    from isthmus.models.inference import by_batch, device_of

    found = by_batch(module, rows, lambda x: torch.stack(_moments(posterior(module, x)), 1))
    mean, std = torch.from_numpy(found).to(device_of(module)).unbind(1)
    prior = module.prior()
    noise = torch.randn(mean.shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).to(mean.device)
    parts = [_logs(mean, std, mean + sign * std * noise, prior) for sign in (1, -1)]
    own, mixture, product, unconditional = torch.stack(parts).mean(0)
    closed = kl_per_latent(gaussian(mean, std), prior)
    rate = own - unconditional if closed is None else closed.sum(-1)
    information, correlation = own - mixture, mixture - product
    apart = rate - information - correlation
    if closed is None:
        apart = torch.full_like(apart, math.nan)
    values = {
        "mutual_information": information,
        "aggregate_gap": rate - information,
        "total_correlation": correlation,
        "dimension_kl": apart,
    }
    means = {name: float(value.mean()) for name, value in values.items()}
    errors = {name: float(value.std() / len(value) ** 0.5) for name, value in values.items()}
    return RateDecomposition(rate=float(rate.mean()), **means, errors=errors, n_rows=len(mean))


def _moments(q: Distribution) -> tuple[Tensor, Tensor]:
    require_gaussian(q, "taking the rate apart")
    return q.mean, q.stddev


def gaussian(mean: Tensor, std: Tensor) -> Independent:
    """A Gaussian with diagonal covariance, of these moments (..., latent_dim)."""
    return Independent(Normal(mean, std, validate_args=False), 1, validate_args=False)


def _logs(mean: Tensor, std: Tensor, z: Tensor, prior: Distribution) -> Tensor:
    """Of z (n, latent_dim), log q(z|x), log q(z), log Π q(zⱼ) and log p(z), of shape (4, n)."""
    q = gaussian(mean, std)
    n = math.log(len(mean))
    blocks = z.split(max(1, _MOST_PAIRS // len(mean)))
    mixture = torch.cat([pairwise_log_prob(q, block).logsumexp(1) for block in blocks]) - n
    product = torch.cat([_marginals(mean, std, block) for block in blocks]) - n * mean.shape[1]
    return torch.stack([q.log_prob(z), mixture, product, prior.log_prob(z)])


def _marginals(mean: Tensor, std: Tensor, z: Tensor) -> Tensor:
    """Σⱼ log Σᵢ q(zⱼ|xᵢ), of shape (block,), latent by latent."""
    # Each z has a density that is not small under its own component, so the sum needs no larger range than float32 has.
    centres, precisions, total = mean.float().T, (1 / std).float().T, torch.zeros_like(z[:, 0])
    for centre, precision, values in zip(centres.contiguous(), precisions.contiguous(), z.float().T, strict=True):
        distance = (values[:, None] - centre).mul_(precision)
        total += (distance.square_().mul_(-0.5).exp_() @ precision).double().log()
    return total - 0.5 * z.shape[1] * math.log(2 * math.pi)
