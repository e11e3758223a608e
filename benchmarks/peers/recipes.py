"""What is searched over: the part of a training's settings that both sides can express."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass

BATCH_SIZES = (64, 128, 256, 512)
LEARNING_RATES = (1e-3, 1.5e-2)
EPOCHS = (4, 12)
# A constant rate, as shipped, is worth fewer trials.
SCHEDULES = ("constant", "cosine", "cosine", "warmup", "warmup")
WARMUPS = (0.1, 0.2, 0.3)


@dataclass(frozen=True)
class Recipe:
    """How to train.

    Parameters
    ----------
    learning_rate : float
        Peak of the schedule.
    batch_size : int
        Rows per step.
    schedule : {"constant", "cosine", "warmup"}
        ``"cosine"`` falls to 0 over all epochs; ``"warmup"`` rises to the peak first.
    warmup : float
        Share of the epochs over which the rate rises.
    epochs : int
        Passes over the training rows that the schedule is laid out for.
    """

    learning_rate: float
    batch_size: int
    schedule: str
    warmup: float
    epochs: int

    def __str__(self) -> str:
        warmup = f" after warm-up over {self.warmup:g}" if self.warmup else ""
        schedule = "cosine" if self.schedule == "warmup" else self.schedule
        return f"{self.learning_rate:g}, batches of {self.batch_size}, {schedule}{warmup}, {self.epochs} epochs"


def draw_recipes(n: int, seed: int) -> list[Recipe]:
    """Recipes at random: rates log-uniform, all else as listed. The first n of a longer list are those of a shorter."""
    return [_draw(random.Random(f"{seed} {number}")) for number in range(n)]


def _draw(generator: random.Random) -> Recipe:
    low, high = (math.log(rate) for rate in LEARNING_RATES)
    schedule = generator.choice(SCHEDULES)
    return Recipe(
        learning_rate=float(f"{math.exp(generator.uniform(low, high)):.2g}"),
        batch_size=generator.choice(BATCH_SIZES),
        schedule=schedule,
        warmup=generator.choice(WARMUPS) if schedule == "warmup" else 0.0,
        epochs=generator.randint(*EPOCHS),
    )
