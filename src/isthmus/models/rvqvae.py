"""The autoencoder whose code is quantised in several rounds."""

from __future__ import annotations

from numbers import Integral, Real
from typing import Any, ClassVar, Literal, Unpack

from sklearn.utils._param_validation import Interval, StrOptions

from isthmus.bottlenecks import ResidualQuantised
from isthmus.models.base import BaseAutoencoder, Shared
from isthmus.models.discrete import Discrete
from isthmus.priors import TokenPrior
from isthmus.terms import NLL, Commitment


class ResidualVQVAE(Discrete):
    """Vector-quantised autoencoder with several codebooks, each for what the ones before it left over.

    Residual quantisation (Zeghidour et al., 2021): ``depth`` small codebooks take the place of one that would be far
    too large to learn, for fine reconstructions; the first of them are a coarser code of the same sample. For the rest
    see `VQVAE`.

    Parameters
    ----------
    latent_dim : int or "auto"
        Width of the code: number of tokens times ``token_dim``. "auto": as for a `VQVAE`.
    n_codes : int
        Vectors in each codebook.
    depth : int
        Codebooks.
    token_dim : int or "auto"
        Values of a token. "auto": 4, or the largest smaller number that divides ``latent_dim``.
    commitment : float
        Weight of the squared distance between what is quantised and the vectors that stand for it, summed over the
        codebooks.
    %(shared)s

    Attributes
    ----------
    %(fitted)s

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from isthmus import ResidualVQVAE
    >>> X = load_digits().images
    >>> rvq = ResidualVQVAE(n_codes=16, depth=3, max_epochs=2, random_state=0).fit(X)
    >>> rvq.tokens(X).shape, rvq.sample(3).shape
    ((1797, 8, 3), (3, 8, 8))
    """

    name = "rvqvae"
    _parameter_constraints: ClassVar = {
        **BaseAutoencoder._parameter_constraints,
        "n_codes": [Interval(Integral, 2, 1 << 16, closed="both")],
        "depth": [Interval(Integral, 1, 64, closed="both")],
        "token_dim": [Interval(Integral, 1, None, closed="left"), StrOptions({"auto"})],
        "commitment": [Interval(Real, 0, None, closed="left")],
    }

    def __init__(
        self,
        latent_dim: int | Literal["auto"] = "auto",
        *,
        n_codes: int = 32,
        depth: int = 4,
        token_dim: int | Literal["auto"] = "auto",
        commitment: float = 10.0,
        **shared: Unpack[Shared],
    ) -> None:
        super().__init__(latent_dim, **shared)
        self.n_codes = n_codes
        self.depth = depth
        self.token_dim = token_dim
        self.commitment = commitment

    def recipe(self) -> dict[str, Any]:
        quantiser = ResidualQuantised(self.n_codes, self._given_width() or "auto", self.depth)
        return {"bottleneck": quantiser, "prior": TokenPrior(), "terms": [NLL(), Commitment(self.commitment)]}

    def _token_width(self) -> int | None:
        return None if isinstance(self.token_dim, str) else self.token_dim
