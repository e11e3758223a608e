"""The schedule of the learning rate."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from isthmus.training.trainer import Trainer


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
