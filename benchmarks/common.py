"""What several benchmarks need: where they ran, and a split."""

import os
import platform
from datetime import date

import numpy as np
import torch

import isthmus


def environment() -> str:
    """Versions, processor and date, as one line."""
    return (
        f"isthmus {isthmus.__version__}, torch {torch.__version__}, Python {platform.python_version()}, "
        f"{os.cpu_count()} cores, {cpu()}, {date.today()}"
    )


def cpu() -> str:
    """Name and instruction set of the processor."""
    capability = torch.backends.cpu.get_cpu_capability()
    return f"{platform.machine()} {capability}"


def halves(X: np.ndarray, seed: int, *, video: bool) -> tuple[np.ndarray, np.ndarray]:
    """Rows to train on, and a fifth to hold out: at random, or every fifth block of 100 frames of a video."""
    if video:
        held_out = (np.arange(len(X)) // 100 + seed) % 5 == 0
    else:
        held_out = np.random.default_rng(seed).permutation(len(X)) < len(X) // 5
    return X[~held_out], X[held_out]
