"""Arrays in NumPy's own format, whose header is checked before anything is made of it."""

from __future__ import annotations

import io
import math
from typing import IO

import numpy as np

from isthmus.data.tables import one_line
from isthmus.errors import DataError, DataSourceError

Header = tuple[tuple[int, ...], bool, np.dtype]
"""Shape, whether in Fortran's order, and type."""


def npy_header(handle: IO[bytes], name: str) -> Header:
    """What a ``.npy`` file declares; the handle is then at the first value.

    Raises
    ------
    DataSourceError
        It is not such a file, or declares what cannot be.
    """
    try:
        version = np.lib.format.read_magic(handle)
        reader = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
        shape, fortran, dtype = reader[version](handle)
    except KeyError as error:
        raise DataSourceError(f"{name} is a .npy array of a version that holds no plain numbers.") from error
    # NumPy parses the header as Python source: random bytes raise anything up to TokenError.
    except Exception as error:
        raise DataSourceError(f"{name} is not a .npy array: {one_line(error)}.") from error
    if any(side < 0 for side in shape):
        raise DataSourceError(f"{name} declares an impossible shape {shape}.")
    return tuple(map(int, shape)), fortran, dtype


def from_bytes(data: bytes, name: str) -> np.ndarray:
    """The array of numbers in a ``.npy`` file that is in memory, as a view of it.

    Raises
    ------
    DataSourceError
        It is not such a file, or is longer or shorter than it declares.
    DataError
        It holds something other than booleans, integers or real numbers.
    """
    handle = io.BytesIO(data)
    (shape, fortran, dtype), start = npy_header(handle, name), handle.tell()
    if dtype.kind not in "biuf":
        raise DataError(f"{name} has dtype {dtype}: use booleans, integers or real numbers.")
    size, held = math.prod(shape) * dtype.itemsize, len(data) - start
    if size != held:
        raise DataSourceError(f"{name} declares {shape}, {size} bytes, and holds {held}.")
    return np.frombuffer(data, dtype, math.prod(shape), start).reshape(shape, order="F" if fortran else "C")
