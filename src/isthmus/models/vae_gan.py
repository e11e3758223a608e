"""The VAE-GAN."""

from __future__ import annotations

from numbers import Real
from typing import Any, ClassVar, Literal, Unpack

from sklearn.utils._param_validation import Interval

from isthmus.bottlenecks import DiagonalGaussian
from isthmus.models.base import BaseAutoencoder, Shared
from isthmus.priors import StandardNormal
from isthmus.terms import KL, NLL, FeatureNLL, Judge, Realism


class VAEGAN(BaseAutoencoder):
    """Variational autoencoder whose samples are compared in the eyes of a classifier, which they have to fool.

    The judge learns to tell data from reconstructions and from decoded draws. The reconstruction has to agree with the
    sample in the judge's last hidden layer, and what is decoded has to pass for data (Larsen et al., 2016). The cost of
    the values themselves is kept, so that the likelihood means something; ``pixels=0`` is the original.

    Parameters
    ----------
    latent_dim : int or "auto"
        Width of the code.
    pixels : float
        Weight of −log p(x|z).
    similarity : float
        Weight of half the squared difference of the judge's features, in nats.
    realism : float
        Weight of −log of the probability that the judge takes what is decoded for data, in nats.
    %(shared)s

    Attributes
    ----------
    %(fitted)s

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from isthmus import VAEGAN
    >>> X = load_digits().images
    >>> model = VAEGAN(latent_dim=8, max_epochs=2, random_state=0).fit(X)
    >>> model.transform(X).shape, model.sample(3).shape
    ((1797, 8), (3, 8, 8))
    """

    name = "vae_gan"
    prevents_identity = True
    _parameter_constraints: ClassVar = {
        **BaseAutoencoder._parameter_constraints,
        "pixels": [Interval(Real, 0, None, closed="left")],
        "similarity": [Interval(Real, 0, None, closed="left")],
        "realism": [Interval(Real, 0, None, closed="left")],
    }

    def __init__(
        self,
        latent_dim: int | Literal["auto"] = "auto",
        *,
        pixels: float = 1.0,
        similarity: float = 1.0,
        realism: float = 5.0,
        **shared: Unpack[Shared],
    ) -> None:
        super().__init__(latent_dim, **shared)
        self.pixels = pixels
        self.similarity = similarity
        self.realism = realism

    def recipe(self) -> dict[str, Any]:
        terms = [NLL(self.pixels), KL(), FeatureNLL(self.similarity), Realism(self.realism), Judge()]
        return {"bottleneck": DiagonalGaussian(), "prior": StandardNormal(), "terms": terms}
