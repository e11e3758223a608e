"""What is computed for every sample on the map: once, piece by piece."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import numpy as np

from isthmus.studio.pieces import by_pieces

if TYPE_CHECKING:
    from isthmus.studio.opened import OpenedRun
    from isthmus.studio.work import Work

_SEED = 0


class Columns:
    """Positions, errors and scores of all samples on the map.

    Parameters
    ----------
    run : OpenedRun
        Whose samples they are.
    """

    def __init__(self, run: OpenedRun) -> None:
        self._run = run
        self._tasks: dict[str, asyncio.Task[np.ndarray]] = {}
        self._so_far: dict[str, tuple[np.ndarray, np.ndarray]] = {}
        self._began: dict[str, asyncio.Future[float]] = {}

    async def get(self, name: str, work: Work) -> np.ndarray:
        """A column: "place" (n, width), "errors" (n,) or "scores" (n,), float32.

        Whoever asks first has it computed, and whoever asks meanwhile waits for the same.
        """
        task = self._task(name, work)
        try:
            # One who leaves does not take it from the others.
            return await asyncio.shield(task)
        finally:
            # What failed is tried again by whoever asks next.
            if task.done() and (task.cancelled() or task.exception() is not None):
                self._tasks.pop(name, None)

    async def so_far(self, names: list[str], work: Work, seconds: float) -> tuple[np.ndarray, list[np.ndarray]] | None:
        """So many seconds after the first were known: which samples are, in ascending order, and their values.

        None if all are known, or something failed; then `get` is what to wait for.
        """
        tasks = {self._task(name, work) for name in names}
        # Who leaves while waiting must not end it for the others.
        began = [await asyncio.shield(self._began[name]) for name in names]
        await asyncio.wait(tasks, timeout=max(0.0, max(began) + seconds - time.monotonic()))
        if all(task.done() for task in tasks):
            return None
        known = []
        for name in names:
            task = self._tasks.get(name)
            if task is not None and task.done():
                known.append((None, await self.get(name, work)))
            elif name in self._so_far:
                known.append(self._so_far[name])
            else:
                return None
        # All columns are filled in the same order.
        chosen = min((numbers for numbers, _ in known if numbers is not None), key=len)
        ascending = np.argsort(chosen)
        rows = chosen[ascending]
        return rows, [values[rows] if numbers is None else values[ascending] for numbers, values in known]

    def _task(self, name: str, work: Work) -> asyncio.Task[np.ndarray]:
        if name not in self._tasks:
            self._began[name] = asyncio.get_running_loop().create_future()
            self._tasks[name] = asyncio.create_task(self._fill(name, work))
            self._tasks[name].add_done_callback(lambda _, began=self._began[name]: _set_now(began))
        return self._tasks[name]

    async def _fill(self, name: str, work: Work) -> np.ndarray:
        run = self._run
        async with work.place():
            numbers, drawn = await work.soon(lambda: (run.numbers, run.drawn if run.given is None else None))
            if name == "place" and drawn is not None:
                return drawn
            order = await work.soon(self._order, len(numbers))
            method = getattr(run, name)

            def seen(values: np.ndarray) -> None:
                self._so_far[name] = order[: len(values)], values
                _set_now(self._began[name])

            shuffled = await by_pieces(work, len(order), lambda piece: method(run.rows(numbers[order[piece]])), seen)
            self._so_far.pop(name, None)
            column = np.empty_like(shuffled)
            column[order] = shuffled
            return column

    def _order(self, n: int) -> np.ndarray:
        """A random order, so that those which are done first stand for all; files are read from first to last."""
        given = self._run.given
        in_memory = given is None or isinstance(given.rows, np.ndarray)
        return np.random.default_rng(_SEED).permutation(n) if in_memory else np.arange(n)


def _set_now(began: asyncio.Future[float]) -> None:
    if not began.done():
        began.set_result(time.monotonic())
