"""What the routes share."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from starlette.requests import HTTPConnection

from isthmus.studio.library import Library
from isthmus.studio.refusal import Refusal
from isthmus.studio.settings import Settings
from isthmus.studio.work import Work

if TYPE_CHECKING:
    from isthmus.studio.opened import OpenedRun

T = TypeVar("T")


@dataclass(frozen=True)
class Studio:
    """The server's settings, its runs, and the thread that uses their models."""

    settings: Settings
    library: Library
    work: Work

    async def open(self, name: str) -> OpenedRun:
        """The run of this name; 404 if there is none."""
        return await self.work.run(self.library.open, name)

    async def aside(self, function: Callable[..., T], *args: Any) -> T:
        """What a function returns that needs no model, and so need not wait for one."""
        return await asyncio.to_thread(function, *args)

    def check_rows(self, n: int) -> None:
        """Refuse more rows than a request may have, with 413."""
        most = self.settings.limits.rows
        if n > most:
            raise Refusal(413, f"a request may have {most:,} rows, and this has {n:,}; send them in parts")

    def check_values(self, n_rows: int, n_values: int) -> None:
        """Refuse an answer of more numbers than there may be in one, with 413."""
        most = self.settings.limits.values
        if n_rows * n_values > most:
            rows = max(1, most // n_values)
            raise Refusal(413, f"an answer may hold {most:,} numbers; ask for at most {rows:,} rows at a time")


def studio_of(connection: HTTPConnection) -> Studio:
    """The studio that a request or a socket belongs to; for ``Depends``."""
    return connection.app.state.studio
