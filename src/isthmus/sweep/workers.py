"""Several workers on one machine: the same command, several times."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Sequence

from isthmus.errors import ParameterError

_THREADS = "OMP_NUM_THREADS"


def run_workers(args: Sequence[str], n: int) -> None:
    """Run ``isthmus ARGS`` ``n`` times at once and wait; they agree among themselves who does what.

    Each gets its share of the processor's cores, unless ``OMP_NUM_THREADS`` says otherwise.

    Raises
    ------
    ParameterError
        A worker ended with an error, which it has printed itself.
    KeyboardInterrupt
        After Ctrl-C, once every worker has ended in its own time.
    """
    share = max(1, (os.cpu_count() or 1) // n)
    environment = {_THREADS: str(share), **os.environ}
    # In groups of their own: the terminal would send Ctrl-C to all of them, and ours would be their second one.
    workers = [
        subprocess.Popen([sys.executable, "-m", "isthmus", *args], env=environment, start_new_session=True)
        for _ in range(n)
    ]
    try:
        codes = [worker.wait() for worker in workers]
    except KeyboardInterrupt:
        _stop(workers)
        raise
    finally:
        for worker in workers:
            if worker.poll() is None:
                worker.terminate()
    failed = sum(code != 0 for code in codes)
    if failed:
        raise ParameterError(f"{failed} of {n} workers ended with an error, which stands above")


def _stop(workers: Sequence[subprocess.Popen]) -> None:
    """Pass Ctrl-C on; a second one ends the workers at once."""
    for worker in workers:
        if worker.poll() is None:
            worker.send_signal(signal.SIGINT)
    try:
        for worker in workers:
            worker.wait()
    except KeyboardInterrupt:
        for worker in workers:
            worker.kill()
        raise
