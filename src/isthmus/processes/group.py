"""The processes that train one model together."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor

from isthmus.errors import LostProcessError, ParameterError
from isthmus.processes.peers import Peers


class Group:
    """The processes that train one model; with one, every method returns at once.

    Parameters
    ----------
    rank, world : int
        Number of this process, from 0, and how many there are.
    device : torch.device, optional
        Where this process computes, if that is settled.
    peers : Peers, optional
        The other processes of this machine, as far as they are known.
    n_here : int
        Processes on this machine.

    Attributes
    ----------
    lost : bool
        Whether another process is gone, so that nothing can be agreed upon any more.
    """

    def __init__(
        self,
        rank: int = 0,
        world: int = 1,
        device: torch.device | None = None,
        peers: Peers | None = None,
        n_here: int = 1,
    ) -> None:
        self.n_here = n_here
        self.rank, self.world, self.device, self._peers = rank, world, device, peers or Peers([])
        self.lost = False

    @property
    def is_writer(self) -> bool:
        """Whether this process writes files, prints, and calls callbacks."""
        return self.rank == 0

    @property
    def shard(self) -> tuple[int, int]:
        """``rank`` and ``world``."""
        return self.rank, self.world

    def sum_(self, tensor: Tensor) -> Tensor:
        """Replace a dense tensor by the sum of those of all processes, bit for bit the same everywhere."""
        if self.world > 1:
            self._call(torch.distributed.all_reduce, tensor)
        return tensor

    def gather(self, whole: Tensor, part: Tensor) -> Tensor:
        """Fill ``whole`` with the equal parts of all processes, in their order."""
        self._call(_newest("all_gather_single", "all_gather_into_tensor"), whole, part)
        return whole

    def scatter_sum(self, part: Tensor, whole: Tensor) -> Tensor:
        """Fill ``part`` with this process's part of the sum of what all have in ``whole``."""
        self._call(_newest("reduce_scatter_single", "reduce_scatter_tensor"), part, whole)
        return part

    def broadcast_(self, tensors: Iterable[Tensor]) -> None:
        """Give all processes the tensors of the first."""
        if self.world == 1:
            return
        for tensor in tensors:
            sent = tensor.detach().to(self.device).contiguous()
            self._call(torch.distributed.broadcast, sent, 0)
            tensor.detach().copy_(sent)

    def broadcast(self, value: Any) -> Any:
        """What the first process has, of a value that JSON can hold."""
        if self.world == 1:
            return value
        text = torch.frombuffer(bytearray(json.dumps(value).encode()), dtype=torch.uint8)
        length = torch.tensor([len(text)])
        self.broadcast_([length])
        sent = text if self.is_writer else torch.empty(int(length), dtype=torch.uint8)
        self.broadcast_([sent])
        return json.loads(sent.numpy().tobytes().decode())

    def any(self, flag: bool) -> bool:
        """Whether any process says so."""
        return bool(self.sum_(torch.tensor(float(flag), device=self.device)) > 0)

    def require_same(self, text: str, what: str) -> None:
        """Raise `ParameterError` in every process unless all of them have this text."""
        if self.any(self.broadcast(text) != text):
            raise ParameterError(
                f"the {self.world} processes do not have the same {what}; every one must be given the same data, "
                "parameters and folders (on a file system that all machines see)"
            )

    def guard(self) -> AbstractContextManager[None]:
        """In the block, this process does not wait for ever for one that is gone."""
        return nullcontext() if self.world == 1 else self._peers.guard()

    def _call(self, function: Callable[..., Any], *args: Any) -> None:
        try:
            function(*args)
        except RuntimeError as error:  # torch has no class of its own for a closed connection
            self.lost = True
            what = str(error).splitlines()[0].rpartition("] ")[2]
            who = self._peers.gone_soon() or f"another process is gone, or does not answer ({what})"
            raise LostProcessError(
                f"{who}; what was saved is whole, and the training can be resumed from its checkpoint, by any number "
                "of processes"
            ) from None


def _newest(*names: str) -> Callable[..., Any]:
    """The first of these functions that this PyTorch has: they were renamed."""
    return next(getattr(torch.distributed, name) for name in names if hasattr(torch.distributed, name))


class Joined:
    """The group that this program has joined, if it has."""

    group: Group | None = None


def is_writer() -> bool:
    """Whether this process writes files and prints: the first one, or the only one."""
    return Joined.group is None or Joined.group.is_writer


def world_sum_(tensor: Tensor) -> Tensor:
    """Sum over the processes of the group that this program has joined, in place."""
    assert Joined.group is not None
    return Joined.group.sum_(tensor)
