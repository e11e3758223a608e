"""Moving pictures inside a page."""

from __future__ import annotations

import numpy as np

from isthmus.explore.animation import encode, side_by_side
from isthmus.explore.sheets import sheet
from isthmus.tour.chapter import Film

_WIDE = 900


def film_of(
    walks: np.ndarray,
    limits: tuple[float, float],
    *,
    columns: int,
    alt: str,
    caption: str = "",
    fps: float = 6.0,
    ping_pong: bool = False,
) -> Film:
    """Frames (steps, n, H, W[, C]) of n pictures each, laid out in rows of ``columns``."""
    frames = side_by_side(np.swapaxes(walks, 0, 1), columns, limits=limits)
    frames = frames if frames.ndim == 4 else np.repeat(frames[..., None], 3, axis=-1)
    # What is between the pictures lets the page show through, be it light or dark.
    opaque = 255 - sheet(np.zeros(walks.shape[1:4], np.uint8), columns)
    frames = np.concatenate([frames, np.broadcast_to(opaque[..., None], (*frames.shape[:3], 1))], -1)
    width = frames.shape[2]
    factor = max(1, _WIDE // width)
    enlarged = frames.repeat(factor, 1).repeat(factor, 2)
    moving = encode(enlarged, ".webp", fps=fps, ping_pong=ping_pong)
    return Film(moving, encode(enlarged[-1:], ".webp", fps=fps), width * factor, alt, caption)
