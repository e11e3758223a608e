"""The optimiser and its schedule."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from torch import nn

if TYPE_CHECKING:
    from isthmus.training.trainer import Trainer


def make_optimizer(module: nn.Module, trainer: Trainer) -> torch.optim.AdamW:
    """AdamW; vectors and scalars (biases, norms, learned scales) are not decayed."""
    parameters = [p for p in module.parameters() if p.requires_grad]
    groups = [
        {"params": [p for p in parameters if p.ndim >= 2], "weight_decay": trainer.weight_decay},
        {"params": [p for p in parameters if p.ndim < 2], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW([group for group in groups if group["params"]], lr=trainer.learning_rate, fused=True)


def learning_rate(trainer: Trainer, step: int, n_steps: int) -> float:
    """Learning rate of step number ``step`` (from 0) of ``n_steps``: warm-up, then cosine or constant.

    A pure function of the step, so that a resumed training needs no scheduler state.
    """
    n_warmup = trainer.warmup * n_steps
    if step + 1 <= n_warmup:
        return trainer.learning_rate * (step + 1) / n_warmup
    if trainer.schedule == "constant":
        return trainer.learning_rate
    done = (step - n_warmup) / max(1.0, n_steps - n_warmup)
    return trainer.learning_rate * 0.5 * (1 + math.cos(math.pi * min(1.0, max(0.0, done))))
