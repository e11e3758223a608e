"""Positions of sliders inside the graphs of a page, as `isthmus.studio.sliders` has them outside."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from isthmus.onnx import Positions

if TYPE_CHECKING:
    from isthmus.core import Composed
    from isthmus.studio.sliders import Sliders


class OnSphere(Positions):
    """A position stands for the direction that it has."""

    def codes(self, z: Tensor) -> Tensor:
        length = z.norm(dim=1, keepdim=True)
        first = torch.eye(1, z.shape[1], dtype=z.dtype)
        return torch.where(length > 0, z / torch.where(length > 0, length, 1.0), first)


class OnLevels(Positions):
    """A position is brought to the nearest level of each value."""

    def __init__(self, module: Composed) -> None:
        super().__init__(module)
        levels: Any = module.bottleneck
        self.register_buffer("centre", levels.centre.float().repeat(levels.n_tokens_))
        self.register_buffer("most", (levels.count - 1).float().repeat(levels.n_tokens_))

    def codes(self, z: Tensor) -> Tensor:
        centre, most = self.get_buffer("centre"), self.get_buffer("most")
        return torch.minimum(torch.maximum((z * centre).round(), -centre), most - centre) / centre

    def find(self, code: Tensor) -> Tensor:
        return self.codes(code)


class ByToken(Positions):
    """A position holds the numbers of vectors."""

    def of(self, h: Tensor) -> Tensor:
        return self.bottleneck(h).aux["tokens"].flatten(1).float()

    def codes(self, z: Tensor) -> Tensor:
        book: Any = self.bottleneck
        numbers = z.round().clamp(0, book.n_codes - 1).long()
        return book.vectors(numbers.reshape(-1, book.n_tokens_, book.depth))

    def find(self, code: Tensor) -> Tensor:
        # Book by book, and not by a search among all sums of their vectors, which is no fixed graph.
        book: Any = self.bottleneck
        return book.quantise(book.cut(code)).tokens.flatten(1).float()


def positions_of(module: Composed, sliders: Sliders) -> Positions | None:
    """What the sliders of a model stand for, as a part of its graphs; None where it is the code itself."""
    from isthmus.studio.sliders import LevelSliders, SphereSliders, TokenSliders

    kinds = ((TokenSliders, ByToken), (LevelSliders, OnLevels), (SphereSliders, OnSphere))
    for sliding, positions in kinds:
        if isinstance(sliders, sliding):
            return positions(module)
    return None
