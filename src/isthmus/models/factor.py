"""The FactorVAE."""

from __future__ import annotations

from numbers import Real
from typing import Any, ClassVar, Literal, Unpack

from sklearn.utils._param_validation import Interval

from isthmus.bottlenecks import DiagonalGaussian
from isthmus.models.base import BaseAutoencoder, Shared
from isthmus.priors import StandardNormal
from isthmus.terms import KL, NLL, Critic, DensityRatio


class FactorVAE(BaseAutoencoder):
    """Variational autoencoder whose total correlation is measured by a classifier, and charged.

    A critic learns to tell codes from codes whose latents were shuffled each by itself; the logarithm of its odds is
    the total correlation, which costs γ times itself besides the bound (Kim & Mnih, 2018). Unlike the estimate of a
    `BetaTCVAE` it does not depend on the size of the batch; it lags behind the codes instead.

    Parameters
    ----------
    latent_dim : int or "auto"
        Width of the code.
    gamma : float
        Weight of the total correlation besides the bound.
    critic : tuple of int
        Widths of the critic's hidden layers.
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
    >>> from isthmus import FactorVAE
    >>> X = load_digits().images
    >>> model = FactorVAE(latent_dim=8, max_epochs=2, random_state=0).fit(X)
    >>> model.transform(X).shape, model.sample(3).shape
    ((1797, 8), (3, 8, 8))
    """

    name = "factor_vae"
    prevents_identity = True
    _parameter_constraints: ClassVar = {
        **BaseAutoencoder._parameter_constraints,
        "gamma": [Interval(Real, 0, None, closed="left")],
        "critic": ["array-like"],
        "kl_start": [Interval(Real, 0, None, closed="left")],
        "kl_warmup": [Interval(Real, 0, 1, closed="both")],
    }

    def __init__(
        self,
        latent_dim: int | Literal["auto"] = "auto",
        *,
        gamma: float = 6.0,
        critic: tuple[int, ...] = (256, 256, 256),
        kl_start: float = 1.0,
        kl_warmup: float = 0.5,
        **shared: Unpack[Shared],
    ) -> None:
        super().__init__(latent_dim, **shared)
        self.gamma = gamma
        self.critic = critic
        self.kl_start = kl_start
        self.kl_warmup = kl_warmup

    def recipe(self) -> dict[str, Any]:
        critic = Critic("shuffled", hidden=tuple(self.critic))
        terms = [NLL(), KL(1.0, self.kl_warmup, start=self.kl_start), DensityRatio(self.gamma), critic]
        return {"bottleneck": DiagonalGaussian(), "prior": StandardNormal(), "terms": terms}
