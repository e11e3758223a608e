"""The Wasserstein autoencoder."""

from __future__ import annotations

from numbers import Real
from typing import Any, ClassVar, Literal, Unpack

from sklearn.utils._param_validation import Interval

from isthmus.bottlenecks import Deterministic
from isthmus.models.base import BaseAutoencoder, Shared
from isthmus.priors import StandardNormal
from isthmus.terms import NLL, MeanDiscrepancy


class WAE(BaseAutoencoder):
    """Wasserstein autoencoder: a deterministic code whose distribution over the data is that of the prior.

    −log p(x | z = f(x)) + λ MMD(q(z), p(z)) (Tolstikhin et al., 2018, algorithm 2). Codes of different samples need not
    overlap, so that reconstructions stay sharp, and draws from the prior can be decoded. A code much wider than the
    data need cannot fill the prior with a surface of fewer dimensions.

    Parameters
    ----------
    latent_dim : int or "auto"
        Width of the code.
    mmd : float
        λ, weight of the discrepancy between the codes and the prior, in nats.
    %(shared)s

    Attributes
    ----------
    %(fitted)s

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from isthmus import WAE
    >>> X = load_digits().images
    >>> model = WAE(latent_dim=8, max_epochs=2, random_state=0).fit(X)
    >>> model.transform(X).shape, model.sample(3).shape
    ((1797, 8), (3, 8, 8))
    """

    name = "wae"
    prevents_identity = False
    _parameter_constraints: ClassVar = {
        **BaseAutoencoder._parameter_constraints,
        "mmd": [Interval(Real, 0, None, closed="left")],
    }

    def __init__(
        self,
        latent_dim: int | Literal["auto"] = "auto",
        *,
        mmd: float = 100.0,
        **shared: Unpack[Shared],
    ) -> None:
        super().__init__(latent_dim, **shared)
        self.mmd = mmd

    def recipe(self) -> dict[str, Any]:
        return {"bottleneck": Deterministic(), "prior": StandardNormal(), "terms": [NLL(), MeanDiscrepancy(self.mmd)]}
