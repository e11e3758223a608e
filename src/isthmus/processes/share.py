"""What one of several processes has of a batch, and how it sees the whole of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from isthmus.processes.group import world_sum_


@dataclass(frozen=True)
class Share:
    """Rows ``start`` to ``stop`` of a batch of ``total`` rows."""

    start: int
    stop: int
    total: int

    @classmethod
    def of(cls, total: int, rank: int, world: int) -> Share:
        """Contiguous part number ``rank`` of ``world``; the parts differ by one row at most, the larger ones first."""
        start, stop = (i * (total // world) + min(i, total % world) for i in (rank, rank + 1))
        return cls(start, stop, total)

    @property
    def count(self) -> int:
        """How many rows it has."""
        return self.stop - self.start

    def times(self, n: int) -> Share:
        """The share of a tensor with ``n`` rows for each of the batch."""
        return Share(n * self.start, n * self.stop, n * self.total)

    def axis(self, shape: torch.Size | tuple[int, ...]) -> int | None:
        """Along which of the first two dimensions a tensor of this shape has the rows of the batch, if it has them."""
        return next((i for i, n in enumerate(shape[:2]) if n == self.count), None)

    def widen(self, shape: tuple[int, ...], axis: int) -> tuple[int, ...]:
        """The shape with the rows of the whole batch."""
        return (*shape[:axis], self.total, *shape[axis + 1 :])

    def embed(self, x: Tensor, axis: int, fill: float) -> Tensor:
        """A tensor of the whole batch that has ``x`` in the place of this share, with x's order in memory."""
        order = sorted(range(x.ndim), key=lambda i: -x.stride(i))
        whole = torch.empty_permuted(self.widen(tuple(x.shape), axis), order, dtype=x.dtype, device=x.device)
        whole.fill_(fill)
        whole.narrow(axis, self.start, self.count).copy_(x)
        return whole

    def take(self, whole: Tensor, axis: int) -> Tensor:
        """Rows of the share, from a tensor of the whole batch."""
        return whole.narrow(axis, self.start, self.count)


class Current:
    """The share that the step under way has; None in a process that trains alone."""

    share: Share | None = None


def whole_batch(x: Tensor) -> Tensor:
    """The rows of all processes, of a tensor (B, ...) with one row for each sample that this process has.

    A part of a model that takes a statistic of the batch takes it of this, so that it is the same however many
    processes train. Gradients flow back to the rows of every process. In one process it is x itself.
    """
    share = Current.share
    if share is None:
        return x
    rows = share.times(len(x) // share.count)
    kind = x.dtype
    exact = x if kind in (torch.float32, torch.float64, torch.int64) else x.float()
    return world_sum(rows.embed(exact.contiguous(), 0, 0)).to(kind)


def own_rows(whole: Tensor) -> Tensor:
    """The rows of this process, of what `whole_batch` gives."""
    share = Current.share
    return whole if share is None else share.times(len(whole) // share.total).take(whole, 0)


class _Sum(torch.autograd.Function):
    """Sum over the processes; so is its derivative, as every process has its own part of the loss."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return world_sum_(x.clone(memory_format=torch.contiguous_format))

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Any:
        return _Sum.apply(gradients[0])


def world_sum(x: Tensor) -> Tensor:
    """Sum of the tensors of all processes, through which gradients flow."""
    total = _Sum.apply(x)
    assert isinstance(total, Tensor)
    return total
