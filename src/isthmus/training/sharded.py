"""Weights, gradients and optimiser state, of which each process keeps a part only."""

from __future__ import annotations

import torch
from torch import Tensor

from isthmus.core import Composed
from isthmus.processes import Group
from isthmus.training.adamw import AdamW
from isthmus.training.engine import Engine
from isthmus.training.precision import Weights
from isthmus.training.shared import SharedEngine, views
from isthmus.training.trainer import Trainer


class Flat:
    """Some weights one after the other in memory, cut into parts of equal length, one for each process.

    Parameters
    ----------
    weights : list of Tensor
        As they are in the module: whole.
    numbers : list of int
        Which of the module's they are.
    kind : torch.dtype
        What they are computed with.
    group : Group
        The processes.
    """

    def __init__(self, weights: list[Tensor], numbers: list[int], kind: torch.dtype, group: Group) -> None:
        self.numbers, self.kind, self.group, self.device = numbers, kind, group, weights[0].device
        self.like = [torch.empty_strided(w.shape, w.stride(), device="meta") for w in weights]
        self.length = -(-sum(w.numel() for w in weights) // group.world)
        self.mine = self.part()
        # For each weight that is in this part: its place in the list, from where to where in it, and where in the part.
        self.spans: list[tuple[int, int, int, int]] = []
        first, start = group.rank * self.length, 0
        for i, w in enumerate(weights):
            low, high = max(first, start), min(first + self.length, start + w.numel())
            if low < high:
                self.spans.append((i, low - start, high - start, low - first))
            start += w.numel()

    def part(self) -> Tensor:
        """A part, of zeros."""
        return torch.zeros(self.length, device=self.device)

    def pieces(self, part: Tensor) -> list[Tensor]:
        """The weights, or pieces of weights, that a part consists of."""
        return [part[at : at + high - low] for _, low, high, at in self.spans]

    def cut(self, whole: list[Tensor], part: Tensor) -> None:
        """Fill a part from whole tensors in the shapes of the weights."""
        for (i, low, high, _), piece in zip(self.spans, self.pieces(part), strict=True):
            laid_out = torch.empty_strided(self.like[i].shape, self.like[i].stride(), device=self.device)
            laid_out.copy_(whole[i])
            piece.copy_(laid_out.as_strided((laid_out.numel(),), (1,))[low:high])

    def join(self, part: Tensor, kind: torch.dtype, into: Tensor | None = None) -> Tensor:
        """The parts of all processes in one piece of memory, in another format if asked for."""
        whole = torch.empty(self.length * self.group.world, dtype=kind, device=self.device) if into is None else into
        return self.group.gather(whole, part.to(kind))

    def sum_up(self, gradients: list[Tensor]) -> list[Tensor]:
        """Pieces of this process's part of the sum of the gradients of all processes, in float32."""
        whole = torch.zeros(self.length * self.group.world, device=self.device)
        torch._foreach_copy_(views(whole, self.like), gradients)  # pyright: ignore[reportPrivateImportUsage]
        return self.pieces(self.group.scatter_sum(self.part(), whole))

    def of(self, tensors: list[Tensor] | tuple[Tensor, ...]) -> list[Tensor]:
        """Those of a tensor for each weight of the module that belong to the weights here."""
        return [tensors[i] for i in self.numbers]


class ShardedWeights(Weights):
    """Float32 masters of which this process has a part. The module has whole copies to compute with.

    Parameters
    ----------
    module, bf16
        As for `Weights`.
    group : Group
        The processes.
    """

    def __init__(self, module: Composed, bf16: bool, group: Group) -> None:
        super().__init__(module, bf16)
        self.group = group
        self.flats = [
            Flat([self.masters[i] for i in numbers], numbers, kind, group)
            for kind, copied in ((torch.bfloat16, True), (torch.float32, False))
            if (numbers := [i for i, c in enumerate(self.copied) if c == copied])
        ]
        self.is_matrix = [w.ndim >= 2 for w in self.masters]
        self.masters, self._from, self._to = [], [], []
        self._whole: list[Tensor] = []

    def use_copies(self) -> None:
        values = [p.data for p in self.live]
        for flat in self.flats:
            flat.cut(flat.of(values), flat.mine)
        self._whole = [flat.join(flat.mine, flat.kind) for flat in self.flats]
        self._hold(self._whole)

    def use_masters(self) -> None:
        super().use_masters()
        self._whole = []

    def refresh(self) -> None:
        for flat, whole in zip(self.flats, self._whole, strict=True):
            flat.join(flat.mine, flat.kind, into=whole)

    def whole(self) -> list[Tensor]:
        values = [p.data for p in self.live]
        # Where the module computes in float32 it has them already; without the other processes nobody does.
        for flat in self.flats if self._whole else []:
            if flat.kind != torch.float32:
                joined = flat.mine.new_empty(flat.length * flat.group.world)
                if not self.group.lost:
                    flat.join(flat.mine, torch.float32, into=joined)
                for i, view in zip(flat.numbers, views(joined, flat.like), strict=True):
                    values[i] = view
        return values

    def _hold(self, wholes: list[Tensor]) -> None:
        for flat, whole in zip(self.flats, wholes, strict=True):
            for i, view in zip(flat.numbers, views(whole, flat.like), strict=True):
                self.live[i].data = view


class ShardedAdamW(AdamW):
    """`AdamW` of the pieces of weights that this process has. Its state has the names and shapes of the whole one.

    Parameters
    ----------
    weights : ShardedWeights
        What to move.
    decay : float
        As for `AdamW`.
    """

    def __init__(self, weights: ShardedWeights, decay: float) -> None:
        self.flats = weights.flats
        super().__init__([piece for flat in self.flats for piece in flat.pieces(flat.mine)], decay)
        of = [flat.numbers[span[0]] for flat in self.flats for span in flat.spans]
        self.decays = [decay if weights.is_matrix[i] else 0.0 for i in of]
        self.paces = [weights.paces[i] for i in of]
        self._parts = {name: [flat.part() for flat in self.flats] for name in ("first", "second")}
        self.first, self.second = (
            [piece for flat, part in zip(self.flats, parts, strict=True) for piece in flat.pieces(part)]
            for parts in self._parts.values()
        )

    def tensors(self) -> dict[str, Tensor]:
        state: dict[str, Tensor] = {}
        for name, parts in self._parts.items():
            for flat, part in zip(self.flats, parts, strict=True):
                whole = views(flat.join(part, torch.float32), flat.like)
                state |= {f"{i}/{name}": tensor for i, tensor in zip(flat.numbers, whole, strict=True)}
        return state

    def restore(self, tensors: dict[str, Tensor]) -> None:
        self.check(self.tensors(), tensors)
        for name, parts in self._parts.items():
            for flat, part in zip(self.flats, parts, strict=True):
                flat.cut([tensors[f"{i}/{name}"] for i in flat.numbers], part)


class ShardedEngine(SharedEngine):
    """A `SharedEngine` whose process has a part of the float32 weights, the summed gradients, and the moments.

    During a step the weights that it computes with are whole in every process, and so is the gradient, until it is
    summed. This is stage 2 of Rajbhandari et al. (2020), with the master weights cut as well. PyTorch's
    ``fully_shard`` could give up the weights of one layer while it computes with another; but it joins them when the
    ``forward`` of a module is called, and terms and bottlenecks read weights without that; and the module that it is
    given never becomes a plain one again, which an estimator has to have.
    """

    weights: ShardedWeights
    optimizer: ShardedAdamW

    def _lay_out(self) -> tuple[Weights, AdamW]:
        weights = ShardedWeights(self.module, self.bf16, self.group)
        return weights, ShardedAdamW(weights, self.trainer.weight_decay)

    def _summed(self) -> list[Tensor]:
        return []

    def _update(self, gradients: tuple[Tensor, ...], totals: Tensor, number: int) -> None:
        self.group.sum_(self._flat)
        pieces = [piece for flat in self.weights.flats for piece in flat.sum_up(flat.of(gradients))]
        if self.trainer.gradient_clip is not None:
            squares = torch.stack([piece.square().sum() for piece in pieces]).sum() if pieces else totals.new_zeros(())
            norm = self.group.sum_(squares).sqrt()
            scale = (self.trainer.gradient_clip / (norm + 1e-6)).clamp_max(1.0)
            torch._foreach_mul_(pieces, scale)  # pyright: ignore[reportPrivateImportUsage]
        self.optimizer.update(pieces, self.rate, number)
        self.weights.refresh()
        self.sums += totals


def make_engine(module: Composed, trainer: Trainer, device: torch.device, bf16: bool, group: Group) -> Engine:
    """The engine for these processes."""
    if group.world == 1:
        return Engine(module, trainer, device, bf16)
    kind = ShardedEngine if trainer.strategy == "fsdp" else SharedEngine
    return kind(module, trainer, device, bf16, group)
