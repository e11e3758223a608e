"""The DIP-VAE."""

from __future__ import annotations

from numbers import Real
from typing import Any, ClassVar, Literal, Unpack, cast

from sklearn.utils._param_validation import Interval, StrOptions

from isthmus.bottlenecks import DiagonalGaussian
from isthmus.models.base import BaseAutoencoder, Shared
from isthmus.priors import StandardNormal
from isthmus.terms import KL, NLL, Decorrelation
from isthmus.terms.moments import Kind


class DIPVAE(BaseAutoencoder):
    """Variational autoencoder whose codes are pressed to be uncorrelated (disentangled inferred prior).

    Besides the bound, the covariance of the codes over the data costs what it differs from the identity (Kumar et al.,
    2018): that of their means, or that of the codes with their noise.

    Parameters
    ----------
    latent_dim : int or "auto"
        Width of the code.
    decorrelation : float
        λ_od, cost of every squared covariance, in nats.
    variance : float or "auto"
        λ_d, cost of every squared difference of a variance from 1; ``"auto"``: 10 · λ_od for the means, λ_od for codes.
    of : {"means", "codes"}
        Whose covariance: DIP-VAE-I or DIP-VAE-II.
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
    >>> from isthmus import DIPVAE
    >>> X = load_digits().images
    >>> model = DIPVAE(latent_dim=8, max_epochs=2, random_state=0).fit(X)
    >>> model.transform(X).shape, model.sample(3).shape
    ((1797, 8), (3, 8, 8))
    """

    name = "dip_vae"
    prevents_identity = True
    _parameter_constraints: ClassVar = {
        **BaseAutoencoder._parameter_constraints,
        "decorrelation": [Interval(Real, 0, None, closed="neither")],
        "variance": [Interval(Real, 0, None, closed="left"), StrOptions({"auto"})],
        "of": [StrOptions({"means", "codes"})],
        "kl_start": [Interval(Real, 0, None, closed="left")],
        "kl_warmup": [Interval(Real, 0, 1, closed="both")],
    }

    def __init__(
        self,
        latent_dim: int | Literal["auto"] = "auto",
        *,
        decorrelation: float = 10.0,
        variance: float | Literal["auto"] = "auto",
        of: Literal["means", "codes"] = "codes",
        kl_start: float = 1.0,
        kl_warmup: float = 0.5,
        **shared: Unpack[Shared],
    ) -> None:
        super().__init__(latent_dim, **shared)
        self.decorrelation = decorrelation
        self.variance = variance
        self.of = of
        self.kl_start = kl_start
        self.kl_warmup = kl_warmup

    def recipe(self) -> dict[str, Any]:
        usual = 10.0 if self.of == "means" else 1.0
        ratio = usual if self.variance == "auto" else float(self.variance) / self.decorrelation
        terms = [
            NLL(),
            KL(1.0, self.kl_warmup, start=self.kl_start),
            Decorrelation(self.decorrelation, ratio, cast(Kind, self.of)),
        ]
        return {"bottleneck": DiagonalGaussian(), "prior": StandardNormal(), "terms": terms}
