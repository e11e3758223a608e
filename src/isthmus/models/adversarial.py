"""The adversarial autoencoder."""

from __future__ import annotations

from numbers import Real
from typing import Any, ClassVar, Literal, Unpack

from sklearn.utils._param_validation import Interval

from isthmus.bottlenecks import Deterministic
from isthmus.models.base import BaseAutoencoder, Shared
from isthmus.priors import StandardNormal
from isthmus.terms import NLL, Critic, Fooling


class AdversarialAutoencoder(BaseAutoencoder):
    """Adversarial autoencoder: a deterministic code that a critic cannot tell from draws of the prior.

    −log p(x | z = f(x)), and the encoder has to fool a classifier that tells codes from draws of N(0, I) (Makhzani et
    al., 2016). Its aim is that of a `WAE`, by a learned discrepancy instead of a kernel.

    Parameters
    ----------
    latent_dim : int or "auto"
        Width of the code.
    fooling : float
        Weight of −log of the probability that the critic takes the code for a draw, in nats.
    critic : tuple of int
        Widths of the critic's hidden layers.
    %(shared)s

    Attributes
    ----------
    %(fitted)s

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from isthmus import AdversarialAutoencoder
    >>> X = load_digits().images
    >>> model = AdversarialAutoencoder(latent_dim=8, max_epochs=2, random_state=0).fit(X)
    >>> model.transform(X).shape, model.sample(3).shape
    ((1797, 8), (3, 8, 8))
    """

    name = "aae"
    prevents_identity = False
    _parameter_constraints: ClassVar = {
        **BaseAutoencoder._parameter_constraints,
        "fooling": [Interval(Real, 0, None, closed="left")],
        "critic": ["array-like"],
    }

    def __init__(
        self,
        latent_dim: int | Literal["auto"] = "auto",
        *,
        fooling: float = 10.0,
        critic: tuple[int, ...] = (256, 256, 256),
        **shared: Unpack[Shared],
    ) -> None:
        super().__init__(latent_dim, **shared)
        self.fooling = fooling
        self.critic = critic

    def recipe(self) -> dict[str, Any]:
        terms = [NLL(), Fooling(self.fooling), Critic("prior", hidden=tuple(self.critic))]
        return {"bottleneck": Deterministic(), "prior": StandardNormal(), "terms": terms}
