"""Data sets of other libraries: anything with ``__len__`` and ``__getitem__``, and PyTorch's loaders."""

from __future__ import annotations

import copy
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from isthmus.data.streams import Rows
from isthmus.data.tables import one_line
from isthmus.errors import DataError, DataSourceError, IsthmusError


class ItemRows(Rows):
    """Rows that are the items of a data set, each read by its number.

    Parameters
    ----------
    items : object with ``__len__`` and ``__getitem__``
        Items are arrays, tensors, pictures of Pillow, or tuples of which the first is one of these.
    n_threads : int
        Threads that read items; more than one needs a data set that allows it.
    """

    def __init__(self, items: Any, n_threads: int = 1) -> None:
        self._items, self._n_threads, name = items, n_threads, f"the {type(items).__name__}"
        if len(items) == 0:
            raise DataError(f"{name} is empty: there has to be a row.")
        first = _as_sample(_item(items, 0, name), 0, name)
        super().__init__((len(items), *first.shape), first.dtype, name)

    @property
    def block(self) -> int:
        return 1

    def _take(self, rows: np.ndarray) -> np.ndarray:
        if self._n_threads == 1 or len(rows) == 1:
            return _fill(self, map(self._sample, rows.tolist()), rows)
        with ThreadPoolExecutor(self._n_threads) as pool:
            try:
                return _fill(self, pool.map(self._sample, rows.tolist()), rows)
            finally:
                pool.shutdown(wait=False, cancel_futures=True)

    def _sample(self, row: int) -> np.ndarray:
        return _as_sample(_item(self._items, row, self.name), row, self.name)


class PassRows(Rows):
    """Rows that can only be had in passes from the first to the last, as those of an iterable data set.

    To know how many there are, all are read once. Asked for a row before the one that it stands at, it starts anew.
    A pass may bring other values than the one before, but not fewer rows.

    Parameters
    ----------
    source : iterable
        Of batches, or of single samples; every iteration is a new pass.
    batched : bool
        Whether it gives batches.
    """

    in_order = True

    def __init__(self, source: Any, *, batched: bool) -> None:
        self._source, self._batched, name = source, batched, f"the {type(source).__name__}"
        self._lock = threading.Lock()
        self._batches: Iterator[np.ndarray] = iter(())
        self._rest, self._position = np.empty(0), 0
        if isinstance(source, Iterator):
            raise DataError(f"{name} can be read only once: give a data set that can be iterated over again.")
        n, first = 0, None
        for batch in _passing(source, batched, name):
            first = batch if first is None else first
            n += len(batch)
        if first is None or n == 0:
            raise DataError(f"{name} is empty: there has to be a row.")
        super().__init__((n, *first.shape[1:]), first.dtype, name)
        self._position = n

    def _take(self, rows: np.ndarray) -> np.ndarray:
        with self._lock:
            values = _fill(self, (self._seek(row) for row in rows.tolist()), rows)
            if rows[-1] == len(self) - 1:
                self._batches = iter(())  # the pass is over: its files and processes are let go
            return values

    def _seek(self, row: int) -> np.ndarray:
        """The sample with this number; what lies before is passed over."""
        if row < self._position:
            self._batches, self._rest, self._position = _passing(self._source, self._batched, self.name), np.empty(0), 0
        while row >= self._position + len(self._rest):
            self._position += len(self._rest)
            self._rest = next(self._batches, np.empty(0))
            if not len(self._rest):
                raise DataSourceError(
                    f"{self.name} ended after {self._position} rows, and had {len(self)} the first time"
                )
        return self._rest[row - self._position]


def rows_of_items(source: Any) -> Rows | None:
    """The items of a data set or a loader as rows; None if it is neither."""
    torch_data = sys.modules.get("torch.utils.data")  # whoever has such an object has imported it
    if torch_data is not None:
        if isinstance(source, torch_data.DataLoader):
            if isinstance(source.dataset, torch_data.IterableDataset):
                loader = copy.copy(source)
                if loader.generator is None:
                    # Or each pass would draw from the random numbers that the training draws from at the same time.
                    loader.generator = sys.modules["torch"].Generator()
                return PassRows(loader, batched=source.batch_size is not None)
            return ItemRows(source.dataset, max(1, source.num_workers))
        if isinstance(source, torch_data.IterableDataset):
            return PassRows(source, batched=False)
    if hasattr(source, "__getitem__") and hasattr(source, "__len__") and not _is_arraylike(source):
        return ItemRows(source)
    return None


def _is_arraylike(source: Any) -> bool:
    return isinstance(source, str | bytes | dict | list | tuple) or any(
        hasattr(source, name) for name in ("__array__", "__dataframe__", "iloc", "toarray", "__array_interface__")
    )


def _item(items: Any, row: int, name: str) -> Any:
    try:
        return items[row]
    except IsthmusError:
        raise
    except Exception as error:  # the data set's own code, which may raise anything
        raise DataSourceError(f"{name} cannot give row {row}: {one_line(error)}") from error


def _passing(source: Any, batched: bool, name: str) -> Iterator[np.ndarray]:
    row, batches = 0, iter(source)
    while True:
        try:
            batch = next(batches, None)
        except IsthmusError:
            raise
        except Exception as error:  # the data set's own code, which may raise anything
            raise DataSourceError(f"{name} cannot give row {row}: {one_line(error)}") from error
        if batch is None:
            return
        values = _as_sample(batch, row, name)
        values = values if batched else values[None]
        row += len(values)
        if len(values):
            yield values


def _as_sample(given: Any, row: int, name: str) -> np.ndarray:
    """What a data set gives for a row (or for the rows from it on) as an array."""
    is_pair = isinstance(given, tuple) or (isinstance(given, list) and len(given) and hasattr(given[0], "shape"))
    item: Any = given[0] if is_pair else given
    if isinstance(item, dict):
        raise DataError(f"Row {row} of {name} is a dict with {', '.join(map(str, item))}: give a data set of samples.")
    if hasattr(item, "detach"):
        item = item.detach().cpu()
        item = item.float() if str(item.dtype) == "torch.bfloat16" else item
    if hasattr(item, "getbands"):
        from isthmus.data.pictures import to_array

        return to_array(item)
    values = np.asarray(item)
    if values.dtype.kind not in "biuf":
        raise DataError(f"Row {row} of {name} has dtype {values.dtype}: use booleans, integers or real numbers.")
    return values


def _fill(stream: Rows, samples: Iterator[np.ndarray], rows: np.ndarray) -> np.ndarray:
    out = np.empty((len(rows), *stream.shape[1:]), stream.dtype)
    for i, sample in enumerate(samples):
        if sample.shape != out.shape[1:]:
            raise DataError(
                f"row {rows[i]} of {stream.name} has shape {sample.shape}, and the first one has {out.shape[1:]}"
            )
        if not np.can_cast(sample.dtype, out.dtype, "safe"):
            raise DataError(
                f"row {rows[i]} of {stream.name} has dtype {sample.dtype}, and the first one has {out.dtype}: give "
                "all rows one dtype"
            )
        out[i] = sample
    return out
