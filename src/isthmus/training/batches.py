"""Rows in, batches on the device out."""

from __future__ import annotations

from collections.abc import Generator

import numpy as np
import torch
from torch import Tensor

from isthmus.data.ranges import RowNumbers
from isthmus.data.streams import MEMORY_LIMIT, AnyRows, Rows
from isthmus.errors import ParameterError
from isthmus.processes import Share
from isthmus.training.pools import Pools


class Batches:
    """Rows of an array or a stream as tensors on a device.

    Small arrays live on the device as a whole; of larger ones the rows of each batch are gathered. Streams are read in
    blocks (`Pools`).

    Parameters
    ----------
    X : ndarray or Rows of shape (n, *event)
        Rows, in any dtype that torch knows. They keep it: uint8 pictures are converted batch by batch.
    rows : ndarray of int, or Ranges
        Which rows of X these batches are made of, ascending.
    batch_size : int
        Largest batch; the rows are split as evenly as leaves one size for all batches but the last, and none tiny.
    device : torch.device
        Where the batches go.
    target : ndarray or Rows of shape (n, *event), optional
        What the decoder is to give back for each row of X, if that is not X itself.
    shard : (int, int)
        Number of this process and of all of them. Each gets a contiguous part of every batch; which rows make a batch,
        and in which order, is the same for any number of processes.
    memory_limit : float
        GiB of rows that may live on the device.

    Attributes
    ----------
    n_samples, n_batches : int
        Rows and batches of an epoch, over all processes.
    resident : bool
        Whether all rows are on the device.
    shard : (int, int)
        As given.

    Raises
    ------
    ParameterError
        A batch has fewer rows than there are processes.
    """

    def __init__(
        self,
        X: AnyRows,
        rows: RowNumbers,
        batch_size: int,
        device: torch.device,
        target: AnyRows | None = None,
        *,
        shard: tuple[int, int] = (0, 1),
        memory_limit: float = MEMORY_LIMIT,
    ) -> None:
        self.n_samples = len(rows)
        self.n_batches = -(-self.n_samples // batch_size)
        self._starts = _batch_starts(self.n_samples, self.n_batches)
        smallest = smallest_batch(self.n_samples, batch_size)
        if shard[1] > max(1, smallest):
            raise ParameterError(
                f"batches of {smallest} rows cannot be shared by {shard[1]} processes; choose a larger batch_size, or "
                "fewer devices"
            )
        self._rows, self._device, self.shard = rows, device, shard
        arrays = [X] if target is None else [X, target]
        self._pools = Pools(arrays, rows, device) if any(isinstance(array, Rows) for array in arrays) else None
        self._arrays = [array for array in arrays if isinstance(array, np.ndarray)]
        n_bytes = sum(array[:1].nbytes for array in self._arrays) * len(rows)
        self._resident: list[Tensor] | None = None
        if self._pools is None and n_bytes <= memory_limit * 2**30:
            self._resident = [torch.from_numpy(array[rows[:]]).to(device) for array in self._arrays]
        self.resident = self._resident is not None

    def epoch(self, seed: int | None, start: int = 0) -> Generator[list[Tensor], None, None]:
        """Batches from number ``start`` on; in an order given by ``seed``, or as they come if it is None.

        A batch is a list of the rows of X and, if there is a target, those of the target. An iterator that is not
        exhausted should be closed: of a stream it has a thread.
        """
        spans = self._spans(self.shard)[start:]
        if self._pools is not None:
            yield from self._pools.batches(seed, spans)
            return
        order = torch.arange(self.n_samples)
        if seed is not None:
            order = torch.randperm(self.n_samples, generator=torch.Generator().manual_seed(seed))
        for mine, whole in zip(spans.tolist(), self._spans((0, 1))[start:].tolist(), strict=True):
            yield self._gather(order[slice(*whole)], slice(*(at - whole[0] for at in mine)))

    def share(self, number: int) -> Share | None:
        """What this process has of batch ``number``; None if that is all of it."""
        size = int(self._starts[number + 1] - self._starts[number])
        return None if self.shard[1] == 1 else Share.of(size, *self.shard)

    def _spans(self, shard: tuple[int, int]) -> np.ndarray:
        """First position of each batch in the order of the epoch and the one behind its last: of a process's part."""
        starts = self._starts
        rank, world = shard
        sizes = np.diff(starts)
        first, last = (starts[:-1] + _starts(sizes, world, np.int64(part)) for part in (rank, rank + 1))
        return np.stack([first, last], axis=1)

    def _gather(self, index: Tensor, mine: slice) -> list[Tensor]:
        if self._resident is not None:
            index = index[mine].to(self._device)
            return [array.index_select(0, index) for array in self._resident]
        # Forwards; the order inside a batch does not matter, but must not depend on how many processes share it.
        rows = np.sort(self._rows[:][index.numpy()])[mine]
        return [torch.from_numpy(np.asarray(array[rows])).to(self._device) for array in self._arrays]


def smallest_batch(n: int, batch_size: int) -> int:
    """Rows of the smallest batch of an epoch over ``n`` rows."""
    return int(np.diff(_batch_starts(n, -(-n // batch_size))).min(initial=n))


def _batch_starts(n: int, n_batches: int) -> np.ndarray:
    """Where each batch starts, and the last one ends: all are of one size but the last, unless that were tiny."""
    size = -(-n // max(n_batches, 1))
    if 2 * (n - size * (n_batches - 1)) >= size:
        return np.minimum(np.arange(n_batches + 1) * size, n)
    return _starts(np.int64(n), n_batches, np.arange(n_batches + 1))


def _starts(n: np.ndarray | np.int64, k: int, part: np.ndarray | np.int64) -> np.ndarray:
    """Where each part starts if n things are split into k parts that differ by one at most, the larger ones first."""
    return part * (n // k) + np.minimum(part, n % k)
