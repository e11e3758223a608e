"""Routes: own data through a model, noise and what is made of it, features of sparse models, and chains.

What is sent is kept in memory while it is answered, and nowhere else: the sample that ``/api/lab/try`` brings to the
model's shape goes back to the page, which sends it along with whatever it asks next.

What takes PyTorch along is imported by the thread that uses the models, so that the server starts without it.
"""

from __future__ import annotations

from importlib import import_module
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request, Response, WebSocket, WebSocketDisconnect

from isthmus.studio.asking import body_of, media_type
from isthmus.studio.context import Studio, studio_of
from isthmus.studio.frames import MEDIA_TYPE
from isthmus.studio.lab.socket import Walk

router = APIRouter(prefix="/api/lab", tags=["lab"])

TheStudio = Annotated[Studio, Depends(studio_of)]
Seed = Annotated[int, Query(ge=0, lt=1 << 31)]
Number = Annotated[float, Query(allow_inf_nan=False)]

_BINARY = {"schema": {"type": "string", "format": "binary"}}
_ONE = {"type": "object", "properties": {"row": {"type": "integer"}, "values": {"type": "array", "items": {}}}}
_BODIES = {"application/octet-stream": _BINARY, "application/json": {"schema": _ONE}, MEDIA_TYPE: _BINARY}
_SAMPLE: dict[str, Any] = {
    "openapi_extra": {"requestBody": {"required": True, "content": _BODIES}},
    "responses": {200: {"content": {MEDIA_TYPE: _BINARY}, "description": "a frame"}},
    "response_class": Response,
}
"""How a route is described that takes a sample and answers with a frame."""


@router.get("/about/{run:path}")
async def about(run: str, studio: TheStudio) -> dict[str, Any]:
    """What can be tried with a model: kinds of noise, chains, and whether it has sparse features."""
    opened = await studio.open(run)
    return await studio.work.run(_answer, "about", opened)


@router.post("/try/{run:path}", **_SAMPLE)
async def try_sample(
    run: str,
    request: Request,
    studio: TheStudio,
    name: Annotated[str, Query(description="Of the file, for messages.")] = "",
    fit: Annotated[str, Query(description="'crop' or 'stretch' a picture of other proportions.")] = "crop",
    invert: Annotated[bool, Query(description="Exchange bright and dark.")] = False,
    index: Annotated[int, Query(description="Which sample of a file that holds many, from 0.")] = 0,
) -> Response:
    """Reconstruct one sample of your own, or a row of the data.

    The body is a file: a picture (PNG, JPEG, WebP, BMP, TIFF, GIF), ``.npy``, ``.npz``, or a table as ``.csv`` or
    ``.tsv``; or JSON, ``{"row": 5}`` or ``{"values": [...]}``; or a frame with an array ``sample``. It is brought to
    the shape and units of the model. The answer is a frame with the arrays ``sample``, ``reconstruction`` and
    ``difference`` (of colours the mean), and ``shown``, input and reconstruction; its header says what was done
    (``notes``), and has the mean squared error ``mse`` and the ``score`` in nats.
    """
    sent = await _sent(request, studio)
    opened = await studio.open(run)
    return _frame(await studio.work.run(_answer, "reconstruction", opened, *sent, name, fit, invert, index))


@router.get("/place/{run:path}")
async def place(run: str, studio: TheStudio, mse: Number, score: Number | None = None) -> dict[str, Any]:
    """Where a mean squared error and a score lie among those of the data that the model was fitted on.

    ``error`` and ``score`` have the ``share`` of the data that are less unusual, a ``sentence``, and a histogram as
    ``edges`` and ``counts``; they are null where the data are not at hand, or the model has no score.
    """
    opened = await studio.open(run)
    lab_place = await studio.work.run(import_module, "isthmus.studio.lab.place")
    known = await lab_place.known_of(opened, studio.work)
    what = "training samples" if studio.settings.data is None else "samples of the data"
    errors = None if known is None else lab_place.place(mse, known.errors, "high", what)
    if score is None or known is None or known.scores is None:
        return {"error": errors, "score": None}
    return {"error": errors, "score": lab_place.place(score, known.scores, "low", what)}


@router.post("/noise/{run:path}", **_SAMPLE)
async def add_noise(
    run: str,
    request: Request,
    studio: TheStudio,
    kind: Annotated[str, Query(description="One of those that /api/lab/about lists.")],
    strength: Annotated[float, Query(ge=0, allow_inf_nan=False)],
    seed: Seed = 0,
) -> Response:
    """A noisy copy of a sample, and what the model makes of it.

    The body is as for ``/api/lab/try``. The answer is a frame with ``samples`` and ``shown``: clean, noisy, denoised;
    its header has the errors ``before`` and ``after``, as ``measure`` says: PSNR in dB, or the root mean square in
    standard deviations of the columns.
    """
    sent = await _sent(request, studio)
    opened = await studio.open(run)
    return _frame(await studio.work.run(_answer, "with_noise", opened, *sent, kind, strength, seed))


@router.post("/features/{run:path}", **_SAMPLE)
async def features(run: str, request: Request, studio: TheStudio) -> Response:
    """The strongest features of a sample in a sparse model, what each adds to it, and the rows that fire it most.

    The body is as for ``/api/lab/try``. The answer is a frame with ``parts``, and ``features`` in its header.
    """
    sent = await _sent(request, studio)
    opened = await studio.open(run)
    wanted = await studio.work.run(_answer, "needs_codes", opened)
    codes = await opened.columns.get("place", studio.work) if wanted else None
    return _frame(await studio.work.run(_answer, "top_features", opened, *sent, codes))


@router.websocket("/chain/{run:path}")
async def chain(socket: WebSocket, run: str) -> None:
    """Walk the chain of a denoiser.

    Messages are JSON: ``{"id": 1, "op": "start", "from": "noise" | "sample" | "prior", "chains": 8, "seed": 0}``, where
    ``"sample"`` comes as a frame with that header and an array ``sample``; then ``{"id": 2, "op": "step", "n": 5,
    "judge": true}``. Answers are frames with the ``id``, ``step``, ``names`` of the statistics, ``verdict`` if it was
    asked for, and the arrays ``shown``, the states, and ``trace`` (steps, statistics, chains).
    """
    await socket.accept()
    walk = Walk(studio_of(socket), run)
    try:
        while True:
            message = await socket.receive()
            if message["type"] == "websocket.disconnect":
                return
            await socket.send_bytes(await walk.answer(message.get("bytes") or message.get("text") or ""))
    except WebSocketDisconnect:
        return
    finally:
        walk.close()


def _answer(name: str, *args: Any) -> Any:
    """What a function of `isthmus.studio.lab.answers` returns."""
    return getattr(import_module("isthmus.studio.lab.answers"), name)(*args)


async def _sent(request: Request, studio: Studio) -> tuple[bytes, str, int]:
    """Body of a request, its media type, and the most pixels that a picture in it may have."""
    kind, limits = media_type(request), studio.settings.limits
    most = limits.json if kind == "application/json" else limits.body
    return await body_of(request, most), kind, limits.pixels


def _frame(data: bytes) -> Response:
    return Response(data, media_type=MEDIA_TYPE)
