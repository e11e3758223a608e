"""Routes: own data through a model, noise and what is made of it, features of sparse models, and chains.

What is sent is kept in memory while it is answered, and nowhere else: the sample that ``/api/lab/try`` brings to the
model's shape goes back to the page, which sends it along with whatever it asks next.
"""

from __future__ import annotations

from typing import Annotated, Any, cast

import numpy as np
from fastapi import APIRouter, Depends, Query, Request, Response, WebSocket, WebSocketDisconnect

from isthmus.studio import lab_chain, lab_features, lab_moments, lab_noise, lab_place, lab_try
from isthmus.studio.context import Studio, studio_of
from isthmus.studio.frames import MEDIA_TYPE
from isthmus.studio.lab_bodies import brought, packed
from isthmus.studio.lab_inputs import Fit, Options
from isthmus.studio.lab_socket import Walk
from isthmus.studio.opened import OpenedRun
from isthmus.studio.shown import shown

router = APIRouter(prefix="/api/lab", tags=["lab"])

TheStudio = Annotated[Studio, Depends(studio_of)]
Seed = Annotated[int, Query(ge=0, lt=1 << 31)]
Number = Annotated[float, Query(allow_inf_nan=False)]


@router.get("/about/{run:path}")
async def about(run: str, studio: TheStudio) -> dict[str, Any]:
    """What can be tried with a model: kinds of noise, chains, and whether it has sparse features."""
    opened = await studio.open(run)
    return await studio.work.run(_about, opened)


def _about(run: OpenedRun) -> dict[str, Any]:
    info = run.info
    low, high = info.display_range
    noise = {"kinds": lab_noise.kinds_for(run), "remark": lab_noise.remark(run.est)}
    return {
        "kind": "picture" if info.is_picture else "row",
        "shape": list(info.shape),
        "low": low,
        "high": high,
        "features": lab_try.names_of(run),
        "columns": lab_moments.columns(run),
        "n_rows": 0 if run.given is None else len(run.given.rows),
        "data_problem": run.data_problem,
        "noise": noise if lab_noise.restores(run.est) else None,
        "chain": lab_chain.limits_for(run),
        "sparse": lab_features.is_sparse(run.est),
    }


@router.post("/try/{run:path}", response_class=Response)
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
    options, body = Options(cast(Fit, fit), invert, index), await request.body()
    opened = await studio.open(run)
    return await studio.work.run(_try, opened, body, _kind(request), name, options, studio.settings.limits.pixels)


def _try(run: OpenedRun, body: bytes, kind: str, name: str, options: Options, pixels: int) -> Response:
    taken, header = brought(run, body, kind, name=name, options=options, pixels=pixels)
    found, arrays = lab_try.look_at(run, taken.sample)
    both = np.stack([taken.sample.astype(np.float64), arrays["reconstruction"].astype(np.float64)])
    arrays |= {"difference": _without_colour(arrays["difference"], 2), "shown": shown(both, run.info)}
    return _frame({**header, "notes": taken.notes, "of": taken.of, **found}, sample=taken.sample, **arrays)


@router.get("/place/{run:path}")
async def place(run: str, studio: TheStudio, mse: Number, score: Number | None = None) -> dict[str, Any]:
    """Where a mean squared error and a score lie among those of the data that the model was fitted on.

    ``error`` and ``score`` have the ``share`` of the data that are less unusual, a ``sentence``, and a histogram as
    ``edges`` and ``counts``; they are null where the data are not at hand, or the model has no score.
    """
    opened = await studio.open(run)
    known = await lab_place.known_of(opened, studio.work)
    what = "training samples" if studio.settings.data is None else "samples of the data"
    errors = None if known is None else lab_place.place(mse, known.errors, "high", what)
    if score is None or known is None or known.scores is None:
        return {"error": errors, "score": None}
    return {"error": errors, "score": lab_place.place(score, known.scores, "low", what)}


@router.post("/noise/{run:path}", response_class=Response)
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
    body = await request.body()
    opened = await studio.open(run)
    pixels = studio.settings.limits.pixels
    return await studio.work.run(_noise, opened, body, _kind(request), kind, strength, seed, pixels)


def _noise(run: OpenedRun, body: bytes, media: str, kind: str, strength: float, seed: int, pixels: int) -> Response:
    clean = brought(run, body, media, pixels=pixels)[0].sample
    noisy = lab_noise.corrupt(run, clean, kind, strength, seed)
    restored = lab_noise.denoise(run, noisy)
    samples = np.stack([sample.astype(np.float64) for sample in (clean, noisy, restored)])
    header = lab_noise.compare(run, samples[0], samples[1], samples[2])
    return _frame(header, samples=samples, shown=shown(samples, run.info))


@router.post("/features/{run:path}", response_class=Response)
async def features(run: str, request: Request, studio: TheStudio) -> Response:
    """The strongest features of a sample in a sparse model, what each adds to it, and the rows that fire it most.

    The body is as for ``/api/lab/try``. The answer is a frame with ``parts``, and ``features`` in its header.
    """
    body = await request.body()
    opened = await studio.open(run)
    sparse = await studio.work.run(lambda: lab_features.is_sparse(opened.est) and opened.given is not None)
    codes = await opened.columns.get("place", studio.work) if sparse else None
    pixels = studio.settings.limits.pixels
    return await studio.work.run(_features, opened, body, _kind(request), codes, pixels)


def _features(run: OpenedRun, body: bytes, media: str, codes: np.ndarray | None, pixels: int) -> Response:
    sample = brought(run, body, media, pixels=pixels)[0].sample
    header, arrays = lab_features.top_features(run, sample, codes)
    return _frame(header, parts=_without_colour(arrays["parts"], 3))


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


def _kind(request: Request) -> str:
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def _without_colour(pictures: np.ndarray, n_axes: int) -> np.ndarray:
    """Numbers with the colours of each pixel, if there are any, replaced by their mean."""
    return pictures.mean(-1) if pictures.ndim > n_axes else pictures


def _frame(header: dict[str, Any], **arrays: np.ndarray) -> Response:
    return Response(packed(header, **arrays), media_type=MEDIA_TYPE)
