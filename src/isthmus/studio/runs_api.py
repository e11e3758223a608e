"""Routes: the runs, what there is to know of one, its map and its samples."""

from __future__ import annotations

from typing import Annotated, Any

import numpy as np
from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, Field

from isthmus.studio.asking import asked
from isthmus.studio.context import Studio, studio_of
from isthmus.studio.frames import MEDIA_TYPE, pack
from isthmus.studio.map.colours import COLUMNS, usual
from isthmus.studio.map.frame import map_frame
from isthmus.studio.opened import OpenedRun
from isthmus.studio.refusal import Refusal
from isthmus.studio.run_info import run_info
from isthmus.studio.selection import FILES, selection_file
from isthmus.studio.shown import shown

router = APIRouter(prefix="/api", tags=["explore"])

TheStudio = Annotated[Studio, Depends(studio_of)]
Patience = Annotated[float | None, Query(gt=0, le=60)]
_MOST_SEEDS = 2**31 - 1


class FrameResponse(Response):
    """A frame."""

    media_type = MEDIA_TYPE


@router.get("/runs", response_model=None)
async def runs(studio: TheStudio) -> list[dict[str, Any]]:
    """All runs, the newest first, with their key figures."""
    return await studio.aside(lambda: [run.plain() for run in studio.library.list()])


@router.get("/run/{run:path}", response_model=None)
async def run(studio: TheStudio, run: str, patience: Patience = None) -> dict[str, Any]:
    """What there is to know of a run: shape of its samples, latents, attributes, and what it can do.

    With ``patience`` the ranges are those of the samples that are encoded in so many seconds.
    """
    whole = await studio.open(run)
    opened, (places, *_), _ = await known_of(studio, whole, ["place"], patience)
    summary = await studio.aside(studio.library.summary, run)
    return await studio.work.run(run_info, opened, summary, places, whole)


@router.get("/map/{run:path}", response_class=FrameResponse)
async def latent_map(
    studio: TheStudio,
    run: str,
    x: str | None = None,
    y: str | None = None,
    colour: str | None = None,
    limit: Annotated[int, Query(ge=1, le=10_000_000)] = 10_000_000,
    patience: Patience = None,
) -> FrameResponse:
    """Where the samples lie on the plane of two axes of the code, and what colours them.

    With ``patience`` the answer has the samples that are encoded in so many seconds, and says whether it is complete.
    """
    opened = await studio.open(run)
    colour = colour or await studio.work.run(usual, opened)
    names = ["place"]
    if colour in COLUMNS and await studio.work.run(lambda: opened.given is not None):
        names.append(COLUMNS[colour])
    opened, columns, complete = await known_of(studio, opened, names, patience)
    places, column = columns[0], columns[1] if len(columns) > 1 else None

    def draw() -> bytes:
        return map_frame(opened, places, column, x=x, y=y, colour=colour, limit=limit, complete=complete)

    return FrameResponse(await studio.work.run(draw))


@router.get("/samples/{run:path}", response_class=FrameResponse)
async def samples(studio: TheStudio, run: str, rows: str) -> FrameResponse:
    """Samples with these numbers, such as ``rows=0,5,7``."""
    numbers = parse_rows(rows, studio)
    opened = await studio.open(run)

    def read() -> bytes:
        studio.check_values(len(numbers), opened.info.n_values)
        pictures = shown(opened.rows(numbers), opened.info)
        labels = [opened.label(int(number)) for number in numbers]
        return pack({"labels": labels, "rows": numbers.tolist()}, shown=pictures)

    return FrameResponse(await studio.work.run(read))


@router.get("/posterior/{run:path}", response_model=None)
async def posterior(studio: TheStudio, run: str, row: int) -> dict[str, Any]:
    """What the encoder makes of a sample: q(z|x), its attributes, its reconstruction error and its score."""
    opened = await studio.open(run)
    return await studio.work.run(posterior_of, opened, row)


@router.get("/draw/{run:path}", response_model=None)
async def draw(studio: TheStudio, run: str, seed: Annotated[int, Query(ge=0, le=_MOST_SEEDS)] = 0) -> dict[str, Any]:
    """A position drawn from the prior."""
    opened = await studio.open(run)
    return await studio.work.run(lambda: {"z": opened.draw(1, seed)[0].tolist()})


class Selection(BaseModel):
    """Samples to be saved."""

    model_config = ConfigDict(extra="forbid", strict=True)

    rows: list[int] = Field(min_length=1)
    kind: str = Field(alias="as")


@router.post(
    "/selection/{run:path}",
    openapi_extra={"requestBody": {"content": {"application/json": {"schema": Selection.model_json_schema()}}}},
)
async def selection(studio: TheStudio, run: str, request: Request) -> Response:
    """Samples as a file: a sheet of pictures (png), data and codes (npz), or a table (csv)."""
    wanted = await asked(request, Selection)
    if wanted.kind not in FILES:
        raise Refusal(422, f"as: choose from {', '.join(FILES)}")
    studio.check_rows(len(wanted.rows))
    opened = await studio.open(run)
    numbers = row_numbers(wanted.rows)

    def make() -> bytes:
        studio.check_values(len(numbers), opened.info.n_values)
        return selection_file(opened, numbers, wanted.kind)

    return file_response(await studio.work.run(make), FILES[wanted.kind], f"selection.{wanted.kind}")


async def known_of(
    studio: Studio, run: OpenedRun, names: list[str], patience: float | None
) -> tuple[OpenedRun, list[np.ndarray], bool]:
    """Columns of a run, and whether they are complete; if not, the run is one with these samples only."""
    if patience is not None:
        known = await run.columns.so_far(names, studio.work, patience)
        if known is not None:
            some = await studio.work.run(lambda: run.glimpse(run.numbers[known[0]]))
            return some, known[1], False
    return run, [await run.columns.get(name, studio.work) for name in names], True


def posterior_of(run: OpenedRun, row: int) -> dict[str, Any]:
    """Posterior, attributes, error and score of a sample."""
    rows = run.rows(row_numbers([row]))
    mean = run.drawn[row] if run.given is None else run.place(rows)[0]
    std = _std(run, rows)
    found = {"mean": mean.tolist(), "std": None if std is None else std.tolist(), "label": run.label(row)}
    if run.sliders.are_codes:
        variance = np.zeros_like(mean, np.float64) if std is None else std.astype(np.float64) ** 2
        measured = {name: a.measure(mean[None], variance[None]) for name, a in run.est.attributes_.items()}
        found["attributes"] = [
            {"name": name, "mean": m.mean.item(), "std": m.std.item(), "probability": m.probability().item()}
            for name, m in measured.items()
        ]
    else:
        found["attributes"] = []
    error, score = float(run.errors(rows)[0]), float(run.scores(rows)[0])
    return {**found, "error": error, "score": score if np.isfinite(score) else None}


def _std(run: OpenedRun, rows: np.ndarray) -> np.ndarray | None:
    """Spread of the posterior of one sample, if it has any."""
    if run.given is None or not run.sliders.are_codes or not hasattr(run.est, "posterior"):
        return None
    return run.est.posterior(run.taken(rows)).std[0]


def parse_rows(text: str, studio: Studio) -> np.ndarray:
    """Row numbers from ``0,5,7``."""
    parts = text.split(",")
    studio.check_rows(len(parts))
    if not all(part.isascii() and part.isdigit() and len(part) < 16 for part in parts):
        raise Refusal(422, "rows must be whole numbers with commas between them, such as 0,5,7")
    return np.array([int(part) for part in parts])


def row_numbers(rows: list[int]) -> np.ndarray:
    """Row numbers as an array; what no array could hold is no row either."""
    for row in rows:
        if not 0 <= row < 1 << 62:
            raise Refusal(422, f"there is no row {str(row)[:30]}")
    return np.array(rows, dtype=np.int64)


def file_response(data: bytes, media_type: str, name: str) -> Response:
    """A file to be saved."""
    return Response(data, media_type=media_type, headers={"Content-Disposition": f'attachment; filename="{name}"'})
