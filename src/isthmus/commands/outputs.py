"""Arrays and pictures to files, atomically, in the format that the ending names."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from isthmus.errors import MissingExtraError, ParameterError
from isthmus.explore.sheets import check_channels, enlarge, factor_for, png, sheet, to_bytes
from isthmus.files import atomic_write, write_npy

if TYPE_CHECKING:
    from isthmus.data.info import DataInfo

_SHEET_SIDE = 1024


def write_array(path: Path, array: np.ndarray, names: list[str] | None) -> None:
    """Write rows as ``.npy``, ``.csv`` or ``.parquet``; tables are flat, with ``names`` as header."""
    ending = path.suffix.lower()
    if ending == ".npy":
        write_npy(path, array)
        return
    if ending not in (".csv", ".parquet"):
        raise ParameterError(f"cannot write {str(path)!r}: an array goes to .npy, .csv or .parquet")
    table = array.reshape(len(array), -1)
    names = names if names and len(names) == table.shape[1] else [f"x{i}" for i in range(table.shape[1])]
    atomic_write(path, _csv(table, names) if ending == ".csv" else _parquet(table, names))


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


def _csv(table: np.ndarray, names: list[str]) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(names)
    writer.writerows(table.tolist())
    return text.getvalue().encode()


def _parquet(table: np.ndarray, names: list[str]) -> bytes:
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError:
        raise MissingExtraError("Parquet files need pyarrow: pip install 'isthmus[tables]'") from None
    sink = io.BytesIO()
    pq.write_table(pa.table(dict(zip(names, table.T, strict=True))), sink)
    return sink.getvalue()
