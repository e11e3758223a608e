"""Which objects are read on demand."""

from __future__ import annotations

from typing import Any

import numpy as np

from isthmus.data.datasets import rows_of_items
from isthmus.data.raw import rows_of_memmap
from isthmus.data.streams import Rows, held
from isthmus.data.zarrs import ZarrRows, is_zarr


def opened(source: Any, limit: float) -> Any:
    """What can be read row by row as `Rows`, or as an array if it takes at most ``limit`` GiB.

    That is a memory-mapped array beyond the limit, a zarr array, a data set with ``__len__`` and ``__getitem__``, or a
    loader of PyTorch. Anything else is given back as it is.
    """
    rows = source
    if isinstance(source, np.memmap):
        if source.ndim and source.nbytes > limit * 2**30:
            rows = rows_of_memmap(source, "the memory-mapped array")
    elif is_zarr(source):
        rows = ZarrRows(source)
    elif not isinstance(source, Rows | np.ndarray):
        rows = rows_of_items(source) or source
    return held(rows, limit)
