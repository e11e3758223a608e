"""Pictures in rows and columns, as a plain matplotlib ``Figure`` to save or to show."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from isthmus.explore.style import INK, LABEL, WIDE, new_figure, plain

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_DIVERGING = "RdBu_r"
_MOST_SIDE = 96


def to_rgb(pictures: np.ndarray, low: float, high: float) -> np.ndarray:
    """Pictures (n, H, W) or (n, H, W, C) as colours (n, H, W, 3) in [0, 1], clipped to [low, high].

    Three or four channels give red, green and blue; any other number is shown as its mean, in grey.
    Pictures larger than 96 pixels are thinned: a tile on a page can show no more.
    """
    step = max(1, max(pictures.shape[1:3]) // _MOST_SIDE)
    values = (np.asarray(pictures[:, ::step, ::step], dtype=np.float64) - low) / max(high - low, 1e-12)
    values = np.clip(values, 0, 1)
    values = values[..., None] if values.ndim == 3 else values
    if values.shape[-1] in (3, 4):
        return values[..., :3]
    return np.repeat(values.mean(-1, keepdims=True), 3, axis=-1)


def difference_rgb(difference: np.ndarray, limit: float) -> np.ndarray:
    """Signed differences (n, H, W[, C]) as colours: blue at ``-limit``, white at 0, red at ``limit``."""
    import matplotlib

    step = max(1, max(difference.shape[1:3]) // _MOST_SIDE)
    values = np.asarray(difference[:, ::step, ::step], dtype=np.float64)
    values = values.mean(-1) if values.ndim == 4 else values
    return matplotlib.colormaps[_DIVERGING](0.5 + 0.5 * np.clip(values / max(limit, 1e-12), -1, 1))[..., :3]


def picture_table(
    tiles: np.ndarray,
    *,
    row_labels: Sequence[str] = (),
    column_labels: Sequence[str] = (),
    group: int | None = None,
) -> Figure:
    """Pictures in rows and columns.

    Parameters
    ----------
    tiles : ndarray of shape (rows, columns, H, W, 3)
        Colours in [0, 1]; NaN leaves a tile empty.
    row_labels, column_labels : sequence of str
        Written beside and above; a column label starts at the left of its column.
    group : int, optional
        Columns that belong together; a wider gap follows each such group.
    """
    n_rows, n_columns, height, width = tiles.shape[:4]
    gap = max(1, round(min(height, width) / 14))
    left = np.array([j * (width + gap) + (j // group if group else 0) * 3 * gap for j in range(n_columns)])
    size = (n_rows * (height + gap) - gap, int(left[-1]) + width)
    mosaic = np.zeros((*size, 4))
    for i in range(n_rows):
        for j in range(n_columns):
            tile = tiles[i, j]
            alpha = np.isfinite(tile[..., :1]).astype(float)
            part = np.concatenate([np.nan_to_num(tile), alpha], -1)
            mosaic[i * (height + gap) : i * (height + gap) + height, left[j] : left[j] + width] = part
    margin = (1.15 if row_labels else 0.02, 0.28 if column_labels else 0.02)
    scale = min((WIDE - margin[0]) / size[1], 0.82 / max(height, width))
    figure = new_figure(margin[0] + size[1] * scale + 0.02, margin[1] + size[0] * scale + 0.02, layout=None)
    whole = figure.get_size_inches()
    box = (margin[0] / whole[0], 0.02 / whole[1], size[1] * scale / whole[0], size[0] * scale / whole[1])
    axes = figure.add_axes(box)
    axes.imshow(mosaic, interpolation="none", extent=(0, size[1], size[0], 0), aspect="auto")
    axes.axis("off")
    for i, label in enumerate(row_labels):
        y = i * (height + gap) + height / 2
        axes.text(-0.1 / scale, y, plain(label), ha="right", va="center", fontsize=LABEL, color=INK)
    for j, label in enumerate(column_labels):
        axes.text(left[j], -0.08 / scale, plain(label), ha="left", va="bottom", fontsize=LABEL, color=INK)
    return figure


def picture_grid(tiles: np.ndarray, n_columns: int) -> Figure:
    """Pictures (n, H, W, 3) row by row."""
    n_columns = min(n_columns, len(tiles))
    n_rows = -(-len(tiles) // n_columns)
    filled = np.full((n_rows * n_columns, *tiles.shape[1:]), np.nan)
    filled[: len(tiles)] = tiles
    return picture_table(filled.reshape(n_rows, n_columns, *tiles.shape[1:]))
