"""One fit: what is known of it."""

from __future__ import annotations

import asyncio
import base64
import shlex
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from isthmus.studio.frames import pack
from isthmus.studio.refusal import one_sentence

ENDED = ("done", "stopped", "failed")
"""States of a fit that is over."""
_MOST_NOTES = 20
# The last epochs from which the time left is guessed.
_RECENT = 8


@dataclass
class Job:
    """One fit.

    Parameters
    ----------
    number : str
        Which.
    run : str
        Name of its run.
    model, title : str
        What is fitted.
    data : str
        To what.
    args : list of str
        Words after ``isthmus fit MODEL``, but for the folder.
    folder : Path
        Of the run.
    shown : str
        The folder as the user named it.
    """

    number: str
    run: str
    model: str
    title: str
    data: str
    args: list[str]
    folder: Path
    shown: str
    state: str = "waiting"
    created: str = field(default_factory=lambda: datetime.now(UTC).isoformat(timespec="seconds"))
    seconds: float = 0.0
    resumed: bool = False
    saved: bool = False
    error: str | None = None
    stage: str = ""
    n_epochs: int | None = None
    n_parameters: int | None = None
    best: dict[str, float] | None = None
    figures: dict[str, int] = field(default_factory=dict)
    choices: list[dict[str, str]] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    epochs: list[dict[str, Any]] = field(default_factory=list)
    frames: dict[str, bytes] = field(default_factory=dict)
    version: int = 0
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    _started: float = 0.0
    _outcome: tuple[str, str | None] | None = None
    _ticks: list[float] = field(default_factory=list)

    def record(self) -> dict[str, Any]:
        """For JSON: all but the epochs."""
        last = self.epochs[-1] if self.epochs else {}
        now = self.seconds if self.state in ENDED or not self._started else time.monotonic() - self._started
        return {
            "id": self.number,
            "run": self.run,
            "model": self.model,
            "title": self.title,
            "data": self.data,
            "command": command(self.model, self._words(self.shown)),
            "state": self.state,
            "created": self.created,
            "seconds": round(now, 1),
            "saved": self.saved,
            "can_resume": self.state in ("stopped", "failed") and (self.folder / "checkpoint").is_dir(),
            "error": self.error,
            "stage": self.stage,
            "epoch": last.get("epoch", 0) if last.get("stage") == self.stage else 0,
            "n_epochs": self.n_epochs,
            "n_parameters": self.n_parameters,
            "seconds_per_epoch": self._pace(),
            "seconds_left": self._left(last),
            "best": self.best,
            "figures": self.figures,
            "choices": self.choices,
            "warnings": self.warnings,
        }

    def take(self, message: dict[str, Any]) -> None:
        """Learn from what the process says."""
        event = message.get("event")
        if event == "begun":
            self.choices, self.n_parameters = message["choices"], message["n_parameters"]
            self.state = "running" if self.state == "starting" else self.state
        elif event == "trained":
            self.state = "saving" if self.state == "running" else self.state
        elif event == "stage":
            self.n_epochs, self._ticks = message["n_epochs"], [time.monotonic()]
        elif event == "epoch":
            self._epoch(message)
        elif event == "shown":
            self.frames[message["of"]] = _frame(message)
        elif event == "warning" and len(self.warnings) < _MOST_NOTES:
            self.warnings.append(one_sentence(message["text"], 1000))
        elif event == "end":
            # It is over once the process is gone, and its place is free.
            self._outcome, self.saved = (message["state"], message.get("error")), message["saved"]
            self.figures = message.get("figures", {})
            return
        self.tell()

    def begin(self) -> None:
        """The process starts."""
        self.state, self.error, self._outcome, self._started = "starting", None, None, time.monotonic()
        self.tell()

    def end(self, state: str, error: str | None) -> None:
        """The process is gone; state and error are what became of it if it did not say so itself."""
        self.state, self.error = self._outcome or (state, error)
        self.seconds += time.monotonic() - self._started if self._started else 0.0
        self._started = 0.0
        self.tell()

    def tell(self) -> None:
        """Wake everyone who follows."""
        self.version += 1
        self.changed.set()
        self.changed = asyncio.Event()

    def spec(self) -> dict[str, Any]:
        """What its process is told."""
        return {"model": self.model, "args": self._words(str(self.folder)), "folder": str(self.folder)}

    def _words(self, out: str) -> list[str]:
        return [*self.args, "--out", out, *(["--resume"] if self.resumed else [])]

    def _epoch(self, message: dict[str, Any]) -> None:
        metrics = message["metrics"]
        self.stage, self.n_epochs = message["stage"], message["n_epochs"]
        self.epochs.append({"stage": self.stage, "best": message["best"], **metrics})
        if message["best"] and not self.stage:
            self.best = metrics
        self._ticks = [*self._ticks[-_RECENT:], time.monotonic()]

    def _pace(self) -> float | None:
        if len(self._ticks) < 2:
            return None
        return (self._ticks[-1] - self._ticks[0]) / (len(self._ticks) - 1)

    def _left(self, last: dict[str, Any]) -> float | None:
        """Seconds to the last epoch of this stage; early stopping may end it sooner."""
        pace = self._pace()
        if pace is None or self.n_epochs is None or self.state != "running":
            return None
        return max(0.0, (self.n_epochs - last.get("epoch", 0)) * pace)


def command(model: str, args: Iterable[str]) -> str:
    """The command line, to be copied."""
    return shlex.join(["isthmus", "fit", model, *args])


def _frame(message: dict[str, Any]) -> bytes:
    array = np.frombuffer(base64.b64decode(message["data"]), message["dtype"]).reshape(message["shape"])
    header = {key: message[key] for key in ("of", "rows", "names")}
    return pack({"event": "shown", "epoch": message.get("epoch"), **header}, shown=array)
