"""Routes: the runs that there are."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends

from isthmus.studio.context import Studio, studio_of

router = APIRouter(prefix="/api", tags=["runs"])

TheStudio = Annotated[Studio, Depends(studio_of)]


@router.get("/runs")
def runs(studio: TheStudio) -> list[dict[str, Any]]:
    """All runs, the newest first, with their key figures."""
    return [run.plain() for run in studio.library.list()]
