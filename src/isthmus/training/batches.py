"""Rows in, batches on the device out."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from isthmus.errors import ParameterError
from isthmus.processes import Share

# Above this the rows stay where they are (memory or memory-mapped file) and batches are gathered one by one.
_RESIDENT_BYTES = 2 << 30


class Batches:
    """Rows of an array as tensors on a device; small arrays live there as a whole.

    Parameters
    ----------
    X : ndarray of shape (n, *event)
        Rows, in any dtype that torch knows. They keep it: uint8 pictures are converted batch by batch.
    rows : ndarray of int
        Which rows of X these batches are made of.
    batch_size : int
        Largest batch; the rows are split evenly, so that no last batch is tiny.
    device : torch.device
        Where the batches go.
    target : ndarray of shape (n, *event), optional
        What the decoder is to give back for each row of X, if that is not X itself.
    shard : (int, int)
        Number of this process and of all of them. Each gets a contiguous part of every batch; which rows make a batch,
        and in which order, is the same for any number of processes.

    Raises
    ------
    ParameterError
        A batch has fewer rows than there are processes.
    """

    def __init__(
        self,
        X: np.ndarray,
        rows: np.ndarray,
        batch_size: int,
        device: torch.device,
        target: np.ndarray | None = None,
        *,
        shard: tuple[int, int] = (0, 1),
    ) -> None:
        self.n_samples = len(rows)
        self.n_batches = -(-self.n_samples // batch_size)
        if shard[1] > max(1, self.n_samples // self.n_batches):
            raise ParameterError(
                f"batches of {self.n_samples // self.n_batches} rows cannot be shared by {shard[1]} processes; choose "
                "a larger batch_size, or fewer devices"
            )
        self.shard = shard
        self._arrays = [X] if target is None else [X, target]
        self._rows, self._device = rows, device
        self._resident: list[Tensor] | None = None
        if sum(array[:1].nbytes for array in self._arrays) * len(rows) <= _RESIDENT_BYTES:
            self._resident = [torch.from_numpy(array[rows]).to(device) for array in self._arrays]

    def epoch(self, seed: int | None, start: int = 0) -> Iterator[list[Tensor]]:
        """Batches from number ``start`` on; in an order given by ``seed``, or as they come if it is None.

        A batch is a list of the rows of X and, if there is a target, those of the target: of this process's part.
        """
        order = torch.arange(self.n_samples)
        if seed is not None:
            order = torch.randperm(self.n_samples, generator=torch.Generator().manual_seed(seed))
        for index in order.tensor_split(self.n_batches)[start:]:
            yield self._gather(index)

    def share(self, number: int) -> Share | None:
        """What this process has of batch ``number``; None if that is all of it."""
        return None if self.shard[1] == 1 else Share.of_batch(self.n_samples, self.n_batches, number, *self.shard)

    def _gather(self, index: Tensor) -> list[Tensor]:
        mine = Share.of(len(index), *self.shard)
        if self._resident is not None:
            index = index[mine.start : mine.stop].to(self._device)
            return [array.index_select(0, index) for array in self._resident]
        # In ascending order a memory-mapped file is read forwards; the order inside a batch does not matter.
        rows = np.sort(self._rows[index.numpy()])[mine.start : mine.stop]
        return [torch.from_numpy(np.asarray(array[rows])).to(self._device) for array in self._arrays]
