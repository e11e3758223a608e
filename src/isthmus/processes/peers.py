"""Noticing that another process of this machine is gone."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, ClassVar

from isthmus.errors import LostProcessError

# Seconds after which a process that hangs because another is gone is ended. The connections of most devices notice
# that themselves, at once.
_PATIENCE = 15.0
_EXIT_CODE = 2
_MOMENT, _MOMENTS = 0.1, 20


class Peers:
    """The processes that this one has started, or the one that has started it.

    Parameters
    ----------
    started : list of Popen
        Number 1, 2 and so on of this machine.
    """

    PARENT: ClassVar[str] = "ISTHMUS_STARTED_BY"

    def __init__(self, started: list[subprocess.Popen]) -> None:
        self.started = started
        self.parent = int(os.environ.get(self.PARENT, 0))

    def gone(self) -> str | None:
        """Which process ended with an error, if one has."""
        for number, process in enumerate(self.started, start=1):
            code = process.poll()
            if code:
                how = f"was killed ({signal.Signals(-code).name})" if code < 0 else f"ended with exit code {code}"
                return f"process {number} of {len(self.started) + 1} {how}"
        if self.parent and os.getppid() != self.parent:
            return "the first process is gone"
        return None

    def gone_soon(self) -> str | None:
        """The same after a moment: a connection closes before its process has ended."""
        for _ in range(_MOMENTS):
            who = self.gone()
            if who is not None or not (self.started or self.parent):
                return who
            time.sleep(_MOMENT)
        return None

    def run(self, function: Callable[[], Any]) -> None:
        """Call a function that waits for all processes, unless one of them ends meanwhile."""
        failures: list[BaseException] = []

        def call() -> None:
            try:
                function()
            except BaseException as error:
                failures.append(error)

        thread = threading.Thread(target=call, daemon=True)
        thread.start()
        while thread.is_alive():
            thread.join(0.2)
            who = self.gone()
            if who is not None:
                raise LostProcessError(f"{who} before the training began; its own message says why")
        if failures:
            raise failures[0]

    @contextmanager
    def guard(self) -> Iterator[None]:
        """End this process, in the block, if it hangs because another is gone."""
        over = threading.Event()

        def watch() -> None:
            while not over.wait(1.0):
                who = self.gone()
                if who is not None and not over.wait(_PATIENCE):
                    print(f"isthmus: {who}, and this process waited for it in vain", file=sys.stderr, flush=True)
                    os._exit(_EXIT_CODE)

        threading.Thread(target=watch, daemon=True).start()
        try:
            yield
        finally:
            over.set()
