"""What a person may drop on the page, read in memory: a picture, an array, or a row of a table."""

from __future__ import annotations

import csv
import io
import math
import zipfile
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from isthmus.data.npy import from_bytes
from isthmus.data.pictures import quiet, with_picture
from isthmus.data.sources import member_header
from isthmus.data.tables import one_line, read_header, some
from isthmus.errors import DataError, DataSourceError, IsthmusError

if TYPE_CHECKING:
    from PIL.Image import Image

MOST_PIXELS = 16_000_000
"""Pixels of a picture, told from its header before anything is decoded."""
MOST_BYTES = 64 << 20
"""Bytes of an array once it is unpacked."""
MOST_CELLS, MOST_LINES = 1 << 16, 200_000
"""Cells of a row of text, and lines of all of it."""

_NPY, _ZIP = b"\x93NUMPY", b"PK\x03\x04"
_PICTURES = (b"\x89PNG", b"\xff\xd8\xff", b"II*\x00", b"MM\x00*", b"GIF8")
_INDEX = "unnamed_0"
_BESIDE = (_INDEX, "label", "labels", "class", "target", "y")
_WORDS = {"true": 1.0, "false": 0.0}


@dataclass(frozen=True)
class Row:
    """A row of text: its cells, by name if the file gives names."""

    cells: list[str]
    names: list[str] | None
    line: str


@dataclass(frozen=True)
class Found:
    """What was in a file: exactly one of a picture, an array or a row."""

    name: str
    picture: Image | None = None
    array: np.ndarray | None = None
    row: Row | None = None
    n_rows: int = 1
    """Rows of the table that ``row`` was taken from."""


def read_file(data: bytes, name: str, *, index: int = 0, most_pixels: int = MOST_PIXELS) -> Found:
    """Read a file by its contents, whatever its ending; nothing is written to disk.

    Parameters
    ----------
    data : bytes
        PNG, JPEG, WebP, BMP, TIFF, GIF, ``.npy``, ``.npz``, or comma- or tab-separated text.
    name : str
        What to call it in messages.
    index : int
        Which row of a table, from 0.
    most_pixels : int
        Pictures with more are refused by their header.

    Returns
    -------
    Found

    Raises
    ------
    DataError, DataSourceError
        It is empty, damaged, too large when unpacked, or nothing that can be read.
    """
    if not data:
        raise DataError(f"{name} is empty")
    if data.startswith(_NPY):
        return Found(name, array=_read_npy(data, name))
    if data.startswith(_ZIP):
        return Found(name, array=_read_npz(data, name))
    if _is_picture(data):
        with quiet():
            decode = partial(_decode, most_pixels=most_pixels)
            return Found(name, picture=with_picture(io.BytesIO(data), decode, name))
    return _read_text(data, name, index)


def _is_picture(data: bytes) -> bool:
    # A table may begin with "BMI" or "RIFFLE": of these formats the reserved bytes and the second mark are looked at.
    bitmap = data.startswith(b"BM") and data[6:10] == bytes(4)
    return data.startswith(_PICTURES) or bitmap or (data.startswith(b"RIFF") and data[8:12] == b"WEBP")


def _decode(picture: Image, most_pixels: int) -> Image:
    from PIL import ImageOps

    width, height = picture.size
    if width * height > most_pixels:
        raise DataError(
            f"it has {width:,} x {height:,} pixels, and at most {most_pixels:,} are read; make it smaller first"
        )
    picture.load()
    # A copy, as the file is closed behind it.
    return ImageOps.exif_transpose(picture.copy())


def _read_npy(data: bytes, name: str) -> np.ndarray:
    array = from_bytes(data, name)
    _check_array(array.shape, array.dtype, name)
    return array


def _read_npz(data: bytes, name: str) -> np.ndarray:
    """The first array of an archive that could be a sample."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = [member for member in archive.infolist() if member.filename.endswith(".npy")]
            if not members:
                raise DataError(f"{name} is an archive without arrays; drop a .npy or .npz file of NumPy")
            shape, _, dtype = member_header(archive, members[0], name)
            where = f"{name}:{members[0].filename.removesuffix('.npy')}"
            _check_array(shape, dtype, where)
            if members[0].file_size > MOST_BYTES:
                raise DataError(f"{where} has {members[0].file_size:,} bytes, and at most {MOST_BYTES:,} are read")
            with archive.open(members[0]) as handle:
                return np.lib.format.read_array(handle, allow_pickle=False)
    except IsthmusError:
        raise
    # On damaged archives zipfile raises BadZipFile, RuntimeError, zlib.error, struct.error ...
    except Exception as error:
        raise DataSourceError(f"{name} is not an .npz archive, or is damaged: {one_line(error)}") from error


def _check_array(shape: tuple[int, ...], dtype: np.dtype, name: str) -> None:
    if dtype.kind not in "biuf":
        raise DataError(f"{name} has dtype {dtype}; only numbers can be given to a model")
    if 0 in shape:
        raise DataError(f"{name} has shape {shape}, which holds no values")


def _read_text(data: bytes, name: str, index: int) -> Found:
    start = data[:4096]
    if b"\x00" in start:
        raise _unknown(name)
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise _unknown(name) from None
    first = text[: text.find("\n") + 1 or len(text)]
    separator = "\t" if "\t" in first and "," not in first else ","
    if first.count(separator) >= MOST_CELLS:
        raise DataError(f"{name} has {first.count(separator) + 1:,} columns, and at most {MOST_CELLS:,} are read")
    if text.count("\n") > MOST_LINES:
        raise DataError(f"{name} has {text.count(chr(10)):,} lines, and at most {MOST_LINES:,} are read")
    try:
        rows, names = _rows(text, separator, name)
    except csv.Error as error:
        raise DataError(f"{name} is no picture, no array and no table: {one_line(error)}") from None
    if not rows and len(names or ()) < 2:
        raise _unknown(name)
    if not rows:
        raise DataError(f"{name} has names of columns, but no row below them")
    if not 0 <= index < len(rows):
        raise DataError(f"{name} has {len(rows):,} rows, so there is no row {index + 1:,}")
    cells = [cell.strip() for cell in next(csv.reader([rows[index]], delimiter=separator, skipinitialspace=True))]
    return Found(name, row=Row(cells, names, f"row {index + 1:,} of {name}"), n_rows=len(rows))


def _rows(text: str, separator: str, name: str) -> tuple[list[str], list[str] | None]:
    """Lines that hold values, and the names above them if there are any."""
    handle = io.StringIO(text, newline="")
    names, _, lines = read_header(handle, separator, name)
    rest = [line for line in text.splitlines()[lines:] if line.strip()]
    return rest, names if lines else None


def _unknown(name: str) -> DataError:
    return DataError(
        f"{name} is no picture (PNG, JPEG, WebP, BMP, TIFF, GIF), no array (.npy, .npz) and no table in UTF-8 text "
        "(.csv, .tsv)"
    )


def numbers_of(row: Row, wanted: list[str] | None, n: int) -> tuple[np.ndarray, list[str]]:
    """The ``n`` values of a row that a model takes, and the columns that were left out.

    Parameters
    ----------
    row : Row
        Cells as text.
    wanted : list of str or None
        Names of the model's features. Where the row has names too they decide, in whatever order they come.
    n : int
        How many values a sample has.

    Raises
    ------
    DataError
        There are more or fewer values, a column is missing, or a cell is no finite number.
    """
    cells, names = row.cells, row.names
    if names is not None and len(cells) != len(names):
        raise DataError(f"{row.line} has {len(cells)} cells, and the file has names for {len(names)} columns")
    left: list[str] = []
    if names is not None and wanted is not None:
        missing = [name for name in wanted if name not in names]
        if missing:
            raise DataError(f"{row.line} lacks {len(missing)} of the model's {n} columns: {some(missing)}")
        left = [name for name in names if name not in wanted]
        cells = [cells[names.index(name)] for name in wanted]
    elif names is not None and len(names) == n + 1:
        # A table of which nobody knows the columns, with an index or a label beside them.
        extra = next((i for i, name in enumerate(names) if name.lower() in _BESIDE), None)
        if extra is not None:
            left = ["its index" if names[extra] == _INDEX else names[extra]]
            cells = cells[:extra] + cells[extra + 1 :]
            names = names[:extra] + names[extra + 1 :]
    if len(cells) != n:
        raise DataError(f"{row.line} has {len(cells):,} values, and the model takes {n:,}")
    labels = wanted or names or [str(i + 1) for i in range(n)]
    return np.array([_number(cell, label, row.line) for cell, label in zip(cells, labels, strict=False)]), left


def _number(cell: str, label: str, where: str) -> float:
    if not cell:
        raise DataError(f"{where} has no value in column {label}")
    try:
        value = _WORDS[cell.lower()] if cell.lower() in _WORDS else float(cell)
    except ValueError:
        raise DataError(f"{where} has {cell[:40]!r} in column {label}, which is not a number") from None
    if not math.isfinite(value):
        raise DataError(f"{where} has {cell[:40]!r} in column {label}, and a model needs finite numbers")
    return value
