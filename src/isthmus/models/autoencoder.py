"""The plain, undercomplete autoencoder."""

from __future__ import annotations

from typing import Any

from isthmus.bottlenecks import Deterministic
from isthmus.models.base import BaseAutoencoder
from isthmus.priors import FittedGaussian
from isthmus.terms import NLL


class Autoencoder(BaseAutoencoder):
    """Undercomplete autoencoder: a narrow code forces compression.

    Maximises log p(x | z = f(x)): with a Gaussian likelihood, the squared L2 loss. With linear networks it learns the
    subspace of principal component analysis (Baldi & Hornik, 1989); nonlinear ones generalise it (Hinton &
    Salakhutdinov, 2006). For `sample`, a Gaussian is fitted to the codes once training is over.

    Parameters
    ----------
    latent_dim : int or "auto"
        Width of the code. At least as wide as the data, it can copy them, and `OvercompleteWarning` says so.
    %(shared)s

    Attributes
    ----------
    %(fitted)s

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from isthmus import Autoencoder
    >>> X = load_iris().data
    >>> ae = Autoencoder(latent_dim=2, max_epochs=2, random_state=0).fit(X)
    >>> ae.transform(X).shape, ae.reconstruct(X).shape
    ((150, 2), (150, 4))
    """

    name = "autoencoder"

    def recipe(self) -> dict[str, Any]:
        return {"bottleneck": Deterministic(), "prior": FittedGaussian(), "terms": [NLL()]}
