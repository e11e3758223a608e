"""One optimiser step, as fast as the machine allows: in plain PyTorch, or compiled where that pays."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

from isthmus.core import Composed
from isthmus.training.adamw import AdamW
from isthmus.training.compiled import CompiledStep
from isthmus.training.pilot import Pilot
from isthmus.training.precision import Weights, autocast
from isthmus.training.recorded import RecordedStep
from isthmus.training.schedule import learning_rate
from isthmus.training.trainer import Trainer


class Engine:
    """Moves the weights of a module, one batch at a time, without ever waiting for the device.

    Parameters
    ----------
    module : Composed
        Trained in place. It holds bfloat16 copies of its weights inside `training`, and the weights at all other times.
    trainer : Trainer
        How.
    device : torch.device
        Where the module is.
    bf16 : bool
        Whether its layers compute in bfloat16.
    """

    def __init__(self, module: Composed, trainer: Trainer, device: torch.device, bf16: bool) -> None:
        self.module, self.trainer, self.device, self.bf16 = module, trainer, device, bf16
        self.weights, self.optimizer = self._lay_out()
        self.sums = torch.zeros(len(module.terms), dtype=torch.float64, device=device)
        self.rate = 0.0
        self.pilot = Pilot(trainer.compile, device)
        self._compiled: CompiledStep | None = None
        self._recorded = RecordedStep(self._move, device)
        self._cost_weights = torch.ones(len(module.terms), device=device)
        self._known_weights: list[float] = []

    @contextmanager
    def training(self) -> Iterator[None]:
        """Let the module compute with copies of its weights in the block, and hold the weights afterwards."""
        self.weights.use_copies()
        try:
            yield
        finally:
            self.weights.use_masters()

    def step(self, batch: list[Tensor], number: int, n_steps: int) -> None:
        """Move the weights along the gradient of the loss of a batch, and add its costs to ``sums``.

        It is step ``number``, from 0, of ``n_steps``: so the learning rate is known, and the weights of costs that warm
        up.
        """
        self.rate = learning_rate(self.trainer, number, n_steps)
        self._weigh(number / n_steps)
        with self.pilot.watch(len(batch[0]), n_steps - number) as compiled:
            if not (compiled and self._step_compiled(batch, number + 1)):
                self._step_plain(batch, number + 1)

    def state_dict(self) -> dict[str, Tensor]:
        """The module's, with its weights rather than their copies."""
        held = [p.data for p in self.weights.live]
        for p, master in zip(self.weights.live, self.weights.whole(), strict=True):
            p.data = master
        state = self.module.state_dict()
        for p, data in zip(self.weights.live, held, strict=True):
            p.data = data
        return state

    def costs(self, batch: list[Tensor]) -> dict[str, Tensor]:
        """Cost of every term, of shape (B,), in the format that is trained in."""
        with autocast(self.device, self.bf16):
            return self.module(*batch)

    def _lay_out(self) -> tuple[Weights, AdamW]:
        weights = Weights(self.module, self.bf16)
        return weights, AdamW(weights.masters, self.trainer.weight_decay, weights.paces)

    def agreed(self, stop: bool, save: bool) -> tuple[bool, bool]:
        """Whether to stop here, and whether to save: what this process wishes, if it trains alone."""
        return stop, save

    def _step_plain(self, batch: list[Tensor], number: int) -> None:
        self.optimizer.announce(self.rate, number)
        if not self._recorded(batch):
            self._move(batch)

    def _move(self, batch: list[Tensor]) -> None:
        """Take the step that was announced; nothing in it waits for the device."""
        costs = self.costs(batch)
        loss = self.module.loss(costs, self._cost_weights)
        gradients = torch.autograd.grad(loss, self.weights.live, materialize_grads=True)
        with torch.no_grad():
            wide = self.optimizer.widen(gradients)
            if self.trainer.gradient_clip is not None:
                clip(wide, self.trainer.gradient_clip)
            self.optimizer.apply(wide)
            self.weights.refresh()
            self.sums += torch.stack([cost.sum() for cost in costs.values()])

    def _step_compiled(self, batch: list[Tensor], number: int) -> bool:
        """Try the compiled step; False if the model cannot be compiled, which the pilot is told."""
        if self._compiled is None:
            self._compiled = CompiledStep(self.module, self.weights, self.optimizer, self.trainer, self.sums, self.bf16)
        try:
            self._compiled(batch, self._cost_weights, self.rate, number)
        except RuntimeError as error:  # no compiler, or something in the model that it does not know
            self.pilot.give_up(error)
            return False
        return True

    def _weigh(self, progress: float) -> None:
        self.module.advance(progress)
        known = list(self.module.weights(progress).values())
        if known != self._known_weights:
            self._known_weights = known
            self._cost_weights.copy_(torch.tensor(known))


def clip(gradients: list[Tensor], most: float) -> None:
    """Shrink gradients, in place, so that their norm over all parameters is at most ``most``."""
    norm = torch.linalg.vector_norm(torch.stack(torch._foreach_norm(gradients)))  # pyright: ignore[reportPrivateImportUsage]
    torch._foreach_mul_(gradients, (most / (norm + 1e-6)).clamp_max(1.0))  # pyright: ignore[reportPrivateImportUsage]
