"""Rows that lie one after the other in a file, as in ``.npy``."""

from __future__ import annotations

import mmap
from os import PathLike, fspath
from pathlib import Path
from typing import Any

import numpy as np

from isthmus.data.streams import Rows
from isthmus.errors import DataSourceError

# Rows this close are read with what lies between them: cheaper than to read twice.
_GAP_BYTES, _SPAN_BYTES = 64 << 10, 16 << 20


class FileRows(Rows):
    """Rows of a file, read into memory of their own.

    A memory-mapped file is read more simply, but every page that was touched counts as memory of the process, and a
    file that has become shorter kills it.

    Parameters
    ----------
    path : path
        The file.
    shape : tuple of int
        (n, *event).
    dtype : dtype
        Of the values, in any byte order.
    offset : int
        Bytes before the first row.
    name : str, optional
        What to call it in messages.
    """

    def __init__(
        self, path: str | PathLike[str], shape: tuple[int, ...], dtype: Any, offset: int, name: str | None = None
    ) -> None:
        super().__init__(shape, np.dtype(dtype).newbyteorder("="), name or Path(path).name)
        self._path, self._stored, self._offset = fspath(path), np.dtype(dtype), offset

    def _take(self, rows: np.ndarray) -> np.ndarray:
        out = np.empty((len(rows), *self.shape[1:]), self._stored)
        near = max(1, _GAP_BYTES // self.row_bytes)
        blocks = rows // max(1, _SPAN_BYTES // self.row_bytes)
        edges = np.flatnonzero((np.diff(rows) > near) | (np.diff(blocks) > 0)) + 1
        try:
            # Unbuffered: what is read is large, and goes where it is wanted.
            with open(self._path, "rb", buffering=0) as file:
                for a, b in zip([0, *edges], [*edges, len(rows)], strict=True):
                    self._read_span(file, rows[a:b], out[a:b])
        except DataSourceError:
            raise
        except OSError as error:
            raise DataSourceError(f"{self._path} cannot be read: {error.strerror or error}") from error
        return out

    def _read_span(self, file: Any, rows: np.ndarray, out: np.ndarray) -> None:
        first, n = int(rows[0]), int(rows[-1] - rows[0]) + 1
        span = out if n == len(rows) else np.empty((n, *self.shape[1:]), self._stored)
        file.seek(self._offset + first * self.row_bytes)
        view, done = span.reshape(-1).view(np.uint8).data, 0
        while done < len(view):
            read = file.readinto(view[done:])
            if not read:
                raise DataSourceError(
                    f"{self._path} is cut short: it declares {len(self)} rows and ends in row "
                    f"{first + done // self.row_bytes}"
                )
            done += read
        if span is not out:
            out[:] = span[rows - first]


class ArrayRows(Rows):
    """Rows of something with the face of an array, such as a memory-mapped one that is not in order of rows."""

    def __init__(self, array: Any, name: str) -> None:
        super().__init__(array.shape, array.dtype.newbyteorder("="), name)
        self._array = array

    def _take(self, rows: np.ndarray) -> np.ndarray:
        first, last = int(rows[0]), int(rows[-1]) + 1
        return np.asarray(self._array[first:last] if last - first == len(rows) else self._array[rows])


def rows_of_memmap(array: np.memmap, name: str) -> Rows:
    """Rows of a memory-mapped array, read from its file where they lie there as they are."""
    mapped, path = getattr(array, "_mmap", None), array.filename
    # In mode "c" changes are in memory only.
    if mapped is None or path is None or array.mode == "c" or not array.flags.c_contiguous:
        return ArrayRows(array, name)
    # A view of a mapped array has the offset of the whole, so its place follows from its address.
    base = np.frombuffer(mapped, np.uint8).ctypes.data
    start = array.offset - array.offset % mmap.ALLOCATIONGRANULARITY
    if array.mode != "r":
        array.flush()
    return FileRows(path, array.shape, array.dtype, start + array.ctypes.data - base, name)
