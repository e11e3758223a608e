"""What every quantised bottleneck has in common."""

from __future__ import annotations

from abc import abstractmethod
from typing import Literal, NamedTuple

from torch import Tensor

from isthmus.bottlenecks.base import Bottleneck
from isthmus.core import Code
from isthmus.errors import ParameterError

TokenDim = int | Literal["auto"]
WIDEST = 4
"""Values that a token stands for at most, where that is left open."""


class Quantisation(NamedTuple):
    """What a quantiser makes of features (B, n_tokens, token_dim).

    Parameters
    ----------
    tokens : Tensor of shape (B, n_tokens, depth)
        Numbers of the vectors.
    vectors : Tensor of shape (B, n_tokens, token_dim)
        Their sums over the depth: what stands for the features.
    smooth : Tensor of shape (B, n_tokens, token_dim)
        What the gradient is passed to: the features, or a smooth function of them.
    distance : Tensor of shape (B,), optional
        Squared distance of the features to what stands for them, where it is to cost something.
    """

    tokens: Tensor
    vectors: Tensor
    smooth: Tensor
    distance: Tensor | None = None


class Quantised(Bottleneck):
    """Codes from a finite set: the encoder's features, cut into tokens, and each of these replaced by one of K vectors.

    A code of width latent_dim is n_tokens pieces of ``token_dim_`` values each, one after the other. The code that is
    decoded holds the vectors; ``aux`` holds ``tokens``, their numbers, of shape (B, n_tokens, depth): a token is the
    sum of ``depth`` vectors, of one codebook each. Gradients pass the quantiser as if it were not there, from the
    vectors to the features (straight-through; Bengio et al., 2013).
    """

    depth: int = 1
    """Codebooks, whose vectors are added up."""
    n_codes: int = 1
    """Vectors of each codebook."""
    token_dim_: int
    n_tokens_: int

    def setup(self, latent_dim: int) -> None:
        super().setup(latent_dim)
        self.token_dim_ = self.choose_token_dim(latent_dim)
        if latent_dim % self.token_dim_:
            raise ParameterError(
                f"latent_dim={latent_dim} cannot be cut into tokens of {self.token_dim_} values; choose a multiple of "
                f"{self.token_dim_}, or another width of the tokens"
            )
        self.n_tokens_ = latent_dim // self.token_dim_

    @abstractmethod
    def choose_token_dim(self, latent_dim: int) -> int:
        """Values of a token."""

    @abstractmethod
    def quantise(self, rows: Tensor) -> Quantisation:
        """Replace features (B, n_tokens, token_dim); a quantiser that learns while training does so here."""

    @abstractmethod
    def look_up(self, tokens: Tensor) -> Tensor:
        """Vectors of tokens: from whole numbers (..., depth) to (..., token_dim)."""

    @abstractmethod
    def find(self, z: Tensor) -> Tensor:
        """Tokens (n, n_tokens, depth) that stand for codes (n, latent_dim): the nearest, if none does exactly."""

    def forward(self, h: Tensor) -> Code:
        made = self.quantise(self.cut(h.float()))
        aux = {"tokens": made.tokens}
        if made.distance is not None:
            aux["distance"] = made.distance
        # In value the vectors, to the last bit; in gradient what is smooth.
        z = made.vectors.detach() + (made.smooth - made.smooth.detach())
        return Code(z.flatten(-2), aux=aux)

    def cut(self, h: Tensor) -> Tensor:
        """Values (..., latent_dim) as those of every token, (..., n_tokens, token_dim)."""
        return h.unflatten(-1, (self.n_tokens_, self.token_dim_))

    def vectors(self, tokens: Tensor) -> Tensor:
        """The code (..., latent_dim) that tokens (..., n_tokens, depth) stand for."""
        return self.look_up(tokens).flatten(-2)


def largest_divisor(latent_dim: int, most: int = WIDEST) -> int:
    """The largest number up to ``most`` that divides the width of the code."""
    return next(n for n in range(most, 0, -1) if latent_dim % n == 0)
