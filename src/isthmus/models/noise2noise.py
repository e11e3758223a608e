"""Learning to denoise from noisy pairs."""

from __future__ import annotations

from collections.abc import Callable
from numbers import Real
from typing import Any, ClassVar, Literal, Unpack

from sklearn.utils._param_validation import Interval, StrOptions

from isthmus.bottlenecks import Deterministic
from isthmus.corruptions import Corruption, NoisyTarget
from isthmus.models.auto import choose_corruption
from isthmus.models.base import Shared
from isthmus.models.denoiser import Denoiser, restoring_network
from isthmus.priors import FittedGaussian
from isthmus.terms import NLL


class Noise2Noise(Denoiser):
    """Noise2noise: a denoiser that never sees a clean sample, only two noisy copies of each.

    Where the noise of the target has mean zero and is independent of the input's, the squared error has the same
    minimum as against clean targets (Lehtinen et al., 2018). Give the second copy as ``fit(X, target=X2)``; without
    one the model adds noise itself, twice and independently.

    Parameters
    ----------
    latent_dim : int or "auto"
        Width of the code. "auto": for pictures, all that a U-Net passes on, else as for every model.
    corruption : str, Corruption or callable
        Noise that is drawn twice where no ``target`` is given, as for a `DenoisingAutoencoder`. Its mean should be 0.
    noise : float or "auto"
        Strength of a corruption that is given by name.
    %(shared)s

    Attributes
    ----------
    %(fitted)s

    Notes
    -----
    For pictures of at least 8 x 8 pixels ``network="auto"`` is "unet", unless a ``latent_dim`` is asked for.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.datasets import load_digits
    >>> from isthmus import Noise2Noise
    >>> X = load_digits().images
    >>> rng = np.random.default_rng(0)
    >>> first, second = (X + rng.normal(scale=4, size=X.shape) for _ in range(2))
    >>> restored = Noise2Noise(max_epochs=5, random_state=0).fit(first, target=second).denoise(first)
    >>> bool(np.mean((restored - X) ** 2) < np.mean((first - X) ** 2) / 2)
    True
    """

    name = "noise2noise"
    _parameter_constraints: ClassVar = {
        **Denoiser._parameter_constraints,
        "corruption": [str, Corruption, callable],
        "noise": [Interval(Real, 0, None, closed="neither"), StrOptions({"auto"})],
    }

    def __init__(
        self,
        latent_dim: int | Literal["auto"] = "auto",
        *,
        corruption: str | Corruption | Callable = "gaussian",
        noise: float | Literal["auto"] = "auto",
        **shared: Unpack[Shared],
    ) -> None:
        super().__init__(latent_dim, **shared)
        self.corruption = corruption
        self.noise = noise

    def recipe(self) -> dict[str, Any]:
        return {
            "corruption": NoisyTarget(choose_corruption(self.corruption, self.noise)),
            "bottleneck": Deterministic(),
            "prior": FittedGaussian(),
            "terms": [NLL()],
            "network": restoring_network if self.latent_dim == "auto" else "auto",
        }
