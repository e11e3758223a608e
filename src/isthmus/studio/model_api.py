"""Routes: what a model does with arrays; the public API."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Annotated, Any

import numpy as np
from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, Field

from isthmus.errors import ParameterError
from isthmus.studio.arrays import NPY, answer, array_of
from isthmus.studio.asking import asked
from isthmus.studio.context import Studio, studio_of
from isthmus.studio.opened import OpenedRun
from isthmus.studio.pieces import by_pieces
from isthmus.studio.refusal import Refusal

router = APIRouter(prefix="/api", tags=["model"])

TheStudio = Annotated[Studio, Depends(studio_of)]
_MOST_SEED = 2**32 - 1
_NUMBERS = {"type": "array", "items": {}}


def _described(takes: str, gives: str, what: str) -> dict[str, Any]:
    """How a route that maps an array to an array is described."""
    classes = {"description": "classes, for a model that was told them: one for each row, or one for all"}
    schema = {"type": "object", "required": [takes], "properties": {takes: _NUMBERS, "y": classes}}
    binary = {"schema": {"type": "string", "format": "binary"}}
    answers = {"application/json": {"schema": {"type": "object", "properties": {gives: _NUMBERS}}}, NPY: binary}
    return {
        "openapi_extra": {
            "requestBody": {"required": True, "content": {"application/json": {"schema": schema}, NPY: binary}}
        },
        "responses": {200: {"content": answers, "description": what}},
        "response_class": Response,
    }


@router.post("/encode/{run:path}", **_described("X", "Z", "codes (n, latent_dim)"))
async def encode(studio: TheStudio, run: str, request: Request) -> Response:
    """Codes of samples: `transform`."""
    return await _map(studio, run, request, "X", "Z", lambda opened: opened.est.transform)


@router.post("/decode/{run:path}", **_described("Z", "X", "samples, in the shape and units of the data"))
async def decode(studio: TheStudio, run: str, request: Request) -> Response:
    """Samples of codes (n, latent_dim): `inverse_transform`."""
    return await _map(studio, run, request, "Z", "X", lambda opened: opened.est.inverse_transform)


@router.post("/reconstruct/{run:path}", **_described("X", "X", "samples, encoded and decoded"))
async def reconstruct(studio: TheStudio, run: str, request: Request) -> Response:
    """Samples, encoded and decoded: `reconstruct`."""
    return await _map(studio, run, request, "X", "X", lambda opened: opened.est.reconstruct)


@router.post("/score/{run:path}", **_described("X", "scores", "nats (n,): a lower bound on log p(x), or what there is"))
async def score(studio: TheStudio, run: str, request: Request) -> Response:
    """Lower bound on log p(x) of samples, in nats: `score_samples`."""
    return await _map(studio, run, request, "X", "scores", lambda opened: opened.est.score_samples)


class Wanted(BaseModel):
    """New samples that are asked for."""

    model_config = ConfigDict(extra="forbid", strict=True)

    n: int = Field(1, ge=1, description="how many")
    random_state: int = Field(0, ge=0, le=_MOST_SEED, description="seed: the same gives the same samples")
    y: Any = Field(None, description="class of each, or of all, for a model that was told classes")


@router.post(
    "/sample/{run:path}",
    openapi_extra={"requestBody": {"content": {"application/json": {"schema": Wanted.model_json_schema()}}}},
    responses={200: {"content": {"application/json": {}, NPY: {}}, "description": "samples"}},
    response_class=Response,
)
async def sample(studio: TheStudio, run: str, request: Request) -> Response:
    """New samples: `sample`."""
    wanted = await asked(request, Wanted)
    studio.check_rows(wanted.n)
    opened = await studio.open(run)

    def draw() -> np.ndarray:
        studio.check_values(wanted.n, opened.info.n_values)
        told: dict[str, Any] = {} if wanted.y is None else {"y": classes_of(opened, wanted.y, wanted.n)}
        return opened.est.sample(wanted.n, random_state=wanted.random_state, **told)

    return await answer(request, "X", await studio.work.run(draw))


async def _map(
    studio: Studio,
    run: str,
    request: Request,
    takes: str,
    gives: str,
    method: Callable[[OpenedRun], Callable[..., Any]],
) -> Response:
    """What a method of the model makes of the rows of a body, piece by piece: no row depends on the others."""
    array, rest = await array_of(request, studio, takes)
    y = rest.pop("y", None)
    if rest:
        raise Refusal(422, f"unknown field {min(rest)[:60]!r}; the JSON has {takes!r}, and 'y' for a model of classes")
    opened = await studio.open(run)
    classes = None

    def prepare() -> None:
        nonlocal classes
        studio.check_values(len(array), max(opened.info.n_values, opened.est.latent_dim_))
        classes = None if y is None else classes_of(opened, y, len(array))

    def one(rows: slice) -> np.ndarray:
        part = array[rows] if takes == "Z" else opened.named(array[rows])
        return method(opened)(part) if classes is None else method(opened)(part, classes[rows])

    async with studio.work.place():
        await studio.work.soon(prepare)
        return await answer(request, gives, await by_pieces(studio.work, len(array), one))


def classes_of(run: OpenedRun, y: Any, n: int) -> np.ndarray:
    """Class of each of n rows, for a model that was told some."""
    if "y" not in inspect.signature(run.est.sample).parameters or not run.classes:
        raise ParameterError("this model was not told any classes, so that it knows none; leave y out")
    given = y if isinstance(y, list) else [y] * n
    if len(given) != n or not all(isinstance(value, str | int | float) for value in given):
        raise Refusal(422, f"y must be one class for each of the {n:,} rows, or one for all")
    known = {str(value): value for value in run.classes}
    for value in given:
        if str(value) not in known:
            raise Refusal(422, f"the model knows no class {str(value)[:40]!r}; it knows {', '.join(list(known)[:20])}")
    return np.array([known[str(value)] for value in given])
