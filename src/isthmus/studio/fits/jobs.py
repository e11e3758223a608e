"""Fits, each in a process of its own: a queue of them, and what is known of every one."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import signal
import sys
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

from isthmus.studio.fits.job import ENDED, Job
from isthmus.studio.refusal import Refusal, one_sentence

_log = logging.getLogger("uvicorn.error")

WORKER = (sys.executable, "-m", "isthmus.studio.fits.worker")
_AT_ONCE, _MOST_WAITING, _MOST_KEPT = 1, 8, 40
# A line holds a few small pictures at most.
_LONGEST_LINE = 64 << 20
# What a fit may take to save itself when the server ends.
_GRACE = 20.0
# What the system may take to end a process that is killed, on a machine that is busy.
_KILLED = 20.0


class Jobs:
    """All fits since the server was started; a few at once, the others in their turn.

    Parameters
    ----------
    at_once : int
        How many may run.
    most_waiting : int
        How many may wait; further ones are refused.
    worker : sequence of str
        Program that carries out one fit.
    """

    def __init__(
        self, at_once: int = _AT_ONCE, most_waiting: int = _MOST_WAITING, worker: Sequence[str] = WORKER
    ) -> None:
        self._at_once, self._most_waiting, self._worker = at_once, most_waiting, worker
        self._jobs: dict[str, Job] = {}
        self._processes: dict[str, asyncio.subprocess.Process] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._count, self._closing = 0, False

    def list(self) -> list[dict[str, Any]]:
        """Records of all fits, the newest first."""
        return [self.record(job) for job in reversed(self._jobs.values())]

    def record(self, job: Job) -> dict[str, Any]:
        """Record of a fit, with its place in the queue: 1 is next."""
        waiting = [other.number for other in self._waiting()]
        place = waiting.index(job.number) + 1 if job.number in waiting else None
        return {**job.record(), "place": place}

    def get(self, number: str) -> Job:
        """The fit of this number; `Refusal` with 404 if there is none."""
        if number not in self._jobs:
            raise Refusal(
                404, f"there is no fit {one_sentence(number, 40)!r}; GET /api/fits lists those that there are"
            )
        return self._jobs[number]

    def submit(self, run: str, model: str, title: str, data: str, args: list[str], place: tuple[Path, str]) -> Job:
        """Start a fit, or let it wait for its turn; see `Job`. The place is its folder, and how it is shown.

        Raises
        ------
        Refusal
            With 409 if a fit that is not over writes this run, or 503 if too many wait.
        """
        self._check_room()
        folder, shown = place
        if any(job.folder == folder and job.state not in ENDED for job in self._jobs.values()):
            raise Refusal(409, f"another fit is to become the run {run!r}; choose another name")
        self._count += 1
        job = Job(str(self._count), run, model, title, data, args, folder, shown)
        self._jobs[job.number] = job
        self._forget()
        self._go_on()
        return job

    def resume(self, number: str) -> Job:
        """Let a fit that was stopped, or failed, go on from its checkpoint; `Refusal` with 409 if it cannot."""
        job = self.get(number)
        if not job.record()["can_resume"]:
            raise Refusal(409, f"fit {number} has nothing to go on from: it is {job.state}")
        self._check_room()
        job.state, job.resumed = "waiting", True
        # To the end of the queue.
        self._jobs[job.number] = self._jobs.pop(job.number)
        job.tell()
        self._go_on()
        return job

    def stop(self, number: str) -> Job:
        """End a fit as Ctrl-C does: the best model so far is kept."""
        job = self.get(number)
        if job.state == "waiting":
            job.end("stopped", None)
        elif job.state in ("starting", "running"):
            job.state = "stopping"
            job.tell()
            self._interrupt(number)
        return job

    async def follow(self, job: Job) -> AsyncIterator[dict[str, Any] | bytes]:
        """All that is known of a fit, and then what comes, until it is over."""
        seen, frames = 0, {}
        while True:
            changed, over = job.changed, job.state in ENDED
            # A fit that goes on again has the epochs that it had.
            epochs, seen = job.epochs[seen:], len(job.epochs)
            yield {"event": "progress", "fit": self.record(job), "epochs": epochs}
            for name in [name for name, frame in job.frames.items() if frames.get(name) is not frame]:
                frames[name] = job.frames[name]
                yield frames[name]
            if over:
                return
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(changed.wait(), 5.0)  # the clock goes on even if nothing else happens

    async def close(self) -> None:
        """Stop all fits, as Ctrl-C does, and wait until they have saved themselves."""
        self._closing = True
        if self._tasks:
            _log.warning("isthmus studio: a fit is being stopped; its best model so far is saved")
        for job in list(self._jobs.values()):
            self.stop(job.number)
        tasks = list(self._tasks.values())
        if tasks:
            await asyncio.wait(tasks, timeout=_GRACE)
        for process in list(self._processes.values()):
            with contextlib.suppress(ProcessLookupError):
                process.kill()
        if tasks:
            await asyncio.wait(tasks, timeout=_KILLED)

    def _check_room(self) -> None:
        if len(self._waiting()) >= self._most_waiting:
            sentence = f"{self._most_waiting} fits wait already; stop one of them, or try again later"
            raise Refusal(503, sentence, {"Retry-After": "60"})

    def _waiting(self) -> list[Job]:
        return [job for job in self._jobs.values() if job.state == "waiting"]

    def _forget(self) -> None:
        ended = [job.number for job in self._jobs.values() if job.state in ENDED]
        for number in ended[: max(0, len(self._jobs) - _MOST_KEPT)]:
            del self._jobs[number]

    def _go_on(self) -> None:
        """Start what waits, as far as there is room."""
        for job in self._waiting()[: max(0, self._at_once - len(self._tasks))]:
            if not self._closing:
                job.begin()
                self._tasks[job.number] = asyncio.create_task(self._run(job))

    async def _run(self, job: Job) -> None:
        try:
            await self._attend(job)
        except Exception as error:  # whatever went wrong, the next one gets its turn
            job.end("failed", f"the process of this fit could not be followed ({type(error).__name__})")
        finally:
            self._processes.pop(job.number, None)
            self._tasks.pop(job.number, None)
            for other in self._waiting():
                other.tell()  # its place in the queue
            self._go_on()

    async def _attend(self, job: Job) -> None:
        process = await asyncio.create_subprocess_exec(
            *self._worker,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            limit=_LONGEST_LINE,
            # Ctrl-C in the server's terminal is the server's; it passes it on.
            start_new_session=True,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
        )
        self._processes[job.number] = process
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        notes = asyncio.create_task(_last_line(process.stderr))
        with contextlib.suppress(ConnectionError):
            process.stdin.write(json.dumps(job.spec()).encode() + b"\n")
            await process.stdin.drain()
            process.stdin.close()
        if job.state == "stopping":  # it was asked for before there was a process
            self._interrupt(job.number)
        async for line in process.stdout:
            job.take(json.loads(line))
        code = await process.wait()
        job.end(*_fate(job, code, await notes))

    def _interrupt(self, number: str) -> None:
        process = self._processes.get(number)
        if process is not None:
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(signal.SIGINT)


def _fate(job: Job, code: int, last: str) -> tuple[str, str | None]:
    """What became of a process that did not say so itself."""
    if job.state == "stopping":
        return "stopped", None
    if code == -signal.SIGKILL:
        return "failed", "the process of this fit was killed; perhaps there is not enough memory"
    return "failed", f"the process of this fit ended with code {code}" + (f": {last}" if last else "")


async def _last_line(stream: asyncio.StreamReader) -> str:
    last = b""
    while chunk := await stream.read(1 << 16):
        last = (last + chunk)[-4096:]
    lines = last.decode("utf-8", "replace").strip().splitlines()
    return one_sentence(lines[-1], 300) if lines else ""
