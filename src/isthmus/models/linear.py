"""The linear autoencoder: principal component analysis, in closed form or by gradient."""

from __future__ import annotations

import math
from typing import Any, ClassVar, Literal, Unpack, cast

import numpy as np
import torch
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import StrOptions
from torch import nn

from isthmus.bottlenecks import Deterministic
from isthmus.data.info import DataInfo
from isthmus.data.streams import AnyRows
from isthmus.errors import DivergedError, ParameterError
from isthmus.likelihoods import GaussianLikelihood
from isthmus.models.auto import MOST_LATENTS
from isthmus.models.base import BaseAutoencoder, Shared
from isthmus.models.fitting import ACTIVE, fit_module, prepare
from isthmus.models.inputs import read_samples
from isthmus.networks import Linear
from isthmus.principal import Principal, Survey, moments, orthonormal, polish, principal_components, survey
from isthmus.priors import FittedGaussian
from isthmus.terms import NLL


class LinearAutoencoder(BaseAutoencoder):
    """Linear encoder and decoder under the squared L2 loss: exactly principal component analysis.

    The optimum spans the leading principal components (Baldi & Hornik, 1989). Both solvers return them
    orthonormal, in order of decreasing variance, each with its largest weight positive, as scikit-learn's
    PCA does. Seen as probabilistic PCA (Tipping & Bishop, 1999) the model has an exact log-likelihood, which
    `score_samples` and `log_likelihood` return.

    Parameters
    ----------
    latent_dim : int or "auto"
        Number of components.
    solver : {"svd", "gradient"}
        ``"svd"``: closed form, from the eigenvectors of the covariance. ``"gradient"``: the training loop of every
        other variant, then full-batch L-BFGS down to the optimum.
    %(shared)s

    Attributes
    ----------
    components_ : ndarray of shape (latent_dim, d)
        Principal axes.
    mean_ : ndarray of shape (d,)
        Mean of the training data.
    explained_variance_, explained_variance_ratio_ : ndarray of shape (latent_dim,)
        Variance of each code, with n − 1 in the denominator, and its share of the total.
    noise_variance_ : float
        Mean of the variances left out: σ² of probabilistic PCA.
    %(fitted)s

    Notes
    -----
    ``network``, ``likelihood`` and ``scaling`` are what makes the model linear: they must stay "auto".

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from isthmus import LinearAutoencoder
    >>> X = load_iris().data
    >>> ae = LinearAutoencoder(latent_dim=2).fit(X)
    >>> ae.explained_variance_ratio_.round(3)
    array([0.925, 0.053])
    """

    name = "linear"
    _parameter_constraints: ClassVar = {
        **BaseAutoencoder._parameter_constraints,
        "solver": [StrOptions({"svd", "gradient"})],
    }

    def __init__(
        self,
        latent_dim: int | Literal["auto"] = "auto",
        *,
        solver: Literal["svd", "gradient"] = "svd",
        **shared: Unpack[Shared],
    ) -> None:
        super().__init__(latent_dim, **shared)
        self.solver = solver

    def recipe(self) -> dict[str, Any]:
        return {
            "bottleneck": Deterministic(),
            "prior": FittedGaussian(),
            "terms": [NLL()],
            "network": "linear",
            "likelihood": "gaussian",
            "scaling": "center",
        }

    def fit(self, X: Any, y: Any = None) -> LinearAutoencoder:
        self.check_parameters()
        self._check_linear()
        samples = read_samples(self, X, fitting=True)
        n_values = math.prod(samples.shape[1:])
        most = min(len(samples), n_values)
        if isinstance(self.latent_dim, int) and self.latent_dim > most:
            raise ParameterError(
                f"latent_dim={self.latent_dim} is more than the {most} components that {len(samples)} samples of "
                f"{n_values} values have"
            )
        if self.solver == "svd":
            self._fit_svd(samples)
        else:
            self._fit_gradient(samples)
        return self

    def score_samples(self, X: Any) -> np.ndarray:
        """Exact log p(x) of every row under probabilistic PCA, in nats (Tipping & Bishop, 1999, eq. 4).

        Returns
        -------
        scores : ndarray of shape (n,), float64
        """
        return self.principal_.log_likelihood(self._read(X))

    def log_likelihood(  # pyright: ignore[reportIncompatibleVariableOverride]
        self, X: Any, n_samples: int = 1, *, random_state: Any = None
    ) -> np.ndarray:
        """The same as `score_samples`: exact, so there is nothing to sample and the other arguments are ignored."""
        return self.score_samples(X)

    def own_metrics(self, samples: AnyRows) -> dict[str, float]:
        return {"log_likelihood": float(np.mean(self.principal_.log_likelihood(samples)))}

    def fitted_arrays(self) -> dict[str, np.ndarray]:
        return self.principal_.arrays()

    def restore_arrays(self, arrays: dict[str, np.ndarray]) -> None:
        self._expose(Principal.from_arrays(arrays, self.info_.n_values, self.latent_dim_))

    def _expose(self, principal: Principal) -> None:
        self.principal_ = principal
        self.components_, self.mean_ = principal.components, principal.mean
        self.explained_variance_ = principal.variance
        self.explained_variance_ratio_ = principal.variance / max(principal.total_variance, 1e-300)
        self.noise_variance_ = principal.noise_variance

    def _fit_svd(self, samples: AnyRows) -> None:
        seed = check_random_state(self.random_state).randint(2**31 - 1)
        most = MOST_LATENTS if isinstance(self.latent_dim, str) else self.latent_dim
        surveyed = survey(samples, min(most, len(samples), math.prod(samples.shape[1:])))
        _, self.choices_ = prepare(self, _describe(surveyed), seed)
        self._install(surveyed.components(self.latent_dim_), samples)

    def _fit_gradient(self, samples: AnyRows) -> None:
        statistics = moments(samples)
        try:
            fit_module(self, samples)
            basis = polish(statistics, self._learned())
        except (KeyboardInterrupt, DivergedError):
            # Usable as far as it got: the principal axes within the span that was learned.
            basis = orthonormal(self._learned())
            self._install(principal_components(statistics, self.latent_dim_, basis), samples)
            raise
        self._install(principal_components(statistics, self.latent_dim_, basis), samples)

    def _learned(self) -> torch.Tensor:
        return self._maps()[1].weight.detach().cpu()

    @torch.no_grad()
    def _install(self, principal: Principal, samples: AnyRows) -> None:
        """Write the solution into the module, whose input is centred on the mean already."""
        self._expose(principal)
        module, axes = self.module_, torch.from_numpy(principal.components)
        module.scaling.shift.copy_(torch.from_numpy(principal.mean).reshape(self.info_.shape))
        likelihood = cast(GaussianLikelihood, module.likelihood)
        likelihood.shift_.copy_(module.scaling.shift)
        encoder, decoder = self._maps()
        encoder.weight.copy_(axes)
        decoder.weight.copy_(axes.T)
        encoder.bias.zero_()
        decoder.bias.zero_()
        left = principal.total_variance - principal.variance.sum()
        likelihood.set_spread((max(left, 0.0) / len(principal.mean)) ** 0.5)
        # The codes of the training data have no mean and are not correlated.
        variance = torch.from_numpy(principal.variance * (1 - 1 / len(samples)))
        cast(FittedGaussian, module.prior).set_moments(torch.zeros_like(variance), variance.diag())
        self.active_units_ = int((variance > ACTIVE).sum())
        self.learn_more(samples)

    def _maps(self) -> tuple[nn.Linear, nn.Linear]:
        network = self.module_.network
        return cast(nn.Linear, network.encoder[1]), cast(nn.Linear, network.decoder[0])

    def _check_linear(self) -> None:
        for name, fine in (("network", Linear), ("likelihood", ()), ("scaling", ())):
            value = getattr(self, name)
            if value not in ("auto", self.recipe()[name]) and not isinstance(value, fine):
                raise ParameterError(
                    f"a LinearAutoencoder has {name}={self.recipe()[name]!r}, got {value!r}; use Autoencoder for others"
                )


def _describe(surveyed: Survey) -> DataInfo:
    """What the model's parts are told; floats are not searched for whole numbers, as none of them asks."""
    X, sums = surveyed.X, surveyed.sums
    moments = (values.reshape(X.shape[1:]) for values in (sums.low, sums.high, surveyed.mean, surveyed.std))
    return DataInfo(len(X), X.shape[1:], X.dtype.name, *moments, integral=X.dtype.kind in "bui", one_hot=False)
