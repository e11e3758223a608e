"""The contractive autoencoder."""

from __future__ import annotations

from numbers import Real
from typing import Any, ClassVar, Literal, Unpack

import numpy as np
from sklearn.utils._param_validation import Interval, StrOptions

from isthmus.bottlenecks import UnitVariance
from isthmus.data.streams import AnyRows
from isthmus.models.base import BaseAutoencoder, Shared
from isthmus.models.inference import by_batch
from isthmus.priors import FittedGaussian
from isthmus.terms import NLL, Jacobian
from isthmus.terms.jacobian import Method


class ContractiveAutoencoder(BaseAutoencoder):
    """Contractive autoencoder: a code that moves little when the input does.

    Minimises −log p(x|z) + λ ‖∂z/∂x‖², the squared derivatives of the code by the network's input (Rifai et al., 2011).
    The code then follows only those changes of the input that the reconstruction needs: those between samples, and
    not those away from them. Trained so, it resists noise as a denoising autoencoder does, without drawing any.

    Parameters
    ----------
    latent_dim : int or "auto"
        Width of the code. It may be wider than the data.
    contraction : float
        λ, in nats for each unit of the squared norm. Each latent has unit variance, so the norm is about the number of
        latents over the variance of the directions that they follow, in the network's units.
    jacobian : {"auto", "exact", "hutchinson"}
        How the norm is found while training. ``"exact"``: in closed form for an encoder of one layer, else by one pass
        back through the encoder for each latent. ``"hutchinson"``: an unbiased estimate from a single pass. ``"auto"``:
        exact for one layer and for codes of at most 4 latents.
    %(shared)s

    Attributes
    ----------
    %(fitted)s

    Notes
    -----
    The paper ties the decoder's weights to the encoder's; otherwise the encoder could shrink the code, and the decoder
    enlarge it again, which would satisfy the penalty for nothing. Here the code is divided by its standard deviation
    over the data instead, which pins its scale whatever the decoder, and however deep. The network of the paper, a
    single layer of sigmoids, is ``network=MLP(hidden=(), code_activation="sigmoid")``.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from isthmus import ContractiveAutoencoder
    >>> X = load_digits().images
    >>> free, contractive = (
    ...     ContractiveAutoencoder(8, contraction=weight, max_epochs=10, random_state=0).fit(X) for weight in (0, 10)
    ... )
    >>> contractive.evaluate(X)["jacobian_norm"] < free.evaluate(X)["jacobian_norm"]
    True
    """

    name = "contractive"
    prevents_identity = True
    _parameter_constraints: ClassVar = {
        **BaseAutoencoder._parameter_constraints,
        "contraction": [Interval(Real, 0, None, closed="left")],
        "jacobian": [StrOptions({"auto", "exact", "hutchinson"})],
    }

    def __init__(
        self,
        latent_dim: int | Literal["auto"] = "auto",
        *,
        contraction: float = 1.0,
        jacobian: Method = "auto",
        **shared: Unpack[Shared],
    ) -> None:
        super().__init__(latent_dim, **shared)
        self.contraction = contraction
        self.jacobian: Method = jacobian

    def recipe(self) -> dict[str, Any]:
        jacobian = Jacobian(self.contraction, method=self.jacobian)
        return {"bottleneck": UnitVariance(), "prior": FittedGaussian(), "terms": [NLL(), jacobian]}

    def can_copy(self) -> bool:
        return self.contraction == 0

    def own_metrics(self, samples: AnyRows) -> dict[str, float]:
        module = self.module_
        norms = by_batch(module, samples, lambda x: module(x)["jacobian"])
        return {"jacobian_norm": float(np.mean(norms, dtype=np.float64))}
