"""Pictures of samples, many to a file, in the smallest form that a browser can read."""

from __future__ import annotations

import io
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from isthmus.explore.sheets import to_image

if TYPE_CHECKING:
    from PIL import Image

# A page shows samples small; larger pictures are reduced.
_MOST_SIDE = 128
# A browser opens a sheet at once, however few of its pictures are looked at.
_MOST_PIXELS = 1 << 20
# Bytes up to which pictures are kept exactly; more of them are kept as photographs are.
_EXACT = 4 << 20
_QUALITY = 90


@dataclass(frozen=True)
class Sheets:
    """Pictures on sheets.

    Parameters
    ----------
    layout : dict
        ``width``, ``height`` and ``channels`` of a picture, ``columns`` of a sheet, ``each``: pictures on a sheet.
    files : list of bytes
        The sheets, as WebP.
    exact : bool
        Whether every pixel is as it was.
    """

    layout: dict[str, int]
    files: list[bytes]
    exact: bool


def lay_out(pictures: np.ndarray) -> Sheets:
    """Bytes (n, H, W, C), of one or three channels, on sheets."""
    pictures = _reduced(pictures)
    n, height, width, channels = pictures.shape
    columns = max(1, min(n, math.isqrt(_MOST_PIXELS // (height * width) or 1)))
    each = columns * max(1, min(-(-n // columns), _MOST_PIXELS // (height * width * columns)))
    layout = {"width": width, "height": height, "channels": channels, "columns": columns, "each": each}
    tiles = [_tile(pictures[start : start + each], columns) for start in range(0, n, each)]
    files = [_webp(tile, lossless=True) for tile in tiles]
    exact = sum(map(len, files)) <= _EXACT
    return Sheets(layout, files if exact else [_webp(tile, lossless=False) for tile in tiles], exact)


def _reduced(pictures: np.ndarray) -> np.ndarray:
    """Pictures whose longer side is at most 128, by a whole factor."""
    factor = -(-max(pictures.shape[1:3]) // _MOST_SIDE)
    if factor <= 1:
        return pictures
    small = [np.asarray(_image(picture).reduce(factor)) for picture in pictures]
    return np.stack(small).reshape(len(small), *small[0].shape[:2], pictures.shape[-1])


def _image(picture: np.ndarray) -> Image.Image:
    return to_image(picture[..., 0] if picture.shape[-1] == 1 else picture)


def _tile(pictures: np.ndarray, columns: int) -> np.ndarray:
    """Bytes (rows * H, columns * W, C); what the last row lacks is black."""
    n, height, width, channels = pictures.shape
    rows = -(-n // columns)
    cells = np.zeros((rows * columns, height, width, channels), np.uint8)
    cells[:n] = pictures
    grid = cells.reshape(rows, columns, height, width, channels).swapaxes(1, 2)
    return grid.reshape(rows * height, columns * width, channels)


def _webp(tile: np.ndarray, *, lossless: bool) -> bytes:
    buffer = io.BytesIO()
    _image(tile).convert("RGB").save(buffer, format="WEBP", lossless=lossless, quality=_QUALITY, method=4)
    return buffer.getvalue()
