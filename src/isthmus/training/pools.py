"""Streams in random order, without reading row by row."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor

from isthmus.data.ahead import ahead
from isthmus.data.ranges import Ranges, RowNumbers
from isthmus.data.streams import POOL_BYTES, AnyRows, Rows

_MOST_BLOCKS = 4096
_Pool = tuple[list[Tensor], Tensor, list[int], bool]


class Pools:
    """Rows of streams in an order that is random enough, and cheap to read.

    Blocks of consecutive rows are put in random order; some of them at a time make a pool, and the rows of a pool are
    shuffled. While one pool is in use, a thread reads the next.

    Parameters
    ----------
    arrays : sequence of ndarray or Rows
        They have the same number of rows; the blocks are those that suit the first stream among them.
    rows : ndarray or Ranges
        Which rows to read, ascending.
    device : torch.device
        Where the rows go, a pool at a time.
    """

    def __init__(self, arrays: Sequence[AnyRows], rows: RowNumbers, device: torch.device) -> None:
        self._arrays, self._rows, self._device = arrays, rows, device
        self._in_order = any(isinstance(array, Rows) and array.in_order for array in arrays)
        self._edges = _block_edges(next(array for array in arrays if isinstance(array, Rows)), rows)
        n_blocks = len(self._edges) - 1
        n_bytes = len(rows) * sum(_row_bytes(array) for array in arrays)
        # Blocks of single rows are in random order already, so that there is no need to wait for a large pool.
        self._per_pool = max(1, min(POOL_BYTES * n_blocks // max(n_bytes, 1), _MOST_BLOCKS))

    def batches(self, seed: int | None, spans: np.ndarray) -> Iterator[list[Tensor]]:
        """Rows at the given positions of the order that ``seed`` gives; of the order in the file if it is None.

        Parameters
        ----------
        seed : int or None
            Seed.
        spans : ndarray of shape (k, 2)
            First position of each batch, and the one behind its last; they ascend and do not overlap.
        """
        begun: list[list[Tensor]] = []
        for tensors, order, sizes, open_ended in ahead(lambda: self._pools(seed, spans)):
            # From pinned memory without waiting; what is computed on the rows waits for them.
            tensors = [tensor.to(self._device, non_blocking=True) for tensor in tensors]
            order = order.to(self._device, non_blocking=True)
            pieces = order.split(sizes)
            for number, piece in enumerate(pieces):
                begun.append([tensor.index_select(0, piece) for tensor in tensors])
                if open_ended and number == len(pieces) - 1:
                    break  # the batch goes on in the next pool
                batch = begun[0] if len(begun) == 1 else [torch.cat(parts) for parts in zip(*begun, strict=True)]
                begun = []
                yield batch

    def _pools(self, seed: int | None, spans: np.ndarray) -> Iterator[_Pool]:
        """Rows of one pool after the other, how to shuffle them, the sizes of batches, and if the last goes on."""
        n_blocks = len(self._edges) - 1
        seed = None if self._in_order else seed
        blocks = np.arange(n_blocks) if seed is None else np.random.default_rng(seed).permutation(n_blocks)
        start = 0
        for number, first in enumerate(range(0, n_blocks, self._per_pool)):
            chosen = Ranges(self._edges[:-1], self._edges[1:]).only(np.sort(blocks[first : first + self._per_pool]))
            size = len(chosen)
            stop = start + size
            touched = spans[np.searchsorted(spans[:, 1], start, "right") : np.searchsorted(spans[:, 0], stop)]
            if len(touched):
                order = np.arange(size) if seed is None else np.random.default_rng([seed, number]).permutation(size)
                inside = touched.clip(start, stop) - start
                wanted = np.concatenate([order[a:b] for a, b in inside])
                # Only what is wanted is read, in the order of the file.
                ascending = np.argsort(wanted, kind="stable")
                back = np.empty_like(ascending)
                back[ascending] = np.arange(len(ascending))
                positions = chosen.at(wanted[ascending])
                rows = self._rows.at(positions) if isinstance(self._rows, Ranges) else self._rows[positions]
                tensors = [self._read(array, rows) for array in self._arrays]
                yield tensors, torch.from_numpy(back), (inside[:, 1] - inside[:, 0]).tolist(), touched[-1, 1] > stop
                del tensors  # while the next pool is read, this one belongs to whoever uses it
            start = stop

    def _read(self, array: AnyRows, rows: np.ndarray) -> Tensor:
        tensor = torch.from_numpy(np.ascontiguousarray(array[rows]))
        return tensor.pin_memory() if self._device.type == "cuda" else tensor


def _block_edges(stream: Rows, rows: RowNumbers) -> np.ndarray:
    """Positions among ``rows`` where blocks start, and their number."""
    if stream.cuts is None:
        return np.append(np.arange(0, len(rows), stream.block), len(rows))
    below = rows.count_below if isinstance(rows, Ranges) else lambda cuts: np.searchsorted(rows, cuts)
    return np.unique(below(stream.cuts))  # a piece without chosen rows is no block


def _row_bytes(array: AnyRows) -> int:
    return int(np.prod(array.shape[1:])) * array.dtype.itemsize
