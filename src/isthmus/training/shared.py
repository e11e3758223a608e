"""The step of several processes: each computes the gradient of its part of the batch, and all take the same step."""

from __future__ import annotations

import torch
from torch import Tensor

from isthmus.core import Composed
from isthmus.processes import Group
from isthmus.processes.share import Current
from isthmus.training.engine import Engine, clip
from isthmus.training.trainer import Trainer

# Steps between looks at what the processes wish: on a GPU each look waits for the device.
_LOOK_EVERY = {"cpu": 1}
_SELDOM = 16


class SharedEngine(Engine):
    """An `Engine` that is one of several.

    What a step adds up over the processes is one flat float32 tensor: the gradients, each weighted by its process's
    share of the rows, the costs, and whether any process wishes to stop or save. There is no wrapper around the module,
    as PyTorch's own has (`DistributedDataParallel`): that hooks into ``forward`` and ``backward`` of one module, while
    here parts are called by themselves too, gradients are asked for rather than accumulated, and weights change
    between two formats. What it would gain, sending while still computing, is little for models of this kind.

    Parameters
    ----------
    module, trainer, device, bf16
        As for `Engine`. ``module`` has the same weights in every process, and keeps having them.
    group : Group
        The processes.
    """

    def __init__(self, module: Composed, trainer: Trainer, device: torch.device, bf16: bool, group: Group) -> None:
        self.group = group
        super().__init__(module, trainer, device, bf16)
        self.pilot.rule_out("several processes take plain steps")
        self._wishes, self._agreed = (False, False), (False, False)
        n = sum(w.numel() for w in self._summed())
        self._flat = torch.zeros(n + len(self.sums) + len(self._wishes), device=device)
        self._totals, self._flags = self._flat[n:].split([len(self.sums), len(self._wishes)])
        self._gradients = views(self._flat, self._summed())
        self._look_every = _LOOK_EVERY.get(device.type, _SELDOM)

    def agreed(self, stop: bool, save: bool) -> tuple[bool, bool]:
        """What all processes wished at the step before: the same answer in all of them, at the same step."""
        self._wishes = stop, save
        agreed, self._agreed = self._agreed, (False, False)
        return agreed

    def _summed(self) -> list[Tensor]:
        """Weights whose gradients are summed over the processes as they are."""
        return self.weights.masters

    def _step_plain(self, batch: list[Tensor], number: int) -> None:
        share = Current.share
        assert share is not None
        costs = self.costs(batch)
        # Weighted before the gradients are taken, as these may pass from one process to another on their way.
        loss = self.module.loss(costs, self._cost_weights) * (share.count / share.total)
        gradients = torch.autograd.grad(loss, self.weights.live, materialize_grads=True)
        with torch.no_grad():
            self._totals.copy_(torch.stack([cost.sum() for cost in costs.values()]))
            self._flags.zero_()
            if any(self._wishes):
                self._flags.copy_(torch.tensor(self._wishes))
            self._update(gradients, self._totals, number)
            if number % self._look_every == 0:
                stop, save = (self._flags > 0).tolist()
                self._agreed = stop, save

    def _update(self, gradients: tuple[Tensor, ...], totals: Tensor, number: int) -> None:
        torch._foreach_copy_(self._gradients, list(gradients))  # pyright: ignore[reportPrivateImportUsage]
        self.group.sum_(self._flat)
        if self.trainer.gradient_clip is not None:
            clip(self._gradients, self.trainer.gradient_clip)
        self.optimizer.update(self._gradients, self.rate, number)
        self.weights.refresh()
        self.sums += totals


def views(flat: Tensor, like: list[Tensor]) -> list[Tensor]:
    """Tensors of these shapes and layouts, one after the other in the memory of ``flat``."""
    starts = [0]
    for tensor in like:
        starts.append(starts[-1] + tensor.numel())
    return [flat.as_strided(t.shape, t.stride(), flat.storage_offset() + n) for t, n in zip(like, starts, strict=False)]
