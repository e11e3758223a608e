"""Whether to compile: decided by timing both ways in the training itself."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

import numpy as np
import torch

Compile = Literal["auto"] | bool

# Seconds that a training must still take before compiling, of about ten seconds, is tried.
_WORTH = 60.0
_WARM_UP, _WINDOW = 10, 30
# The compiled step is kept if it takes at most this share of the time of the plain one.
_GAIN = 0.95


class Pilot:
    """Chooses between the plain and the compiled step.

    Both reach the same loss. The first steps are plain and timed; if what is left would take long enough, the next ones
    are compiled and timed too, and the faster way is kept. Nothing is done twice: every step trains.

    Parameters
    ----------
    wish : bool or "auto"
        Compile always, never, or if it pays.
    device : torch.device
        Where the training runs; a GPU is waited for only while steps are timed.

    Attributes
    ----------
    decided : bool or None
        Whether the compiled step is used for the rest of the training; None as long as that is open.
    reason : str
        Why.
    """

    def __init__(self, wish: Compile, device: torch.device) -> None:
        self.device = device
        self.decided: bool | None = None if wish == "auto" else bool(wish)
        self.reason = "the training ended before it could pay" if wish == "auto" else "as asked"
        self._times: dict[bool, list[float]] = {False: [], True: []}
        self._trying, self._size = False, 0

    def settle(self, compiled: bool) -> None:
        """Take over what was decided before the training was cut off."""
        if self.decided is None:
            self.decided, self.reason = compiled, "as before the training was cut off"

    @contextmanager
    def watch(self, size: int, steps_left: int) -> Iterator[bool]:
        """Time one step on ``size`` rows, as long as nothing is decided; yields whether to compile it.

        Batches that are smaller than the largest are never compiled: each size would be compiled anew.
        """
        self._size = max(self._size, size)
        whole = size == self._size
        if self.decided is not None or not whole:
            yield bool(self.decided) and whole
            return
        compiled, started = self._trying, self._now()
        yield compiled
        if self.decided is None:
            self._times[compiled].append(self._now() - started)
            self._decide(steps_left)

    def rule_out(self, reason: str) -> None:
        """Never compile, whatever was asked for."""
        self.decided, self.reason = False, reason

    def give_up(self, error: Exception) -> None:
        """The model cannot be compiled."""
        self.rule_out(f"this model cannot be compiled here ({type(error).__name__})")

    def _decide(self, steps_left: int) -> None:
        plain, compiled = self._times[False], self._times[True]
        if self._trying:
            if len(compiled) == _WARM_UP + _WINDOW:
                self._compare(self._median(plain), self._median(compiled))
        elif len(plain) == _WARM_UP + _WINDOW:
            if self._median(plain) * steps_left < _WORTH:
                self.decided, self.reason = False, "the training is too short for compiling to pay"
            else:
                self._trying = True

    def _compare(self, plain: float, compiled: float) -> None:
        self.decided = compiled < _GAIN * plain
        self.reason = f"a compiled step takes {1e3 * compiled:.2f} ms, a plain one {1e3 * plain:.2f} ms"

    def _median(self, times: list[float]) -> float:
        return float(np.median(times[_WARM_UP:]))

    def _now(self) -> float:
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        return time.perf_counter()
