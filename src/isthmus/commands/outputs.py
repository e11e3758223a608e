"""Sheets of pictures, written atomically."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from isthmus.errors import ParameterError
from isthmus.explore.sheets import check_channels, enlarge, factor_for, png, sheet, to_bytes
from isthmus.files import atomic_write

if TYPE_CHECKING:
    from isthmus.data.info import DataInfo

_SHEET_SIDE = 1024


def write_pictures(
    path: Path,
    pictures: np.ndarray,
    info: DataInfo,
    *,
    columns: int | None = None,
    limits: tuple[float, float] | None = None,
) -> None:
    """Write pictures (n, H, W[, C]) as one PNG sheet, enlarged to whole multiples if they are small.

    ``limits`` are the values that become black and white; by default, the range of the training data.
    """
    if not info.is_picture:
        raise ParameterError("only pictures can be written as .png; use .npy, .csv or .parquet for a table")
    if info.shape[2:] not in ((), (1,), (3,)):
        raise ParameterError(f"pictures of {info.shape[2]} channels cannot be written as .png; use .npy")
    columns = columns or int(np.ceil(np.sqrt(len(pictures))))
    tiles = sheet(check_channels(to_bytes(pictures, *(limits or info.display_range))), columns)
    atomic_write(path, png(enlarge(tiles, factor_for(tiles.shape, _SHEET_SIDE))))
