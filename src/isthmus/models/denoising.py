"""The denoising autoencoder."""

from __future__ import annotations

from collections.abc import Callable
from numbers import Integral, Real
from typing import Any, ClassVar, Literal, Unpack

from sklearn.utils._param_validation import Interval, StrOptions

from isthmus.bottlenecks import Deterministic
from isthmus.corruptions import Corruption
from isthmus.models.auto import choose_corruption
from isthmus.models.base import Shared
from isthmus.models.generative import GenerativeDenoiser
from isthmus.priors import FittedGaussian
from isthmus.terms import NLL, Walkback


class DenoisingAutoencoder(GenerativeDenoiser):
    """Denoising autoencoder: the input is corrupted, the target is the clean sample.

    It removes noise, and the noise regularises: the code cannot copy the input, even if it is wider than the data
    (Vincent et al., 2010). Corrupting and denoising in turn is a Markov chain whose stationary distribution
    estimates p(x) (Bengio et al., 2013b).

    Parameters
    ----------
    latent_dim : int or "auto"
        Width of the code.
    corruption : str, Corruption or callable
        "gaussian", "masking", "salt_and_pepper", "poisson", "speckle", "block" (pictures), "feature_swap", an
        `isthmus.corruptions` object, or a function from a batch (Tensor, in the data's own units) to a corrupted one.
    noise : float or "auto"
        Strength of a corruption that is given by name: standard deviation of Gaussian noise in those of the data, share
        of the values, counts at the top of the range (Poisson), or side of the block. "auto": that corruption's
        default.
    walkback : int
        Steps of the chain of corrupting and denoising that each sample is led back from while training (0: none).
        They make the chain's samples better, at as many times the cost.
    %(shared)s

    Attributes
    ----------
    %(fitted)s

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from isthmus import DenoisingAutoencoder
    >>> X = load_digits().images
    >>> dae = DenoisingAutoencoder(32, corruption="salt_and_pepper", max_epochs=2, random_state=0).fit(X)
    >>> dae.denoise(dae.corrupt(X, random_state=0)).shape
    (1797, 8, 8)
    """

    name = "denoising"
    _parameter_constraints: ClassVar = {
        **GenerativeDenoiser._parameter_constraints,
        "corruption": [str, Corruption, callable],
        "noise": [Interval(Real, 0, None, closed="neither"), StrOptions({"auto"})],
        "walkback": [Interval(Integral, 0, None, closed="left")],
    }

    def __init__(
        self,
        latent_dim: int | Literal["auto"] = "auto",
        *,
        corruption: str | Corruption | Callable = "gaussian",
        noise: float | Literal["auto"] = "auto",
        walkback: int = 0,
        **shared: Unpack[Shared],
    ) -> None:
        super().__init__(latent_dim, **shared)
        self.corruption = corruption
        self.noise = noise
        self.walkback = walkback

    def recipe(self) -> dict[str, Any]:
        return {
            "corruption": choose_corruption(self.corruption, self.noise),
            "bottleneck": Deterministic(),
            "prior": FittedGaussian(),
            "terms": [NLL(), *([Walkback(self.walkback)] if self.walkback else [])],
        }
