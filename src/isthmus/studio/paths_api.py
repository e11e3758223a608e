"""Routes: the way from one sample to another."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import numpy as np
from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, Field

from isthmus.explore.animation import encode
from isthmus.explore.sheets import factor_for
from isthmus.studio.asking import asked
from isthmus.studio.context import Studio, studio_of
from isthmus.studio.frames import MEDIA_TYPE, pack
from isthmus.studio.opened import OpenedRun
from isthmus.studio.positions import position
from isthmus.studio.refusal import Refusal
from isthmus.studio.runs_api import file_response, row_numbers
from isthmus.studio.selection import contact_sheet
from isthmus.studio.shown import frames, shown

router = APIRouter(prefix="/api", tags=["explore"])

_SIDE = 384
_FPS = 10.0
FILES = {"gif": "image/gif", "png": "image/png"}


class End(BaseModel):
    """Where a path starts or ends: at a sample, or at a position."""

    model_config = ConfigDict(extra="forbid", strict=True)

    row: int | None = None
    z: list[float] | None = None


class Path(BaseModel):
    """A way through the code."""

    model_config = ConfigDict(extra="forbid", strict=True)

    start: End = Field(alias="from")
    end: End = Field(alias="to")
    kind: Literal["linear", "spherical"] = "linear"
    steps: int = Field(9, ge=2, le=240)


@router.post(
    "/path/{run:path}",
    openapi_extra={"requestBody": {"content": {"application/json": {"schema": Path.model_json_schema()}}}},
    response_class=Response,
    responses={200: {"content": {MEDIA_TYPE: {}, **{kind: {} for kind in FILES.values()}}, "description": "the path"}},
)
async def path(
    studio: Annotated[Studio, Depends(studio_of)],
    run: str,
    request: Request,
    kind: Annotated[Literal["gif", "png"] | None, Query(alias="as")] = None,
) -> Response:
    """Samples on the way from one to another: a frame, or a file to be saved."""
    wanted = await asked(request, Path)
    opened = await studio.open(run)

    def walk() -> bytes:
        studio.check_values(wanted.steps, opened.info.n_values)
        places = way(opened, wanted)
        decoded = opened.decode(places)
        if kind is None:
            return pack({}, shown=shown(decoded, opened.info), z=places)
        return path_file(frames(decoded, opened.info), kind)

    data = await studio.work.run(walk)
    return Response(data, media_type=MEDIA_TYPE) if kind is None else file_response(data, FILES[kind], f"path.{kind}")


def way(run: OpenedRun, wanted: Path) -> np.ndarray:
    """Positions (steps, width) on the way."""
    from isthmus.explore.walks import codes_between

    ends = [run.sliders.codes(_end(run, end)[None])[0].astype(np.float64) for end in (wanted.start, wanted.end)]
    codes = codes_between(run.est, *ends, steps=wanted.steps, kind=wanted.kind)
    return run.sliders.find(codes.astype(np.float32))


def _end(run: OpenedRun, end: End) -> np.ndarray:
    if (end.row is None) == (end.z is None):
        raise Refusal(422, 'an end of a path is {"row": number} or {"z": [position]}')
    if end.row is None:
        return position(run, end.z)
    numbers = row_numbers([end.row])
    rows = run.rows(numbers)
    return run.drawn[end.row] if run.given is None else run.place(rows)[0]


def path_file(pictures: np.ndarray, kind: Any) -> bytes:
    """Bytes (n, H, W[, 3]) as an animation, or side by side."""
    if kind == "png":
        return contact_sheet(pictures, columns=len(pictures))
    factor = factor_for(pictures.shape[1:3], _SIDE)
    return encode(pictures.repeat(factor, 1).repeat(factor, 2), ".gif", fps=_FPS)
