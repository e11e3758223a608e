"""The autoencoder whose code is rounded to a few levels."""

from __future__ import annotations

from typing import Any, ClassVar, Literal, Unpack

from sklearn.utils._param_validation import StrOptions

from isthmus.bottlenecks import FSQ
from isthmus.bottlenecks.fsq import FSQ_WIDEST
from isthmus.models.base import BaseAutoencoder, Shared
from isthmus.models.discrete import Discrete
from isthmus.priors import TokenPrior
from isthmus.terms import NLL


class FSQVAE(Discrete):
    """Autoencoder with finite scalar quantisation: each value of the code is rounded to one of a few levels.

    There is no codebook to learn, no cost but the likelihood, and no code can die (Mentzer et al., 2024). A token is as
    many values as there are ``levels``, and stands for one of their product of codes. For the rest see `VQVAE`.

    Parameters
    ----------
    latent_dim : int or "auto"
        Width of the code: number of tokens times the number of ``levels``. "auto": as for a `VQVAE`.
    levels : tuple of int or "auto"
        Levels of each value of a token, at least 2 each. "auto": (8, 6, 5), which makes 240 codes; (8, 8) or (8,) if
        ``latent_dim`` is no multiple of 3 or of 2. More data can feed more codes: (8, 5, 5, 5) makes 1,000.
    %(shared)s

    Attributes
    ----------
    %(fitted)s

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from isthmus import FSQVAE
    >>> X = load_digits().images
    >>> fsq = FSQVAE(levels=(5, 5, 5), max_epochs=2, random_state=0).fit(X)
    >>> fsq.tokens(X).shape, int(fsq.tokens(X).max()) < 125, fsq.sample(3).shape
    ((1797, 8), True, (3, 8, 8))
    """

    name = "fsq"
    usual_width = FSQ_WIDEST
    _parameter_constraints: ClassVar = {
        **BaseAutoencoder._parameter_constraints,
        "levels": ["array-like", StrOptions({"auto"})],
    }

    def __init__(
        self,
        latent_dim: int | Literal["auto"] = "auto",
        *,
        levels: tuple[int, ...] | Literal["auto"] = "auto",
        **shared: Unpack[Shared],
    ) -> None:
        super().__init__(latent_dim, **shared)
        self.levels = levels

    def recipe(self) -> dict[str, Any]:
        levels = "auto" if isinstance(self.levels, str) else tuple(self.levels)
        return {"bottleneck": FSQ(levels), "prior": TokenPrior(), "terms": [NLL()]}

    def _token_width(self) -> int | None:
        return None if isinstance(self.levels, str) else len(self.levels)
