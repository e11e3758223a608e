"""What the routes share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from starlette.requests import HTTPConnection

from isthmus.studio.library import Library
from isthmus.studio.settings import Settings
from isthmus.studio.work import Work

if TYPE_CHECKING:
    from isthmus.studio.opened import OpenedRun


@dataclass(frozen=True)
class Studio:
    """The server's settings, its runs, and the thread that uses their models."""

    settings: Settings
    library: Library
    work: Work

    async def open(self, name: str) -> OpenedRun:
        """The run of this name; 404 if there is none."""
        return await self.work.run(self.library.open, name)


def studio_of(connection: HTTPConnection) -> Studio:
    """The studio that a request or a socket belongs to; for ``Depends``."""
    return connection.app.state.studio
