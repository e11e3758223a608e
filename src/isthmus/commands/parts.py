"""Commands on a part of the rows, or on all of them by several processes."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from isthmus.data.streams import Rows
from isthmus.errors import LostProcessError, ParameterError
from isthmus.files import make_folder
from isthmus.processes.share import Share

if TYPE_CHECKING:
    from isthmus.commands.parsing import Parser
    from isthmus.data import Samples

_RANGE = re.compile(r"(\d*):(\d*)")
_OWN = ("--devices", "--rows", "--out")
# Rows of a part that are joined to the others at a time.
_CHUNK = 1 << 14


def add_part_options(parser: Parser) -> None:
    """Options that say which rows, and how many processes share them."""
    text = "only these rows, counted from 0; the last is not among them, and either may be left out"
    parser.add_argument("--rows", type=str | None, metavar="FROM:TO", help=text)
    parser.add_argument("--devices", type=int, default=1, metavar="N", help="processes that share the rows")


def chosen_rows(samples: Samples, wish: str | None) -> tuple[Samples, int]:
    """The rows that ``--rows`` asks for, and the number of the first of them."""
    start, stop = _bounds(wish, len(samples.X))
    if (start, stop) == (0, len(samples.X)):
        return samples, 0
    X = _Part(samples.X, start, stop) if isinstance(samples.X, Rows) else samples.X[start:stop]
    return replace(samples, X=X, y=None, factors=None), start


class _Part(Rows):
    """Consecutive rows of a stream."""

    def __init__(self, whole: Rows, start: int, stop: int) -> None:
        super().__init__((stop - start, *whole.shape[1:]), whole.dtype, whole.name)
        self.whole, self.start = whole, start

    @property
    def block(self) -> int:
        return self.whole.block

    def _take(self, rows: np.ndarray) -> np.ndarray:
        return self.whole.take(rows + self.start)


def _bounds(wish: str | None, n: int) -> tuple[int, int]:
    found = _RANGE.fullmatch(wish or ":")
    if found is None:
        raise ParameterError(f"--rows names a range such as 0:1000, :1000 or 1000:, and not {wish!r}")
    start, stop = int(found[1] or 0), min(int(found[2] or n), n)
    if start >= stop:
        raise ParameterError(f"--rows {wish} has no rows: the data have {n:,}, counted from 0")
    return start, stop


@dataclass(frozen=True)
class SharedCommand:
    """A command that is carried out by several processes, each on a contiguous part of the rows.

    Parameters
    ----------
    command : str
        Such as "encode".
    args : list of str
        What follows it on the command line.
    """

    command: str
    args: list[str]

    def results(self, n_rows: int, first: int, devices: int, beside: Path) -> Iterator[np.ndarray]:
        """What the processes write, in the order of the rows; meanwhile there is a folder for it ``beside`` the rest.

        Raises
        ------
        LostProcessError
            A process failed; the others are stopped.
        """
        n = min(devices, n_rows)
        make_folder(beside)
        with tempfile.TemporaryDirectory(dir=beside, prefix=".parts.") as folder:
            files = [Path(folder) / f"{number}.npy" for number in range(n)]
            shares = [Share.of(n_rows, number, n) for number in range(n)]
            running = [self._start(first + s.start, first + s.stop, f, n) for s, f in zip(shares, files, strict=True)]
            try:
                for process, file in zip(running, files, strict=True):
                    _, complaint = process.communicate()
                    if process.returncode:
                        last = (complaint.strip().splitlines() or [f"exit code {process.returncode}"])[-1]
                        raise LostProcessError(f"one of {n} processes failed: {last.removeprefix('isthmus: ')}")
                    part = np.load(file, mmap_mode="r")
                    yield from (part[at : at + _CHUNK] for at in range(0, len(part), _CHUNK))
            finally:
                for process in running:
                    process.kill()
                    process.wait()
                    if process.stderr:
                        process.stderr.close()

    def _start(self, start: int, stop: int, file: Path, n: int) -> subprocess.Popen:
        own = ["--rows", f"{start}:{stop}", "--out", str(file), "--devices", "1"]
        return subprocess.Popen(
            [sys.executable, "-m", "isthmus.cli", self.command, *_others(self.args), *own],
            env={"OMP_NUM_THREADS": str(max(1, (os.cpu_count() or 1) // n)), **os.environ},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )


def _others(args: list[str]) -> list[str]:
    """Arguments without the options that each process has of its own."""
    kept, skip = [], False
    for arg in args:
        if skip:
            skip = False
            continue
        name, equals, _ = arg.partition("=")
        if name in _OWN:
            skip = not equals
        else:
            kept.append(arg)
    return kept
