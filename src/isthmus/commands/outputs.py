"""Arrays and pictures to files, atomically, in the format that the ending names."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from isthmus.errors import MissingExtraError, ParameterError
from isthmus.files import atomic_write

if TYPE_CHECKING:
    from isthmus.data.info import DataInfo

_SHEET_SIDE = 1024


def write_array(path: Path, array: np.ndarray, names: list[str] | None) -> None:
    """Write rows as ``.npy``, ``.csv`` or ``.parquet``; tables are flat, with ``names`` as header."""
    ending = path.suffix.lower()
    if ending == ".npy":
        buffer = io.BytesIO()
        np.save(buffer, array, allow_pickle=False)
        atomic_write(path, buffer.getvalue())
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
    span: tuple[float, float] | None = None,
) -> None:
    """Write pictures (n, H, W[, C]) as one PNG sheet, enlarged to whole multiples if they are small.

    ``span`` is what black and white stand for; by default, the range of the training data.
    """
    from PIL import Image

    if not info.is_picture:
        raise ParameterError("only pictures can be written as .png; use .npy, .csv or .parquet for a table")
    if info.shape[2:] not in ((), (1,), (3,)):
        raise ParameterError(f"pictures of {info.shape[2]} channels cannot be written as .png; use .npy")
    n, height, width = pictures.shape[:3]
    columns = columns or int(np.ceil(np.sqrt(n)))
    rows = -(-n // columns)
    cells = np.full((rows * columns, height + 1, width + 1, *pictures.shape[3:]), 255, np.uint8)
    cells[:n, :height, :width] = to_bytes(pictures, span or info.display_range)
    sheet = cells.reshape(rows, columns, height + 1, width + 1, -1).swapaxes(1, 2)
    sheet = sheet.reshape(rows * (height + 1), columns * (width + 1), -1)[:-1, :-1]
    picture = Image.fromarray(sheet[..., 0] if sheet.shape[-1] == 1 else sheet)
    factor = max(1, _SHEET_SIDE // max(picture.size))
    picture = picture.resize((picture.width * factor, picture.height * factor), Image.Resampling.NEAREST)
    buffer = io.BytesIO()
    picture.save(buffer, format="PNG")
    atomic_write(path, buffer.getvalue())


def to_bytes(pictures: np.ndarray, span: tuple[float, float]) -> np.ndarray:
    """Pictures in the data's own units to 0 … 255, where ``span`` is black and white."""
    low, high = span
    unit = (np.asarray(pictures, np.float64) - low) / max(high - low, 1e-12)
    return np.rint(np.clip(unit, 0, 1) * 255).astype(np.uint8)


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
