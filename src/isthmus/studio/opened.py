"""A run that is open."""

from __future__ import annotations

from pathlib import Path


class OpenedRun:
    """A run that is open."""

    def __init__(self, name: str, folder: Path, data: str | None, points: int) -> None:
        self.name, self.folder = name, folder
