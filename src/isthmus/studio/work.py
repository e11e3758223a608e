"""One thread that uses the models, and a queue before it that never grows without bound."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from isthmus.studio.refusal import Refusal

T = TypeVar("T")


class Work:
    """Pieces of work, done one after the other in a thread of their own, so that the event loop never waits.

    One thread, because PyTorch itself uses all cores for what is large, and for what is small a second thread would
    only wait for the first.

    Parameters
    ----------
    waiting : int
        Requests that may wait at once; further ones are refused.
    """

    def __init__(self, waiting: int) -> None:
        self._most = waiting + 1  # one of them is being served
        self._pending = 0
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="isthmus-work")

    async def run(self, function: Callable[..., T], *args: Any) -> T:
        """What a function returns.

        Raises
        ------
        Refusal
            With 503, if too much is waiting.
        """
        async with self.place():
            return await self.soon(function, *args)

    @asynccontextmanager
    async def place(self) -> AsyncIterator[None]:
        """A place among those that wait, for work of several pieces.

        Raises
        ------
        Refusal
            With 503, if there is none.
        """
        if self._pending >= self._most:
            sentence = f"the server is busy: {self._most - 1} requests wait already; try again in a second"
            raise Refusal(503, sentence, {"Retry-After": "1"})
        self._pending += 1
        try:
            yield
        finally:
            self._pending -= 1

    async def soon(self, function: Callable[..., T], *args: Any) -> T:
        """What a function returns, for one who has a `place`.

        Long work is done in pieces of a few hundredths of a second, so that others are served in between.
        """
        return await asyncio.get_running_loop().run_in_executor(self._pool, function, *args)

    def close(self) -> None:
        """Drop what waits, and let what is being done come to its end."""
        self._pool.shutdown(wait=False, cancel_futures=True)
