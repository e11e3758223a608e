"""What the sliders of a model stand for: its latents, or the whole numbers that its code is chosen by."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

if TYPE_CHECKING:
    from isthmus.models.base import BaseAutoencoder


class Sliders:
    """The latents as they are: a position z is a code.

    Parameters
    ----------
    est : BaseAutoencoder
        A fitted model.
    """

    whole: ClassVar[bool] = False
    """Whether a slider moves in steps."""
    are_codes: ClassVar[bool] = True
    """Whether a position is a code itself."""

    def __init__(self, est: BaseAutoencoder) -> None:
        self.est = est

    @property
    def width(self) -> int:
        """How many there are."""
        return self.est.latent_dim_

    def place(self, rows: Any) -> np.ndarray:
        """Positions (n, width) of samples, float32."""
        return self.est.transform(rows)

    def codes(self, z: np.ndarray) -> np.ndarray:
        """Codes (n, latent_dim) that positions (n, width) stand for."""
        return z

    def find(self, codes: np.ndarray) -> np.ndarray:
        """Positions (n, width) of codes (n, latent_dim), or of those that are nearest."""
        return codes

    def names(self) -> list[str]:
        """What to call them."""
        return [f"z{i}" for i in range(self.width)]

    def steps(self, i: int) -> dict[str, Any]:
        """Ends and steps of a slider, if it has any of its own."""
        return {}


class LayeredSliders(Sliders):
    """Latents of several layers, the abstract ones first."""

    def names(self) -> list[str]:
        bottleneck: Any = self.est.module_.bottleneck
        widths = bottleneck.ladder.widths
        return [f"layer {layer + 1}, z{i}" for layer, width in enumerate(widths) for i in range(width)]


class SphereSliders(Sliders):
    """Codes on the unit sphere: a position beside it stands for the direction that it has."""

    def codes(self, z: np.ndarray) -> np.ndarray:
        length = np.linalg.norm(z, axis=1, keepdims=True)
        first = np.eye(1, z.shape[1], dtype=z.dtype)
        return np.where(length > 0, z / np.where(length > 0, length, 1), first)


class LevelSliders(Sliders):
    """Values that are rounded to levels: a position is brought to the nearest."""

    whole = True

    def codes(self, z: np.ndarray) -> np.ndarray:
        centre, most = self._grid()
        return np.clip(np.rint(z * centre), -centre, most - centre).astype(np.float32) / centre.astype(np.float32)

    def find(self, codes: np.ndarray) -> np.ndarray:
        return self.codes(codes)

    def steps(self, i: int) -> dict[str, Any]:
        centre, most = (float(values[i]) for values in self._grid())
        return {"low": -1.0, "high": (most - centre) / centre, "step": 1 / centre, "n": int(most) + 1}

    def _grid(self) -> tuple[np.ndarray, np.ndarray]:
        """Level at 0 and last level of every value, counted from 0."""
        levels: Any = self.est.module_.bottleneck
        n = levels.n_tokens_
        return np.tile(levels.centre.numpy(), n), np.tile(levels.count.numpy() - 1.0, n)


class TokenSliders(Sliders):
    """Numbers of the codebook's vectors, one for each token (and each codebook, if their vectors are added up)."""

    whole = True
    are_codes = False

    @property
    def width(self) -> int:
        return self._book.n_tokens_ * self._book.depth

    def place(self, rows: Any) -> np.ndarray:
        tokens = self.est.tokens(rows)  # pyright: ignore[reportAttributeAccessIssue]
        return tokens.reshape(len(tokens), -1).astype(np.float32)

    def codes(self, z: np.ndarray) -> np.ndarray:
        import torch

        numbers = np.clip(np.rint(z), 0, self._book.n_codes - 1).astype(np.int64)
        with torch.no_grad():
            shaped = torch.from_numpy(numbers).reshape(len(z), self._book.n_tokens_, self._book.depth)
            return self._book.vectors(shaped).numpy()

    def find(self, codes: np.ndarray) -> np.ndarray:
        import torch

        with torch.no_grad():
            tokens = self._book.find(torch.from_numpy(np.asarray(codes, np.float32)))
        return tokens.reshape(len(codes), -1).numpy().astype(np.float32)

    def names(self) -> list[str]:
        depth = self._book.depth
        names = [f"token {token + 1}" for token in range(self._book.n_tokens_)]
        return names if depth == 1 else [f"{name}, book {book + 1}" for name in names for book in range(depth)]

    def steps(self, i: int) -> dict[str, Any]:
        return {"low": 0.0, "high": self._book.n_codes - 1.0, "step": 1.0, "n": self._book.n_codes}

    @property
    def _book(self) -> Any:
        return self.est.module_.bottleneck


def sliders_of(est: BaseAutoencoder) -> Sliders:
    """The sliders that suit a model."""
    from isthmus.bottlenecks import FSQ, Quantised

    bottleneck = est.module_.bottleneck
    if isinstance(bottleneck, FSQ):
        return LevelSliders(est)
    if isinstance(bottleneck, Quantised):
        return TokenSliders(est)
    if bottleneck.support == "sphere":
        return SphereSliders(est)
    return LayeredSliders(est) if hasattr(bottleneck, "ladder") else Sliders(est)
