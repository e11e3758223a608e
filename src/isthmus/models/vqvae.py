"""The vector-quantised autoencoder."""

from __future__ import annotations

from numbers import Integral, Real
from typing import Any, ClassVar, Literal, Unpack

from sklearn.utils._param_validation import Interval, StrOptions

from isthmus.bottlenecks import VectorQuantised
from isthmus.models.base import BaseAutoencoder, Shared
from isthmus.models.discrete import Discrete
from isthmus.priors import TokenPrior
from isthmus.terms import NLL, Commitment


class VQVAE(Discrete):
    """Vector-quantised autoencoder: the code is a few tokens, each the nearest vector of a learned codebook.

    After van den Oord et al. (2017): gradients pass the quantiser straight through, the codebook follows the encoder by
    running means, and the encoder pays for its distance to it. Codes that fall out of use are moved to where the data
    are. When training is over, a small transformer learns which tokens go together, so that `sample` draws new data,
    and `score_samples` is a lower bound on log p(x).

    Parameters
    ----------
    latent_dim : int or "auto"
        Width of the code: number of tokens times ``token_dim``. "auto": pictures of at least 16 pixels a side have a
        grid of 5 to 8 tokens along the shorter side (``network="conv_grid"``); other data as many tokens as have about
        the width of a sample, at most 8.
    n_codes : int
        Vectors in the codebook.
    token_dim : int or "auto"
        Values of a token. "auto": 4, or the largest smaller number that divides ``latent_dim``.
    commitment : float
        Weight of the squared distance between the encoder's output and the vectors that stand for it. It weighs
        against a likelihood in nats, summed over the values of a sample: where others average both, 0.25 is usual.
    %(shared)s

    Attributes
    ----------
    %(fitted)s

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from isthmus import VQVAE
    >>> X = load_digits().images
    >>> vq = VQVAE(n_codes=64, max_epochs=2, random_state=0).fit(X)
    >>> T = vq.tokens(X)
    >>> T.shape, vq.from_tokens(T).shape, vq.sample(3).shape
    ((1797, 8), (1797, 8, 8), (3, 8, 8))
    """

    name = "vqvae"
    _parameter_constraints: ClassVar = {
        **BaseAutoencoder._parameter_constraints,
        "n_codes": [Interval(Integral, 2, 1 << 16, closed="both")],
        "token_dim": [Interval(Integral, 1, None, closed="left"), StrOptions({"auto"})],
        "commitment": [Interval(Real, 0, None, closed="left")],
    }

    def __init__(
        self,
        latent_dim: int | Literal["auto"] = "auto",
        *,
        n_codes: int = 64,
        token_dim: int | Literal["auto"] = "auto",
        commitment: float = 10.0,
        **shared: Unpack[Shared],
    ) -> None:
        super().__init__(latent_dim, **shared)
        self.n_codes = n_codes
        self.token_dim = token_dim
        self.commitment = commitment

    def recipe(self) -> dict[str, Any]:
        quantiser = VectorQuantised(self.n_codes, self._given_width() or "auto")
        return {"bottleneck": quantiser, "prior": TokenPrior(), "terms": [NLL(), Commitment(self.commitment)]}

    def _token_width(self) -> int | None:
        return None if isinstance(self.token_dim, str) else self.token_dim
