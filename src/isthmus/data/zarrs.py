"""Zarr arrays: compressed pieces in a folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from isthmus.data.streams import Chunked, even_cuts
from isthmus.data.tables import one_line, some
from isthmus.errors import DataError, DataSourceError, MissingExtraError


class ZarrRows(Chunked):
    """Rows of a zarr array, read by the chunks that it is stored in.

    Parameters
    ----------
    array : zarr.Array
        (n, *event).
    name : str
        What to call it in messages.
    """

    def __init__(self, array: Any, name: str = "the zarr array") -> None:
        self._array = array
        n, dtype = array.shape[0] if array.ndim else 0, np.dtype(array.dtype).newbyteorder("=")
        step, row_bytes = (array.chunks[0] if array.ndim else 1), max(1, array.nbytes // max(n, 1))
        super().__init__(tuple(array.shape), dtype, name, even_cuts(n, max(1, step), row_bytes))

    def _read_piece(self, number: int) -> np.ndarray:
        start, stop = self.cuts[number : number + 2].tolist()
        try:
            return np.asarray(self._array[start:stop])
        except Exception as error:  # of the store, the codec or the file system
            raise DataSourceError(f"{self.name} cannot be read in rows {start} to {stop}: {one_line(error)}") from error


def is_zarr(source: Any) -> bool:
    """Whether the object is a zarr array."""
    return type(source).__module__.partition(".")[0] == "zarr" and hasattr(source, "chunks")


def open_zarr(path: Path) -> ZarrRows:
    """Open a folder that holds one zarr array, by itself or in a group.

    Raises
    ------
    MissingExtraError
        If zarr is not installed.
    DataSourceError
        If it is not a zarr array, or a group of several.
    DataError
        If the group has none.
    """
    try:
        import zarr
    except ImportError as error:
        raise MissingExtraError(f'Reading {path.name} needs the zarr extra: pip install "isthmus[zarr]".') from error
    try:
        found: Any = zarr.open(path, mode="r")
        members = dict(found.arrays()) if not is_zarr(found) else {"": found}
    except Exception as error:  # damaged metadata raise almost anything
        raise DataSourceError(f"{path} is not a zarr array, or is damaged: {one_line(error)}.") from error
    if not members:
        raise DataError(f"{path} holds no arrays.")
    if len(members) > 1:
        name = min(members)
        listed = some((f"{key} {array.shape}" for key, array in sorted(members.items())), 10)
        raise DataSourceError(f"{path} holds several arrays: {listed}; name one, such as {path.name}/{name}.")
    return ZarrRows(next(iter(members.values())), path.name)
