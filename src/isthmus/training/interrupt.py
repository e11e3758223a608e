"""Ctrl-C that waits for the end of a step."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def deferred_interrupt() -> Iterator[Callable[[], bool]]:
    """Hold back the first Ctrl-C, so that no optimiser step is torn; a second one acts at once.

    Yields a function that tells whether one has arrived. Outside the main thread, where Python delivers no
    signals, nothing changes.
    """
    arrived = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield arrived.is_set
        return

    def handle(signum: int, frame: FrameType | None) -> None:
        if arrived.is_set():
            raise KeyboardInterrupt
        arrived.set()

    before = signal.signal(signal.SIGINT, handle)
    try:
        yield arrived.is_set
    finally:
        signal.signal(signal.SIGINT, before)
