"""The whole step as one compiled graph: forward, backward, and the optimiser."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from types import FunctionType
from typing import Any

import torch
from torch import Tensor
from torch.func import functional_call, grad

from isthmus.core import Composed
from isthmus.training.adamw import BETA1, BETA2, EPSILON, AdamW
from isthmus.training.precision import Weights, autocast
from isthmus.training.trainer import Trainer

# Random numbers come from the same generator, in the same order, as in the plain step. Conditions under which compiled
# code is valid are not looked at in every step, where they would cost a third of the time of a small model: nothing
# that they are about changes while a training runs, but for the size of the batch, which `CompiledStep` heeds.
_OPTIONS: dict[str, Any] = {
    "fallback_random": True,
    "size_asserts": False,
    "guard_filter_fn": lambda conditions: [False] * len(conditions),
}


class CompiledStep:
    """A step compiled by `torch.compile`, anew for each size of batch.

    It draws the same random numbers as the plain step, and moves the same tensors, so that either can follow the other.

    Parameters
    ----------
    module, weights, optimizer, trainer, sums, bf16
        What `Engine` has.
    """

    def __init__(
        self,
        module: Composed,
        weights: Weights,
        optimizer: AdamW,
        trainer: Trainer,
        sums: Tensor,
        bf16: bool,
    ) -> None:
        self.module, self.weights, self.optimizer, self.trainer = module, weights, optimizer, trainer
        self.sums, self.bf16 = sums, bf16
        self._graphs: dict[torch.Size, Callable[..., None]] = {}
        # Numbers that change with every step must be tensors, or each would be compiled in.
        self._numbers = torch.zeros(3, device=sums.device)

    def __call__(self, batch: list[Tensor], cost_weights: Tensor, rate: float, number: int) -> None:
        """Step ``number``, from 1."""
        adam = self.optimizer
        self._numbers.copy_(torch.tensor([rate, 1 - BETA1**number, 1 - BETA2**number]))
        arguments = (
            self,
            self.weights.masters,
            self.weights.computed_with,
            adam.first,
            adam.second,
            batch,
            cost_weights,
            self._numbers,
        )
        graph = self._graphs.get(batch[0].shape)
        if graph is not None:
            graph(*arguments)
            return
        graph = _compile(self._whole)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # PyTorch's compiler warns of PyTorch
            graph(*arguments)
        self._graphs[batch[0].shape] = graph

    @staticmethod
    def _whole(
        step: CompiledStep,
        masters: list[Tensor],
        computed_with: list[Tensor],
        first: list[Tensor],
        second: list[Tensor],
        batch: list[Tensor],
        cost_weights: Tensor,
        numbers: Tensor,
    ) -> None:
        def loss(values: list[Tensor]) -> tuple[Tensor, Tensor]:
            with autocast(batch[0].device, step.bf16):
                costs = functional_call(step.module, dict(zip(step.weights.names, values, strict=True)), tuple(batch))
            return step.module.loss(costs, cost_weights), torch.stack([cost.sum() for cost in costs.values()])

        gradients, totals = grad(loss, has_aux=True)(computed_with)
        step.sums += totals
        gradients = [g.float() for g in gradients]
        if step.trainer.gradient_clip is not None:
            norm = torch.stack([g.square().sum() for g in gradients]).sum().sqrt()
            scale = (step.trainer.gradient_clip / (norm + 1e-6)).clamp_max(1.0)
            gradients = [g * scale for g in gradients]
        rate, correction1, correction2 = numbers.unbind()
        adam = step.optimizer
        for w, copy, m, v, g, decay, pace in zip(
            masters, computed_with, first, second, gradients, adam.decays, adam.paces, strict=True
        ):
            m.lerp_(g, 1 - BETA1)
            v.mul_(BETA2).addcmul_(g, g, value=1 - BETA2)
            w.mul_(1 - rate * pace * decay)
            w.sub_(rate * pace / correction1 * m / ((v / correction2).sqrt() + EPSILON))
            if copy is not w:
                copy.copy_(w)


def _compile(function: Callable[..., None]) -> Callable[..., None]:
    """A compiled copy of the function. What is compiled is kept by the code that it came from, so each has its own."""
    assert isinstance(function, FunctionType)
    copy = FunctionType(function.__code__.replace(), function.__globals__, closure=function.__closure__)
    return torch.compile(copy, fullgraph=True, dynamic=False, options=_OPTIONS)
