"""IDX files, the format in which MNIST and its descendants ship."""

from __future__ import annotations

import gzip
import math
import zlib
from pathlib import Path
from typing import BinaryIO, cast

import numpy as np

from isthmus.data.samples import Samples
from isthmus.errors import DataError, DataSourceError

_DTYPES = {0x08: "u1", 0x09: "i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
_CHUNK = 1 << 20
# Deflate cannot shrink by more than a factor of 1032: a header that asks for more lies.
_DEFLATE_LIMIT = 1032


def is_idx(path: Path) -> bool:
    """Whether a file, gzipped or not, begins with IDX's magic number."""
    try:
        with _open(path) as handle:
            magic = handle.read(4)
    except (OSError, EOFError, zlib.error):
        return False
    return len(magic) == 4 and magic[:2] == b"\0\0" and magic[2] in _DTYPES and 1 <= magic[3] <= 8


def read_idx(path: Path) -> np.ndarray:
    """Read one array from an IDX file, gzipped or not.

    Parameters
    ----------
    path : Path
        The file.

    Returns
    -------
    ndarray
        The array in native byte order, with the shape that the header declares.

    Raises
    ------
    DataSourceError
        If the file is not IDX, or its size is not the one that the header declares. This is
        checked before memory is reserved.

    References
    ----------
    Y. LeCun, C. Cortes, C. Burges, "The MNIST database of handwritten digits", section "File
    formats".
    """
    try:
        with _open(path) as handle:
            dtype, shape = _header(handle, path)
            size = math.prod(shape) * dtype.itemsize
            room = path.stat().st_size
            if size > (room * _DEFLATE_LIMIT if _is_gzip(path) else room):
                raise DataSourceError(f"{path} declares {_declared(shape, size)}, but the file has only {room} bytes.")
            payload = _read_at_most(handle, size + 1)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise DataSourceError(f"{path} is damaged or cut short ({error}): fetch it again.") from error
    if len(payload) != size:
        held = "more" if len(payload) > size else f"only {len(payload)}"
        raise DataSourceError(f"{path} declares {_declared(shape, size)}, but {held} bytes follow its header.")
    array = np.frombuffer(payload, dtype=dtype).reshape(shape)
    return array.astype(dtype.newbyteorder("="), copy=False)


def load_idx(path: Path) -> Samples:
    """Read an IDX file as samples, with the labels that lie beside it.

    Beside ``train-images-idx3-ubyte`` (or ``.gz``) the file ``train-labels-idx1-ubyte`` (or
    ``.gz``) gives ``y``.

    Parameters
    ----------
    path : Path
        The file.

    Returns
    -------
    Samples
        The array, and the labels if there are any.

    Raises
    ------
    DataSourceError
        As in `read_idx`, for either file.
    DataError
        If there are more or fewer labels than samples.
    """
    X = read_idx(path)
    labels = _labels_beside(path)
    y = None if labels is None else read_idx(labels)
    if labels is not None and y is not None and y.shape != X.shape[:1]:
        raise DataError(f"{labels} holds labels of shape {y.shape}, but {path.name} has {X.shape[0]} samples.")
    return Samples(X, path.name, y=y)


def _is_gzip(path: Path) -> bool:
    with path.open("rb") as handle:
        return handle.read(2) == b"\x1f\x8b"


def _open(path: Path) -> BinaryIO:
    return cast(BinaryIO, gzip.open(path, "rb")) if _is_gzip(path) else path.open("rb")


def _header(handle: BinaryIO, path: Path) -> tuple[np.dtype, tuple[int, ...]]:
    magic = handle.read(4)
    if len(magic) < 4 or magic[:2] != b"\0\0" or magic[2] not in _DTYPES or not magic[3]:
        raise DataSourceError(f"{path} is not an IDX file: it begins with {magic.hex(' ') or 'nothing'}.")
    dimensions = handle.read(4 * magic[3])
    if len(dimensions) < 4 * magic[3]:
        raise DataSourceError(f"{path} is cut short: its header of {magic[3]} dimensions is not complete.")
    if magic[3] > 8:
        raise DataSourceError(f"{path} declares {magic[3]} dimensions: at most 4 can be learned from.")
    return np.dtype(_DTYPES[magic[2]]), tuple(np.frombuffer(dimensions, dtype=">u4").tolist())


def _declared(shape: tuple[int, ...], size: int) -> str:
    return f"{' x '.join(map(str, shape))} values, which is {size} bytes"


def _read_at_most(handle: BinaryIO, size: int) -> bytearray:
    # In pieces, as a single read reserves all that is asked for before it looks at the file.
    payload = bytearray()
    while len(payload) < size and (piece := handle.read(min(_CHUNK, size - len(payload)))):
        payload += piece
    return payload


def _labels_beside(path: Path) -> Path | None:
    name = path.name.replace("images", "labels").replace("idx3", "idx1")
    if "images" not in path.name:
        return None
    plain = name.removesuffix(".gz")
    return next((p for p in (path.with_name(plain), path.with_name(plain + ".gz")) if p.is_file()), None)
