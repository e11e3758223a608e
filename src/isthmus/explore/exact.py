"""Denoisers that are known exactly, to try chains on: of Gaussian noise on mixtures of normal distributions."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.distributions import Categorical, Distribution, MixtureSameFamily, MultivariateNormal

from isthmus.errors import ParameterError


class ExactDenoiser:
    """The posterior p(x|x̃) of data from a mixture of normal distributions under Gaussian noise.

    With these `corrupt` and `reconstruct` the chain of `isthmus.explore.chains.run_chains` has the data's own
    distribution, whatever the noise; how fast it gets there is up to the noise.

    Parameters
    ----------
    covariance : array-like of shape (d, d)
        Of every component.
    noise : float
        Standard deviation σ of the noise on every value.
    means : array-like of shape (k, d), optional
        Of the components, all of equal weight. By default there is one, at 0.

    Attributes
    ----------
    gain : Tensor of shape (d, d), float64
        A = Σ (Σ + σ² I)⁻¹: of a single component at 0 the posterior mean is A x̃.
    spread : Tensor of shape (d, d), float64
        S = Σ − A Σ: covariance of the posterior of a component.

    Examples
    --------
    >>> from isthmus.explore.chains import run_chains
    >>> from isthmus.explore.exact import ExactDenoiser
    >>> denoiser = ExactDenoiser([[1.0, 0.8], [0.8, 1.0]], noise=1.0)
    >>> chains = run_chains(denoiser.corrupt, denoiser.reconstruct, 3 * torch.randn(8, 2), 1000, random_state=0)
    >>> chains.converged
    True
    """

    def __init__(self, covariance: Any, noise: float, means: Any = None) -> None:
        self.covariance = torch.as_tensor(np.asarray(covariance, np.float64))
        d = len(self.covariance)
        if not 0 < noise < float("inf"):
            raise ParameterError(f"noise must be positive and finite, got {noise}")
        self.noise = noise
        self.means = torch.zeros(1, d).double() if means is None else torch.as_tensor(np.asarray(means, np.float64))
        if self.covariance.shape != (d, d) or self.means.ndim != 2 or self.means.shape[1] != d:
            raise ParameterError(
                f"covariance has shape (d, d) and means (k, d), and these have {tuple(self.covariance.shape)} and "
                f"{tuple(self.means.shape)}"
            )
        self.noisy = self.covariance + noise**2 * torch.eye(d).double()
        self.gain = torch.linalg.solve(self.noisy, self.covariance).T
        self.spread = self.covariance - self.gain @ self.covariance
        # Decomposed once and not checked in every step of a chain.
        matrices = (self.covariance, self.noisy, self.spread)
        self._clean_tril, self._noisy_tril, self._spread_tril = map(torch.linalg.cholesky, matrices)

    def corrupt(self, x: Tensor) -> Tensor:
        """Add the noise: x + σ ε."""
        return x + self.noise * torch.randn_like(x)

    def reconstruct(self, corrupted: Tensor) -> Distribution:
        """p(x|x̃) for corrupted samples (n, d): in each component a normal, weighed by how well it explains x̃."""
        corrupted = corrupted.double()
        evidence = _normal(self.means, self._noisy_tril).log_prob(corrupted.unsqueeze(1))
        centres = self.means + (corrupted.unsqueeze(1) - self.means) @ self.gain.T
        weights = Categorical(logits=evidence, validate_args=False)
        return MixtureSameFamily(weights, _normal(centres, self._spread_tril), validate_args=False)

    def log_prob(self, x: Tensor, *, noisy: bool = False) -> Tensor:
        """Log density of samples (n, d), clean or with the noise, in nats."""
        tril = self._noisy_tril if noisy else self._clean_tril
        each = _normal(self.means, tril).log_prob(x.double().unsqueeze(1))
        return each.logsumexp(1) - torch.tensor(float(len(self.means))).double().log()


def _normal(mean: Tensor, tril: Tensor) -> MultivariateNormal:
    return MultivariateNormal(mean, scale_tril=tril, validate_args=False)


def stationary_covariance(gain: np.ndarray, noise: np.ndarray, spread: np.ndarray) -> np.ndarray:
    """Covariance C of the chain x′ = A (x + ε) + η, once it is stationary.

    The solution of the discrete Lyapunov equation C = A C Aᵀ + A N Aᵀ + S.

    Parameters
    ----------
    gain : ndarray of shape (d, d)
        A of a linear denoiser; its eigenvalues must be smaller than 1.
    noise, spread : ndarray of shape (d, d)
        N, covariance of the corruption, and S, that of p(x|x̃).
    """
    from scipy.linalg import solve_discrete_lyapunov

    return solve_discrete_lyapunov(gain, gain @ noise @ gain.T + spread)
