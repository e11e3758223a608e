"""Pictures as a page shows them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from isthmus.data.info import DataInfo


def shown(pictures: np.ndarray, info: DataInfo) -> np.ndarray:
    """Pictures (n, H, W) or (n, H, W, C) as uint8 (n, H, W, 1 or 3), black and white at the ends of the data's range.

    Three channels or more give red, green and blue; any other number is shown as its mean, in grey.
    """
    low, high = info.display_range
    values = 255 * (np.asarray(pictures, dtype=np.float64) - low) / max(high - low, 1e-12)
    values = values[..., None] if values.ndim == 3 else values
    values = values[..., :3] if values.shape[-1] in (3, 4) else values.mean(-1, keepdims=True)
    return np.rint(np.clip(values, 0, 255)).astype(np.uint8)
