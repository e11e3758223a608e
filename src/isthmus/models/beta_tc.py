"""The β-TC-VAE."""

from __future__ import annotations

from numbers import Real
from typing import Any, ClassVar, Literal, Unpack

from sklearn.utils._param_validation import Interval

from isthmus.bottlenecks import DiagonalGaussian
from isthmus.models.base import BaseAutoencoder, Shared
from isthmus.priors import StandardNormal
from isthmus.terms import KL, NLL, TotalCorrelation


class BetaTCVAE(BaseAutoencoder):
    """Variational autoencoder whose latents are pressed to be independent of one another.

    Of the three parts of the divergence (what the code tells of the sample, the total correlation of the latents, and
    their distances from the prior one by one) only the total correlation is charged β times (Chen et al., 2018, eq. 4
    with α = γ = 1); a β-VAE charges all of it so, at the price of reconstruction.

    Parameters
    ----------
    latent_dim : int or "auto"
        Width of the code.
    beta : float
        Weight of the total correlation; 1 is a plain `VAE`.
    warmup : float
        Share of the training, in [0, 1], over which the weight of the total correlation grows.
    kl_start : float
        Weight of the divergence itself at the start. One of 30, say, leaves room for little at first, so that latents
        are found one after the other, each for a factor of its own (Shao et al., 2020).
    kl_warmup : float
        Share of the training, in [0, 1], over which that weight falls to 1.
    %(shared)s

    Attributes
    ----------
    %(fitted)s

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from isthmus import BetaTCVAE
    >>> X = load_digits().images
    >>> model = BetaTCVAE(latent_dim=8, max_epochs=2, random_state=0).fit(X)
    >>> model.transform(X).shape, model.sample(3).shape
    ((1797, 8), (3, 8, 8))
    """

    name = "beta_tc_vae"
    prevents_identity = True
    _parameter_constraints: ClassVar = {
        **BaseAutoencoder._parameter_constraints,
        "beta": [Interval(Real, 1, None, closed="left")],
        "warmup": [Interval(Real, 0, 1, closed="both")],
        "kl_start": [Interval(Real, 0, None, closed="left")],
        "kl_warmup": [Interval(Real, 0, 1, closed="both")],
    }

    def __init__(
        self,
        latent_dim: int | Literal["auto"] = "auto",
        *,
        beta: float = 6.0,
        warmup: float = 0.0,
        kl_start: float = 1.0,
        kl_warmup: float = 0.5,
        **shared: Unpack[Shared],
    ) -> None:
        super().__init__(latent_dim, **shared)
        self.beta = beta
        self.warmup = warmup
        self.kl_start = kl_start
        self.kl_warmup = kl_warmup

    def recipe(self) -> dict[str, Any]:
        terms = [NLL(), KL(1.0, self.kl_warmup, start=self.kl_start), TotalCorrelation(self.beta - 1, self.warmup)]
        return {"bottleneck": DiagonalGaussian(), "prior": StandardNormal(), "terms": terms}
