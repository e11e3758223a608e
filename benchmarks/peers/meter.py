"""Seconds of training, without those of evaluation and of compilation, and the bound after every epoch."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable
from typing import Any


class Meter:
    """Stopwatch of one training, made when all that comes before ``fit`` is done.

    Parameters
    ----------
    targets : sequence of float
        Bounds to reach, in nats.
    cap : float
        Seconds of training after which to give up.
    """

    def __init__(self, targets: list[float], cap: float) -> None:
        self.hardest, self.cap = max(targets), cap
        self.epochs: list[dict[str, float]] = []
        self.status = "ended"
        self._made = time.perf_counter()
        self._startup: float | None = None
        self._trained = self._used = 0.0
        self._compiled_before = compile_seconds()

    def start(self) -> None:
        """Training begins or goes on."""
        self._began = time.perf_counter(), time.process_time(), compile_seconds()
        if self._startup is None:
            self._startup = self._began[0] - self._made - (self._began[2] - self._compiled_before)

    def stop(self, bound: Callable[[], float]) -> bool:
        """An epoch has ended; measures the bound and returns whether there is nothing left to wait for."""
        wall, used, compiled = time.perf_counter(), time.process_time(), compile_seconds()
        self._trained += wall - self._began[0] - (compiled - self._began[2])
        self._used += used - self._began[1]
        nats = bound()
        if not math.isfinite(nats):
            self.status = "diverged"
            return True
        self.epochs.append(
            {
                "train_s": self._trained,
                "cpu_s": self._used,
                "compile_s": compiled - self._compiled_before,
                "bound": nats,
            }
        )
        if nats >= self.hardest:
            self.status = "reached"
        elif self._trained > self.cap:
            self.status = "capped"
        return self.status != "ended"

    def record(self) -> dict[str, Any]:
        """All that was measured."""
        return {"status": self.status, "startup_s": self._startup, "epochs": self.epochs}


def compile_seconds() -> float:
    """Seconds that this process has spent in torch's compiler."""
    utils = sys.modules.get("torch._dynamo.utils")
    return utils.calculate_time_spent()["total_wall_time"] if utils else 0.0
