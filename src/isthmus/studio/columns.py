"""What is computed for every sample on the map: once, piece by piece."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from isthmus.studio.pieces import by_pieces

if TYPE_CHECKING:
    import numpy as np

    from isthmus.studio.opened import OpenedRun
    from isthmus.studio.work import Work


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

    async def get(self, name: str, work: Work) -> np.ndarray:
        """A column: "place" (n, width), "errors" (n,) or "scores" (n,), float32.

        Whoever asks first has it computed, and whoever asks meanwhile waits for the same.
        """
        if name not in self._tasks:
            self._tasks[name] = asyncio.create_task(self._fill(name, work))
        task = self._tasks[name]
        try:
            # One who leaves does not take it from the others.
            return await asyncio.shield(task)
        finally:
            # What failed is tried again by whoever asks next.
            if task.done() and (task.cancelled() or task.exception() is not None):
                self._tasks.pop(name, None)

    async def _fill(self, name: str, work: Work) -> np.ndarray:
        run = self._run
        async with work.place():
            numbers, drawn = await work.soon(lambda: (run.numbers, run.drawn if run.given is None else None))
            if name == "place" and drawn is not None:
                return drawn
            method = getattr(run, name)
            return await by_pieces(work, len(numbers), lambda piece: method(run.rows(numbers[piece])))
