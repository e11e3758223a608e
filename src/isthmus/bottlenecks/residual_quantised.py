"""Several codebooks, each of which quantises what the ones before it left over."""

from __future__ import annotations

from functools import reduce
from typing import cast

import torch
from torch import Tensor, nn

from isthmus.bottlenecks.codebook import Codebook
from isthmus.bottlenecks.quantised import Quantisation, Quantised, TokenDim, largest_divisor

# Partial sums that are followed up at once, in turn, while looking for the vectors that add up to a code.
_BREADTHS = (8, 64, 512)
# Distances computed at once in that search.
_MOST_VALUES = 1 << 24


class ResidualQuantised(Quantised):
    """Each token is a sum of vectors, one of each codebook, chosen in turn (Zeghidour et al., 2021, algorithm 1).

    The first codebook quantises the features, the next one what is left over, and so on: ``depth`` codebooks of K
    vectors make K^depth tokens. ``aux["distance"]`` is that of `VectorQuantised`, summed over the codebooks too.

    Parameters
    ----------
    n_codes : int
        K, vectors of each codebook.
    token_dim : int or "auto"
        Values of a token. "auto": the largest number up to 4 that divides the width of the code.
    depth : int
        Codebooks.
    """

    def __init__(self, n_codes: int = 32, token_dim: TokenDim = "auto", depth: int = 4) -> None:
        super().__init__()
        self.n_codes = n_codes
        self.token_dim = token_dim
        self.depth = depth

    def setup(self, latent_dim: int) -> None:
        super().setup(latent_dim)
        self.codebooks = nn.ModuleList(Codebook(self.n_codes, self.token_dim_) for _ in range(self.depth))

    def choose_token_dim(self, latent_dim: int) -> int:
        return largest_divisor(latent_dim) if isinstance(self.token_dim, str) else self.token_dim

    def quantise(self, rows: Tensor) -> Quantisation:
        left, chosen, added, distances = rows, [], [], []
        for codebook in self._books():
            tokens, vectors = codebook(left)
            left = left - vectors
            chosen.append(tokens)
            added.append(vectors)
            distances.append(left.square().sum((-2, -1)))
        return Quantisation(torch.stack(chosen, -1), reduce(torch.add, added), rows, torch.stack(distances).sum(0))

    def look_up(self, tokens: Tensor) -> Tensor:
        # In the order in which `quantise` adds them up, so that the sum has the same bits.
        books = zip(self._books(), tokens.unbind(-1), strict=True)
        return reduce(torch.add, [codebook.vectors[number] for codebook, number in books])

    def find(self, z: Tensor) -> Tensor:
        """Tokens (n, n_tokens, depth) that add up to codes (n, latent_dim): the nearest found, if none does exactly.

        Quantising a code anew need not give the tokens that it was made of, since other vectors may be nearer at first.
        Where that is so, more and more partial sums are followed up.
        """
        rows = self.cut(z.float())
        tokens = self._search(rows.flatten(0, 1), 1).unflatten(0, rows.shape[:2])
        for breadth in _BREADTHS:
            missed = (self.look_up(tokens) != rows).any(-1)
            if not missed.any():
                break
            tokens[missed] = self._search(rows[missed], breadth)
        # Of equal vectors the first, whatever the search came upon.
        firsts = [codebook.nearest(codebook.vectors) for codebook in self._books()]
        return torch.stack([first[number] for first, number in zip(firsts, tokens.unbind(-1), strict=True)], -1)

    def _search(self, rows: Tensor, breadth: int) -> Tensor:
        """Tokens (n, depth) whose sums come nearest to rows (n, token_dim), found by a beam search."""
        size = max(1, _MOST_VALUES // (breadth * self.n_codes))
        return torch.cat([self._follow(part, breadth) for part in rows.split(size)])

    def _follow(self, rows: Tensor, breadth: int) -> Tensor:
        n, k = len(rows), self.n_codes
        left, tokens = rows[:, None], torch.zeros(n, 1, 0, dtype=torch.int64, device=rows.device)
        for codebook in self._books():
            far = codebook.distances(left).flatten(1)
            best = far.topk(min(breadth, far[0].numel()), largest=False).indices
            parent, number = best // k, best % k
            left = left.take_along_dim(parent[..., None], 1) - codebook.vectors[number]
            tokens = torch.cat([tokens.take_along_dim(parent[..., None], 1), number[..., None]], -1)
        error = (self.look_up(tokens) - rows[:, None]).square().sum(-1)
        return tokens[torch.arange(n, device=rows.device), error.argmin(1)]

    def _books(self) -> list[Codebook]:
        return [cast(Codebook, codebook) for codebook in self.codebooks]
