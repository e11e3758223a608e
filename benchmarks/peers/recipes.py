"""What is searched over: the part of a training's settings that both sides can express."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass

BATCH_SIZES = (64, 128, 256, 512)
LEARNING_RATES = (1e-3, 1.5e-2)
EPOCHS = (4, 14)
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


def draw(generator: random.Random) -> Recipe:
    """A recipe at random: the rate log-uniform, all else as listed."""
    low, high = (math.log(rate) for rate in LEARNING_RATES)
    schedule = generator.choice(SCHEDULES)
    return Recipe(
        learning_rate=rounded(math.exp(generator.uniform(low, high))),
        batch_size=generator.choice(BATCH_SIZES),
        schedule=schedule,
        warmup=generator.choice(WARMUPS) if schedule == "warmup" else 0.0,
        epochs=generator.randint(*EPOCHS),
    )


def vary(recipe: Recipe, generator: random.Random, *, longer: bool) -> Recipe:
    """A recipe near one that did well: shorter, to be sooner, or ``longer`` where it did not reach the target."""
    place = BATCH_SIZES.index(recipe.batch_size) + generator.choice((-1, 0, 0, 1))
    change = generator.choice((1, 2, 3) if longer else (-2, -1, 0))
    return Recipe(
        learning_rate=rounded(recipe.learning_rate * math.exp(generator.uniform(-0.5, 0.5))),
        batch_size=BATCH_SIZES[min(max(place, 0), len(BATCH_SIZES) - 1)],
        schedule=recipe.schedule,
        warmup=generator.choice(WARMUPS) if recipe.schedule == "warmup" else 0.0,
        epochs=max(1, recipe.epochs + change),
    )


def rounded(rate: float) -> float:
    """A rate with two digits, as people write it."""
    return float(f"{rate:.2g}")
