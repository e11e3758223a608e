"""A mixture of Gaussians, fitted to the codes once training is over."""

from __future__ import annotations

import math
import warnings
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor
from torch.distributions import Distribution, constraints

from isthmus.errors import ParameterError
from isthmus.priors.afterwards import FittedPrior, check_whole
from isthmus.priors.standardised import spread_of

_MOST = 1000
# What "auto" comes to: so many codes for each number that a Gaussian has, or for the Gaussian; and so many at most.
_CODES_PER_NUMBER, _FEWEST_CODES, _MOST_CHOSEN = 1.5, 100, 200
# Steps of EM, divided among the Gaussians: k-means has nearly placed many small ones, and more steps fit single codes.
_STEPS, _FEWEST_STEPS, _MOST_STEPS = 600, 3, 100
# Variance, in that of the latent, below which a Gaussian sits on single codes.
_LEAST = 1e-3


class GaussianMixtures(Distribution):
    """Σ_k w_k N(m_k, L_k L_kᵀ), with its density computed in float64.

    Parameters
    ----------
    weight : Tensor of shape (k,)
        Shares, which add up to 1.
    mean : Tensor of shape (k, latent_dim)
        Centres.
    scale_tril : Tensor of shape (k, latent_dim, latent_dim)
        Lower triangular factors of the covariances.
    """

    arg_constraints: ClassVar = {}  # pyright: ignore[reportIncompatibleMethodOverride, reportAssignmentType]
    support = constraints.real_vector  # pyright: ignore[reportIncompatibleMethodOverride, reportAssignmentType]

    def __init__(self, weight: Tensor, mean: Tensor, scale_tril: Tensor) -> None:
        self.weight, self.centres, self.factors = weight, mean, scale_tril
        super().__init__(event_shape=mean.shape[1:], validate_args=False)

    @property
    def mean(self) -> Tensor:
        return self.weight @ self.centres

    @property
    def variance(self) -> Tensor:
        within = self.factors.square().sum(-1)
        return self.weight @ (within + (self.centres - self.mean).square())

    def sample(self, sample_shape: torch.Size | list[int] | tuple[int, ...] = ()) -> Tensor:
        with torch.no_grad():
            shape = torch.Size(sample_shape)
            chosen = torch.multinomial(self.weight, shape.numel(), replacement=True)
            noise = torch.randn_like(self.centres[chosen])
            drawn = torch.empty_like(noise)
            # Component by component: a factor for each sample would take more memory than the model.
            for k, (centre, factor) in enumerate(zip(self.centres, self.factors, strict=True)):
                drawn[chosen == k] = centre + noise[chosen == k] @ factor.T
            return drawn.reshape(*shape, -1)

    def log_prob(self, value: Tensor) -> Tensor:
        z = value.double().reshape(-1, value.shape[-1])
        parts = []
        for weight, centre, factor in zip(
            self.weight.double(), self.centres.double(), self.factors.double(), strict=True
        ):
            whitened = torch.linalg.solve_triangular(factor, (z - centre).T, upper=False)
            constant = weight.log() - factor.diagonal().log().sum() - 0.5 * len(centre) * math.log(2 * math.pi)
            parts.append(constant - 0.5 * whitened.square().sum(0))
        return torch.stack(parts).logsumexp(0).reshape(value.shape[:-1])


class FittedMixture(FittedPrior):
    """A mixture of Gaussians with full covariances, by expectation-maximisation (as Ghosh et al., 2020, fit one).

    The EM is scikit-learn's, on codes with each latent in its own standard deviations, from the centres of k-means;
    with fewer steps the more Gaussians there are.

    Parameters
    ----------
    n_components : int or "auto"
        Gaussians at most: there are fewer if each would have less than two codes for each latent. ``"auto"``: one for
        every 100 codes, or 1.5 codes for each of the 1 + d + d (d + 1) / 2 numbers that a Gaussian has if these are
        more; 200 at most. Samples get better with many more than the 10 of the paper: see ``benchmarks/samples.py``.
    """

    name = "gmm"
    weight: Tensor
    mean: Tensor
    scale_tril: Tensor

    def __init__(self, n_components: int | Literal["auto"] = "auto") -> None:
        super().__init__()
        self.n_components: int | Literal["auto"] = n_components

    def config(self) -> dict[str, Any]:
        # Once fitted, what it came to, from which the shapes of the tensors follow.
        return {"n_components": len(self.weight) if hasattr(self, "weight") else self.n_components}

    def check(self) -> None:
        if self.n_components != "auto":
            check_whole("n_components", self.n_components, 1, _MOST)

    def setup(self, latent_dim: int) -> None:
        super().setup(latent_dim)
        k = 1 if self.n_components == "auto" else self.n_components
        self._keep(torch.full((k,), 1 / k), torch.zeros(k, latent_dim), torch.eye(latent_dim).repeat(k, 1, 1))

    def fit(self, codes: Tensor) -> None:
        shift, scale = codes.double().mean(0), spread_of(codes)
        standard = ((codes - shift) / scale).double().cpu().numpy()
        most = max(1, len(codes) // (2 * codes.shape[1] + 2))
        seed = int(torch.randint(2**31 - 1, ()).item())
        wanted = _chosen(*codes.shape) if self.n_components == "auto" else self.n_components
        mixture = _fit_em(standard, min(wanted, most), seed)
        weight, mean, covariance = (
            torch.from_numpy(array).to(scale.device)
            for array in (mixture.weights_, mixture.means_, mixture.covariances_)
        )
        self._keep(weight, shift + scale * mean, scale[:, None] * torch.linalg.cholesky(covariance))

    def forward(self) -> GaussianMixtures:
        return GaussianMixtures(self.weight, self.mean, self.scale_tril)

    def _keep(self, weight: Tensor, mean: Tensor, scale_tril: Tensor) -> None:
        for name, tensor in (("weight", weight), ("mean", mean), ("scale_tril", scale_tril)):
            self.register_buffer(name, tensor.float().contiguous())


def _chosen(n: int, latent_dim: int) -> int:
    numbers = 1 + latent_dim + latent_dim * (latent_dim + 1) // 2
    return max(1, min(_MOST_CHOSEN, int(n / max(_FEWEST_CODES, _CODES_PER_NUMBER * numbers))))


def _fit_em(codes: Any, n_components: int, seed: int) -> Any:
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.mixture import GaussianMixture

    steps = max(_FEWEST_STEPS, min(_MOST_STEPS, _STEPS // n_components))
    with warnings.catch_warnings():
        # Of EM that goes on improving a little, and of codes that coincide.
        warnings.simplefilter("ignore", ConvergenceWarning)
        try:
            return GaussianMixture(n_components, random_state=seed, max_iter=steps, reg_covar=_LEAST).fit(codes)
        except ValueError as error:
            raise ParameterError(f"no mixture of {n_components} Gaussians fits these codes: {error}") from None
