"""Folders of pictures that do not fit in memory: decoded whenever they are needed."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np

from isthmus.data.streams import Rows
from isthmus.errors import DataError


class PictureRows(Rows):
    """Rows that are pictures in files, decoded by threads: Pillow lets others work while it does.

    Parameters
    ----------
    files : sequence of Path
        One for each row.
    shape : tuple of int
        (H, W) or (H, W, 3) of all of them.
    decode : callable
        From a file to its pixels, uint8.
    name : str
        What to call the folder in messages.
    """

    def __init__(
        self, files: Sequence[Path], shape: tuple[int, ...], decode: Callable[[Path], np.ndarray], name: str
    ) -> None:
        super().__init__((len(files), *shape), np.uint8, name)
        self._files, self._decode = files, decode

    @property
    def block(self) -> int:
        return 1

    def _take(self, rows: np.ndarray) -> np.ndarray:
        out = np.empty((len(rows), *self.shape[1:]), np.uint8)
        with ThreadPoolExecutor(n_threads()) as pool:
            try:
                list(pool.map(partial(self._put, out), range(len(rows)), rows.tolist()))
            finally:
                pool.shutdown(wait=True, cancel_futures=True)
        return out

    def _put(self, out: np.ndarray, place: int, row: int) -> None:
        picture = self._decode(self._files[row])
        picture = picture[..., None] if picture.ndim < out.ndim - 1 else picture
        if picture.shape[:2] != out.shape[1:3] or picture.ndim != out.ndim - 1:
            raise DataError(f"{self._files[row]} has shape {picture.shape}, and the other pictures {out.shape[1:]}")
        out[place] = picture


def n_threads() -> int:
    """Threads to decode pictures with."""
    return min(8, os.cpu_count() or 1)
