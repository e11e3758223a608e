"""Rows in, batches on the device out."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

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
    """

    def __init__(self, X: np.ndarray, rows: np.ndarray, batch_size: int, device: torch.device) -> None:
        self.n_samples = len(rows)
        self.n_batches = -(-self.n_samples // batch_size)
        self._X, self._rows, self._device = X, rows, device
        self._resident: Tensor | None = None
        if X[:1].nbytes * len(rows) <= _RESIDENT_BYTES:
            self._resident = torch.from_numpy(X[rows]).to(device)

    def epoch(self, seed: int | None, start: int = 0) -> Iterator[Tensor]:
        """Batches from number ``start`` on; in an order given by ``seed``, or as they come if it is None."""
        order = torch.arange(self.n_samples)
        if seed is not None:
            order = torch.randperm(self.n_samples, generator=torch.Generator().manual_seed(seed))
        for index in order.tensor_split(self.n_batches)[start:]:
            yield self._gather(index)

    def _gather(self, index: Tensor) -> Tensor:
        if self._resident is not None:
            return self._resident.index_select(0, index.to(self._device))
        # In ascending order a memory-mapped file is read forwards; the order inside a batch does not matter.
        rows = np.sort(self._rows[index.numpy()])
        return torch.from_numpy(np.asarray(self._X[rows])).to(self._device)
