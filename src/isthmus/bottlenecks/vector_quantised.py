"""A codebook of vectors, of which the nearest stands for each token."""

from __future__ import annotations

from torch import Tensor

from isthmus.bottlenecks.codebook import Codebook
from isthmus.bottlenecks.quantised import Quantisation, Quantised, TokenDim, largest_divisor


class VectorQuantised(Quantised):
    """Each token is the nearest vector of one codebook (VQ-VAE; van den Oord et al., 2017, eqs. 1 to 3).

    The codebook follows the features by running means (`isthmus.bottlenecks.codebook.Codebook`), so it has no cost.
    The features are kept near it by `isthmus.terms.Commitment`, for which ``aux["distance"]`` holds the squared
    distance of each sample's features to its vectors, summed over tokens, of shape (B,).

    Parameters
    ----------
    n_codes : int
        K, vectors of the codebook.
    token_dim : int or "auto"
        Values of a token. "auto": the largest number up to 4 that divides the width of the code.
    """

    def __init__(self, n_codes: int = 64, token_dim: TokenDim = "auto") -> None:
        super().__init__()
        self.n_codes = n_codes
        self.token_dim = token_dim

    def setup(self, latent_dim: int) -> None:
        super().setup(latent_dim)
        self.codebook = Codebook(self.n_codes, self.token_dim_)

    def choose_token_dim(self, latent_dim: int) -> int:
        return largest_divisor(latent_dim) if isinstance(self.token_dim, str) else self.token_dim

    def quantise(self, rows: Tensor) -> Quantisation:
        tokens, vectors = self.codebook(rows)
        return Quantisation(tokens.unsqueeze(-1), vectors, rows, (rows - vectors).square().sum((-2, -1)))

    def look_up(self, tokens: Tensor) -> Tensor:
        return self.codebook.vectors[tokens.squeeze(-1)]

    def find(self, z: Tensor) -> Tensor:
        return self.codebook.nearest(self.cut(z.float())).unsqueeze(-1)
