"""Pictures as bytes: in a sheet of rows and columns, enlarged, with a caption."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import numpy as np

from isthmus.errors import DataError

if TYPE_CHECKING:
    from PIL import Image

_CAPTION = 24


def to_bytes(pictures: np.ndarray, low: float, high: float) -> np.ndarray:
    """Pictures in any units to 0 … 255, clipped to [low, high]."""
    unit = (np.asarray(pictures, np.float64) - low) / max(high - low, 1e-12)
    return np.rint(np.clip(unit, 0, 1) * 255).astype(np.uint8)


def check_channels(pictures: np.ndarray, *, axes: int = 3) -> np.ndarray:
    """Pictures (n, H, W) or (n, H, W, 3) of those with one or three channels; other arrays are refused."""
    if pictures.ndim == axes + 1 and pictures.shape[-1] == 1:
        return pictures[..., 0]
    if pictures.ndim == axes or (pictures.ndim == axes + 1 and pictures.shape[-1] == 3):
        return pictures
    raise DataError(
        f"pictures to be drawn are (n, H, W), or (n, H, W, C) with 1 or 3 channels, and these have shape "
        f"{pictures.shape}; write other arrays as .npy"
    )


def sheet(pictures: np.ndarray, n_columns: int) -> np.ndarray:
    """Bytes (n, H, W[, 3]) laid out row by row, with white lines of one pixel between them."""
    n, height, width = pictures.shape[:3]
    n_rows = -(-n // n_columns)
    cells = np.full((n_rows * n_columns, height + 1, width + 1, *pictures.shape[3:]), 255, np.uint8)
    cells[:n, :height, :width] = pictures
    grid = cells.reshape(n_rows, n_columns, *cells.shape[1:]).swapaxes(1, 2)
    return grid.reshape(n_rows * (height + 1), n_columns * (width + 1), *pictures.shape[3:])[:-1, :-1]


def factor_for(shape: tuple[int, ...], side: int) -> int:
    """Whole factor by which a picture of this shape is enlarged, so that its longer side is at most ``side``."""
    return max(1, side // max(shape[:2]))


def enlarge(picture: np.ndarray, factor: int) -> np.ndarray:
    """Bytes (H, W[, 3]) with every pixel as a square of ``factor`` by ``factor``."""
    return picture.repeat(factor, 0).repeat(factor, 1)


def captioned(picture: np.ndarray, text: str) -> np.ndarray:
    """Bytes (H, W[, 3]) with a line of text below."""
    from matplotlib import font_manager  # its own font is there on every machine
    from PIL import ImageDraw, ImageFont

    height, width = picture.shape[:2]
    canvas = np.full((height + _CAPTION, width, *picture.shape[2:]), 255, np.uint8)
    canvas[:height] = picture
    image = to_image(canvas)
    font = ImageFont.truetype(font_manager.findfont(font_manager.FontProperties()), _CAPTION * 0.6)
    ink = 30 if image.mode == "L" else (30, 40, 50)
    ImageDraw.Draw(image).text((4, height + _CAPTION / 2), text, font=font, fill=ink, anchor="lm")
    return np.asarray(image)


def to_image(picture: np.ndarray) -> Image.Image:
    """Bytes (H, W) or (H, W, 3) as Pillow's own."""
    from PIL import Image

    return Image.fromarray(picture)


def png(picture: np.ndarray) -> bytes:
    """A PNG file of bytes (H, W) or (H, W, 3)."""
    buffer = io.BytesIO()
    to_image(picture).save(buffer, format="PNG")
    return buffer.getvalue()
