"""Pictures of samples, many to a file, in the smallest form that a browser can read."""

from __future__ import annotations

import io
import math
from dataclasses import dataclass

import numpy as np

from isthmus.explore.sheets import to_image

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
    n, height, width, channels = pictures.shape
    columns = max(1, min(n, math.isqrt(_MOST_PIXELS // (height * width) or 1)))
    each = columns * max(1, min(-(-n // columns), _MOST_PIXELS // (height * width * columns)))
    layout = {"width": width, "height": height, "channels": channels, "columns": columns, "each": each}
    tiles = [_tile(pictures[start : start + each], columns) for start in range(0, n, each)]
    files = [_webp(tile, lossless=True) for tile in tiles]
    exact = sum(map(len, files)) <= _EXACT
    return Sheets(layout, files if exact else [_webp(tile, lossless=False) for tile in tiles], exact)


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
    image = to_image(tile[..., 0] if tile.shape[-1] == 1 else tile).convert("RGB")
    image.save(buffer, format="WEBP", lossless=lossless, quality=_QUALITY, method=4)
    return buffer.getvalue()
