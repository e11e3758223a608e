"""Samples as a browser shows them: pictures as bytes, rows in their own units."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from isthmus.errors import DataError
from isthmus.explore.sheets import to_bytes

if TYPE_CHECKING:
    from isthmus.data.info import DataInfo


def shown(samples: np.ndarray, info: DataInfo) -> np.ndarray:
    """Bytes (n, H, W, 1 or 3) of pictures, float32 (n, d) of rows.

    Pictures may be flat. Of four channels the first three are shown, and of another number their mean.
    """
    if not info.is_picture:
        return np.asarray(samples, np.float32).reshape(len(samples), -1)
    pictures = np.asarray(samples).reshape(len(samples), *info.shape)
    if pictures.ndim == 3:
        pictures = pictures[..., None]
    elif pictures.shape[-1] == 4:
        pictures = pictures[..., :3]
    elif pictures.shape[-1] not in (1, 3):
        pictures = pictures.mean(-1, keepdims=True, dtype=np.float64)
    return to_bytes(pictures, *info.display_range)


def frames(samples: np.ndarray, info: DataInfo) -> np.ndarray:
    """Bytes (n, H, W) or (n, H, W, 3), for files of pictures."""
    if not info.is_picture:
        raise DataError("rows of a table are no pictures; ask for csv or npz instead")
    pictures = shown(samples, info)
    return pictures[..., 0] if pictures.shape[-1] == 1 else pictures
