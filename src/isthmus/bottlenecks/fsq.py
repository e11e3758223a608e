"""Tokens whose values are rounded, each to a few levels."""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor

from isthmus.bottlenecks.quantised import Quantisation, Quantised, largest_divisor
from isthmus.errors import ParameterError

Levels = tuple[int, ...] | Literal["auto"]
# So far beyond the outermost levels the values are bounded, so that these can be reached.
_MARGIN = 1e-3
# A distribution over them has weights for each.
_MOST_CODES = 1 << 16
# 2^3, 2^6 and about 2^8 codes, the last as Mentzer et al. (2024), table 1, have it.
_USUAL: dict[int, tuple[int, ...]] = {1: (8,), 2: (8, 8), 3: (8, 6, 5)}
FSQ_WIDEST = max(_USUAL)
"""Values that a token stands for at most, where that is left open."""


class FSQ(Quantised):
    """Each value of a token is bounded by tanh and rounded to one of a few levels (Mentzer et al., 2024, section 3).

    Finite scalar quantisation: the codebook is the grid of all combinations of levels, so nothing of it is learned, no
    cost keeps the features near it, and no code can die. Levels lie in [−1, 1]. An even number of them has no level in
    the middle of its range, which is therefore shifted by half a level, so that features of 0 round to 0.

    Parameters
    ----------
    levels : tuple of int or "auto"
        Levels of each value of a token, at least 2. "auto": (8, 6, 5), or (8, 8) or (8,) if the width of the code
        is no multiple of 3 or of 2.
    """

    reach: Tensor
    centre: Tensor
    count: Tensor
    places: Tensor

    def __init__(self, levels: Levels = "auto") -> None:
        super().__init__()
        self.levels = levels

    def setup(self, latent_dim: int) -> None:
        super().setup(latent_dim)
        levels = self._levels(latent_dim)
        self.n_codes = math.prod(levels)
        if min(levels) < 2 or self.n_codes > _MOST_CODES:
            raise ParameterError(
                f"levels must be at least 2 each and make at most {_MOST_CODES:,} codes together, got {levels}"
            )
        self.register_buffer("reach", torch.tensor([(n - 1) / 2 * (1 + _MARGIN) for n in levels]))
        # Number of the level at 0.
        self.register_buffer("centre", torch.tensor([float(n // 2) for n in levels]))
        self.register_buffer("count", torch.tensor(levels))
        self.register_buffer("places", torch.tensor([math.prod(levels[:i]) for i in range(len(levels))]))

    def choose_token_dim(self, latent_dim: int) -> int:
        return len(self._levels(latent_dim))

    def _levels(self, latent_dim: int) -> tuple[int, ...]:
        if isinstance(self.levels, str):
            return _USUAL[largest_divisor(latent_dim, FSQ_WIDEST)]
        if len(self.levels) == 0:
            raise ParameterError("levels must hold at least one number, got none")
        return tuple(int(n) for n in self.levels)

    def quantise(self, rows: Tensor) -> Quantisation:
        bounded = self.bound(rows)
        tokens = self._number(bounded.round())
        return Quantisation(tokens, self.look_up(tokens), bounded / self.centre)

    def bound(self, h: Tensor) -> Tensor:
        """Features within the range of the levels, in steps of one level, with 0 at the middle one."""
        shift = torch.where(self.count % 2 == 0, 0.5, 0.0)
        return (h + (shift / self.reach).atanh()).tanh() * self.reach - shift

    def look_up(self, tokens: Tensor) -> Tensor:
        digits = tokens // self.places % self.count
        return (digits - self.centre) / self.centre

    def find(self, z: Tensor) -> Tensor:
        return self._number((self.cut(z.float()) * self.centre).round())

    def _number(self, levels: Tensor) -> Tensor:
        """Numbers (..., 1) of tokens whose values are at these levels, counted from the one at 0; the first value is
        the digit of the ones.
        """
        digits = (levels + self.centre).long().clamp(min=0).minimum(self.count - 1)
        return (digits * self.places).sum(-1, keepdim=True)
