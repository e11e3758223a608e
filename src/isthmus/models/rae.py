"""The regularised autoencoder."""

from __future__ import annotations

from numbers import Real
from typing import Any, ClassVar, Literal, Unpack

import torch
from sklearn.utils._param_validation import Interval, StrOptions

from isthmus.bottlenecks import Deterministic, Lipschitz
from isthmus.data.info import DataInfo
from isthmus.data.streams import AnyRows
from isthmus.models.auto import Choice
from isthmus.models.base import BaseAutoencoder, Shared
from isthmus.priors import FittedGaussian
from isthmus.priors.afterwards import fitted_priors
from isthmus.terms import NLL, CodeNorm, DecoderL2, DecoderSlope, Term

Smoothing = Literal["l2", "gradient_penalty", "spectral_norm"]
Density = Literal["gaussian", "gmm", "flow", "flow_matching", "two_stage"]

_STRENGTHS = {"l2": 1e-3, "gradient_penalty": 1e-2}


class RAE(BaseAutoencoder):
    """Regularised autoencoder: a deterministic autoencoder to draw samples from (Ghosh et al., 2020).

    Minimises −log p(x|z) + α ½‖z‖² + λ R, where R makes the decoder smooth. That is what is left of a variational
    autoencoder once the noise of its codes is taken away, which only smooths the decoder too. Then a density is
    fitted to the codes, from which `sample` draws.

    Parameters
    ----------
    latent_dim : int or "auto"
        Width of the code.
    penalty : float or "auto"
        α, in nats: 1 is the price that a standard normal density of the codes would ask. ``"auto"``: 1, but 0.01 with
        "spectral_norm", whose codes have to differ by as much as the data.
    smoothing : {"l2", "gradient_penalty", "spectral_norm"} or None
        What makes the decoder smooth. ``"l2"``: small weights. ``"gradient_penalty"``: ‖∂y/∂z‖² at the codes.
        ``"spectral_norm"``: every linear layer divided by its largest singular value. None: nothing but the likelihood.
    strength : float or "auto"
        λ, in nats for each unit of R; "spectral_norm" has none.
    density : str or None
        Kind of density that is fitted to the codes at the end, as by `fit_prior`, which can also replace it: "gmm" (10
        Gaussians), "gaussian", "flow", "flow_matching" or "two_stage". None: a Gaussian, as every autoencoder has.
    %(shared)s

    Attributes
    ----------
    %(fitted)s

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from isthmus import RAE
    >>> X = load_digits().images
    >>> rae = RAE(latent_dim=8, max_epochs=2, random_state=0).fit(X)
    >>> rae.transform(X).shape, rae.sample(3).shape
    ((1797, 8), (3, 8, 8))
    """

    name = "rae"
    _parameter_constraints: ClassVar = {
        **BaseAutoencoder._parameter_constraints,
        "penalty": [Interval(Real, 0, None, closed="left"), StrOptions({"auto"})],
        "smoothing": [StrOptions({"l2", "gradient_penalty", "spectral_norm"}), None],
        "strength": [Interval(Real, 0, None, closed="left"), StrOptions({"auto"})],
        "density": [StrOptions({"gaussian", "gmm", "flow", "flow_matching", "two_stage"}), None],
    }

    def __init__(
        self,
        latent_dim: int | Literal["auto"] = "auto",
        *,
        penalty: float | Literal["auto"] = "auto",
        smoothing: Smoothing | None = "l2",
        strength: float | Literal["auto"] = "auto",
        density: Density | None = "gmm",
        **shared: Unpack[Shared],
    ) -> None:
        super().__init__(latent_dim, **shared)
        self.penalty: float | Literal["auto"] = penalty
        self.smoothing: Smoothing | None = smoothing
        self.strength: float | Literal["auto"] = strength
        self.density: Density | None = density

    def recipe(self) -> dict[str, Any]:
        terms: list[Term] = [NLL(), CodeNorm(self._penalty())]
        if self.smoothing == "l2":
            terms.append(DecoderL2(self._strength()))
        elif self.smoothing == "gradient_penalty":
            terms.append(DecoderSlope(self._strength()))
        bottleneck = Lipschitz() if self.smoothing == "spectral_norm" else Deterministic()
        return {"bottleneck": bottleneck, "prior": FittedGaussian(), "terms": terms}

    def own_choices(self, info: DataInfo, latent_dim: int) -> dict[str, Choice]:
        if self.density is not None:
            # What does not suit the code says so here, before the training.
            with torch.device("meta"):
                fitted_priors()[self.density]().setup(latent_dim)
        chosen = {"penalty": (self.penalty, self._penalty())}
        if self.smoothing in _STRENGTHS:
            chosen["strength"] = (self.strength, self._strength())
        suits = f"what suits smoothing={self.smoothing!r}"
        return {
            name: Choice(f"{value:g} nats", suits if wish == "auto" else "as asked")
            for name, (wish, value) in chosen.items()
        }

    def learn_more(self, samples: AnyRows) -> None:
        if self.density is not None:
            self._fit_density(fitted_priors()[self.density](), samples, self.random_state)

    def _penalty(self) -> float:
        if isinstance(self.penalty, str):
            return 0.01 if self.smoothing == "spectral_norm" else 1.0
        return self.penalty

    def _strength(self) -> float:
        return _STRENGTHS[str(self.smoothing)] if isinstance(self.strength, str) else self.strength
