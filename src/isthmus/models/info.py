"""The InfoVAE."""

from __future__ import annotations

from numbers import Real
from typing import Any, ClassVar, Literal, Unpack

from sklearn.utils._param_validation import Interval

from isthmus.bottlenecks import DiagonalGaussian
from isthmus.models.base import BaseAutoencoder, Shared
from isthmus.priors import StandardNormal
from isthmus.terms import KL, NLL, MeanDiscrepancy


class InfoVAE(BaseAutoencoder):
    """Variational autoencoder that holds all codes together to the prior, rather than each of them.

    −E log p(x|z) + (1 − α) KL(q(z|x) ‖ p(z)) + (α + λ − 1) MMD(q(z), p(z)) (Zhao et al., 2019, eq. 6): with α near 1
    the code may tell all about its sample, as long as the codes of all samples lie as the prior does.

    Parameters
    ----------
    latent_dim : int or "auto"
        Width of the code.
    alpha : float
        α, at most 1: share of the divergence per sample that is given up.
    mmd : float
        Weight of the discrepancy between all codes and the prior, in nats: α + λ − 1.
    %(shared)s

    Attributes
    ----------
    %(fitted)s

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from isthmus import InfoVAE
    >>> X = load_digits().images
    >>> model = InfoVAE(latent_dim=8, max_epochs=2, random_state=0).fit(X)
    >>> model.transform(X).shape, model.sample(3).shape
    ((1797, 8), (3, 8, 8))
    """

    name = "info_vae"
    prevents_identity = True
    _parameter_constraints: ClassVar = {
        **BaseAutoencoder._parameter_constraints,
        "alpha": [Interval(Real, None, 1, closed="right")],
        "mmd": [Interval(Real, 0, None, closed="left")],
    }

    def __init__(
        self,
        latent_dim: int | Literal["auto"] = "auto",
        *,
        alpha: float = 0.5,
        mmd: float = 200.0,
        **shared: Unpack[Shared],
    ) -> None:
        super().__init__(latent_dim, **shared)
        self.alpha = alpha
        self.mmd = mmd

    def recipe(self) -> dict[str, Any]:
        terms = [NLL(), KL(1 - self.alpha), MeanDiscrepancy(self.mmd)]
        return {"bottleneck": DiagonalGaussian(), "prior": StandardNormal(), "terms": terms}
