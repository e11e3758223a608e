"""Routes: own data through a model, noise and what is made of it, features of sparse models, and chains.

What is sent is kept in memory while it is answered, and nowhere else: the sample that ``/api/lab/try`` brings to the
model's shape goes back to the page, which sends it along with whatever it asks next.
"""

from __future__ import annotations

import json
from typing import Annotated, Any

import numpy as np
from fastapi import APIRouter, Depends, Query, Request, Response, WebSocket, WebSocketDisconnect

from isthmus.data.info import DataInfo
from isthmus.errors import DataError
from isthmus.studio import lab_chain, lab_features, lab_noise, lab_try
from isthmus.studio.context import Studio, studio_of
from isthmus.studio.frames import DTYPES, MEDIA_TYPE, pack, unpack
from isthmus.studio.lab_files import read_file
from isthmus.studio.lab_inputs import Brought, Options, background_note, bring, check_finite, of_values
from isthmus.studio.lab_shown import shown
from isthmus.studio.opened import OpenedRun
from isthmus.studio.refusal import Refusal, told

router = APIRouter(prefix="/api/lab", tags=["lab"])

TheStudio = Annotated[Studio, Depends(studio_of)]
Seed = Annotated[int, Query(ge=0, lt=1 << 31)]

MOST_OPEN_CHAINS = 16
_TYPICAL = 200
_MOST_NAME = 120


# ------------------------------------------------------------------ what there is


@router.get("/about/{run:path}")
async def about(run: str, studio: TheStudio) -> dict[str, Any]:
    """What can be tried with a model: kinds of noise, chains, and whether it has sparse features."""
    opened = await studio.open(run)
    return await studio.work.run(_about, opened)


def _about(run: OpenedRun) -> dict[str, Any]:
    estimator, info = run.estimator, run.info
    restores, low_high = lab_noise.restores(estimator), info.display_range
    noise = {"kinds": lab_noise.kinds_for(run), "remark": lab_noise.remark(estimator)} if restores else None
    return {
        "kind": "picture" if info.is_picture else "row",
        "shape": list(info.shape),
        "low": low_high[0],
        "high": low_high[1],
        "features": lab_try.names_of(run),
        "columns": lab_noise.columns(run),
        "n_rows": 0 if run.samples is None else len(run.samples.X),
        "noise": noise,
        "chain": lab_chain.limits_for(run),
        "sparse": lab_features.is_sparse(estimator),
    }


# ------------------------------------------------------------------ samples


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
    ``difference``, for pictures ``shown`` (input and reconstruction, uint8) and one channel of difference; its header
    says what was done (``notes``), ``mse``, ``score`` and where these lie among the training samples.
    """
    options, body = Options(fit, invert, index), await request.body()  # type: ignore[arg-type]
    opened = await studio.open(run)
    name, pixels = _name(name), studio.settings.limits.pixels
    return await studio.work.run(_try, opened, body, _kind(request), name, options, pixels)


def _try(run: OpenedRun, body: bytes, kind: str, name: str, options: Options, pixels: int) -> Response:
    brought, header = _brought(run, body, kind, name, options, pixels)
    found, arrays = lab_try.look_at(run, brought.sample)
    header |= {"notes": brought.notes, "of": brought.of, **found}
    if run.info.is_picture:
        difference = arrays["difference"]
        arrays["difference"] = difference.mean(-1) if difference.ndim == 3 else difference
        both = np.stack([brought.sample.astype(np.float64), arrays["reconstruction"].astype(np.float64)])
        arrays["shown"] = shown(both, run.info)
    return _frame(header, sample=brought.sample, **arrays)


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

    The body is as for ``/api/lab/try``. The answer is a frame with ``samples`` (clean, noisy, denoised), for pictures
    ``shown`` (the same as uint8); its header has the errors ``before`` and ``after``, as ``measure`` says: PSNR in dB,
    or the root mean square in standard deviations of the columns.
    """
    body = await request.body()
    opened = await studio.open(run)
    args = body, _kind(request), kind, strength, seed, studio.settings.limits.pixels
    return await studio.work.run(_noise, opened, *args)


def _noise(run: OpenedRun, body: bytes, media: str, kind: str, strength: float, seed: int, pixels: int) -> Response:
    clean = _brought(run, body, media, _name(""), Options(), pixels)[0].sample
    noisy = lab_noise.corrupt(run, clean, kind, strength, seed)
    restored = lab_noise.denoise(run, noisy)
    samples = np.stack([sample.astype(np.float64) for sample in (clean, noisy, restored)])
    arrays = {"samples": samples, **({"shown": shown(samples, run.info)} if run.info.is_picture else {})}
    return _frame(lab_noise.compare(run, samples[0], samples[1], samples[2]), **arrays)


@router.post("/features/{run:path}", response_class=Response)
async def features(run: str, request: Request, studio: TheStudio) -> Response:
    """The strongest features of a sample in a sparse model, what each adds to it, and the rows that fire it most."""
    body = await request.body()
    opened = await studio.open(run)
    return await studio.work.run(_features, opened, body, _kind(request), studio.settings.limits.pixels)


def _features(run: OpenedRun, body: bytes, media: str, pixels: int) -> Response:
    sample = _brought(run, body, media, _name(""), Options(), pixels)[0].sample
    header, arrays = lab_features.top_features(run, sample)
    if run.info.is_picture and arrays["parts"].ndim == 4:
        arrays["parts"] = arrays["parts"].mean(-1)
    return _frame(header, **arrays)


def _brought(
    run: OpenedRun, body: bytes, kind: str, name: str, options: Options, pixels: int
) -> tuple[Brought, dict[str, Any]]:
    """The sample that a request is about, and what else is known of it."""
    if kind == MEDIA_TYPE:
        return Brought(_of_frame(body, run.info)), {}
    if kind == "application/json":
        return _of_json(run, body)
    features = None if run.info.is_picture else lab_try.fitted_names(run.estimator)
    brought = bring(read_file(body, name, index=options.index, most_pixels=pixels), run.info, features, options)
    if run.samples is not None:
        hint = background_note(brought.sample, lab_noise.rows_of(run, _TYPICAL), run.info)
        brought.notes += [] if hint is None else [hint]
    return brought, {"name": name}


def _of_frame(body: bytes, info: DataInfo) -> np.ndarray:
    sample = unpack(body)[1].get("sample")
    if sample is None:
        raise DataError("the frame holds no array 'sample'")
    return _checked(sample, info)


def _checked(sample: np.ndarray, info: DataInfo) -> np.ndarray:
    if sample.shape != info.shape:
        raise DataError(f"the sample has shape {sample.shape}, and one of the model has {info.shape}")
    check_finite(sample, "the sample")
    return sample


def _of_json(run: OpenedRun, body: bytes) -> tuple[Brought, dict[str, Any]]:
    given = _json(body)
    if isinstance(given.get("values"), list):
        return Brought(of_values(given["values"], run.info)), {}
    row = given.get("row")
    if type(row) is not int:
        raise DataError('say which sample: {"row": 5}, or {"values": [...]}')
    if run.samples is None:
        raise DataError("the data of this run are not at hand, so there are no rows to choose from; send values")
    n = len(run.samples.X)
    if not 0 <= row < n:
        raise DataError(f"there are {n:,} rows, from 0 to {n - 1:,}, so there is no row {row}")
    label = None if run.labels is None else str(run.labels[row])
    sample = np.asarray(run.samples.X[row]).reshape(run.info.shape)
    return Brought(sample, of=n), {"row": row, "label": label}


def _json(text: bytes | str) -> dict[str, Any]:
    try:
        given = json.loads(text)
    except (ValueError, RecursionError):
        raise DataError("the request is not valid JSON") from None
    if not isinstance(given, dict):
        raise DataError("the request must be a JSON object")
    return given


def _kind(request: Request) -> str:
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def _name(name: str) -> str:
    """What to call a file in messages: its name only, wherever it lies."""
    last = name.replace("\\", "/").rpartition("/")[2].strip()
    return last[:_MOST_NAME] if last.isprintable() and last else "the file"


def _frame(header: dict[str, Any], **arrays: np.ndarray) -> Response:
    return Response(_packed(header, **arrays), media_type=MEDIA_TYPE)


def _packed(header: dict[str, Any], **arrays: np.ndarray) -> bytes:
    known = {name: a if a.dtype.name in DTYPES else a.astype(np.float64) for name, a in arrays.items()}
    return pack(header, **known)


# ------------------------------------------------------------------ chains


@router.websocket("/chain/{run:path}")
async def chain(socket: WebSocket, run: str) -> None:
    """Walk the chain of a denoiser.

    Messages are JSON: ``{"id": 1, "op": "start", "from": "noise" | "sample" | "prior", "chains": 8, "seed": 0}``, where
    ``"sample"`` comes as a frame with that header and an array ``sample``; then ``{"id": 2, "op": "step", "n": 5,
    "judge": true}``. Answers are frames with the ``id``, ``step``, ``names`` of the statistics, ``verdict`` if it was
    asked for, and the arrays ``trace`` (steps, statistics, chains), and ``shown`` or ``rows``: the states.
    """
    await socket.accept()
    studio = studio_of(socket)
    walk = _Walk(studio, run)
    try:
        while True:
            message = await socket.receive()
            if message["type"] == "websocket.disconnect":
                return
            await socket.send_bytes(await walk.answer(message.get("bytes") or message.get("text") or ""))
    except (WebSocketDisconnect, RuntimeError):
        return
    finally:
        walk.close()


class _Walk:
    """The chains of one socket."""

    open_now = 0

    def __init__(self, studio: Studio, run: str) -> None:
        self._studio, self._run = studio, run
        self._chains: lab_chain.WalkingChains | None = None
        self._counted = False

    def close(self) -> None:
        """Let another one walk."""
        _Walk.open_now -= self._counted
        self._counted = False

    async def answer(self, message: bytes | str) -> bytes:
        """The answer to a message; what is wrong with it is said in a frame as well."""
        request: dict[str, Any] = {}
        try:
            request, arrays = unpack(message) if isinstance(message, bytes) else (_json(message), {})
            opened = await self._studio.open(self._run)
            self._count()
            header, answer = await self._studio.work.run(self._do, opened, request, arrays)
            return _packed({"id": request.get("id"), **header}, **answer)
        except Exception as error:
            status, sentence = told(error)
            if status >= 500 and not isinstance(error, Refusal):
                raise
            return pack({"id": request.get("id"), "error": sentence, "status": status})

    def _count(self) -> None:
        if not self._counted and _Walk.open_now >= MOST_OPEN_CHAINS:
            raise Refusal(429, f"{MOST_OPEN_CHAINS} pages walk chains already; close one first")
        _Walk.open_now += not self._counted
        self._counted = True

    def _do(self, run: OpenedRun, request: dict[str, Any], arrays: dict[str, np.ndarray]) -> Any:
        op = request.get("op")
        if op == "start":
            self._chains = None
            sample = _checked(arrays["sample"], run.info) if "sample" in arrays else None
            n, seed = (_whole(request, key, otherwise) for key, otherwise in (("chains", 8), ("seed", 0)))
            self._chains = lab_chain.WalkingChains(run, request.get("from", "noise"), n, seed, sample)
            return _state(self._chains, run.info, request.get("draws") is True)
        if op != "step":
            raise DataError("a message has op 'start' or 'step'")
        if self._chains is None:
            raise DataError("the chains have not been started: send a message with op 'start' first")
        trace = self._chains.walk(_whole(request, "n", 1))
        header, states = _state(self._chains, run.info, request.get("draws") is True)
        if request.get("judge") is True:
            header["verdict"] = self._chains.judge().plain()
        return header, {**states, "trace": trace}


def _whole(request: dict[str, Any], key: str, otherwise: int) -> int:
    value = request.get(key, otherwise)
    if type(value) is not int or not 0 <= value < 1 << 31:
        raise DataError(f"{key} must be a whole number from 0 to 2,147,483,647")
    return value


def _state(chains: lab_chain.WalkingChains, info: DataInfo, draws: bool) -> tuple[dict[str, Any], dict[str, Any]]:
    header = {"step": chains.n_steps, "names": chains.names, "chains": chains.n_chains}
    if info.is_picture:
        # The mean of what a state is drawn from shows the same without grain.
        return header, {"shown": shown(chains.state if draws else chains.means, info)}
    return header, {"rows": chains.state.astype(np.float32)}
