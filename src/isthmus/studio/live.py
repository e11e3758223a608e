"""The socket that follows the hand: a position in, a picture out."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from fastapi import APIRouter, WebSocket, WebSocketDisconnect

from isthmus.errors import IsthmusError
from isthmus.studio.asking import parse_object
from isthmus.studio.context import Studio, studio_of
from isthmus.studio.frames import pack
from isthmus.studio.model_api import classes_of
from isthmus.studio.opened import OpenedRun
from isthmus.studio.positions import position
from isthmus.studio.refusal import Refusal, one_sentence, told
from isthmus.studio.runs_api import posterior_of, row_numbers
from isthmus.studio.shown import shown

router = APIRouter()

_log = logging.getLogger("uvicorn.error")

Answer = tuple[dict[str, Any], dict[str, np.ndarray]]


@router.websocket("/api/live")
async def live(socket: WebSocket) -> None:
    """Answer each message with a frame, in the order in which they come."""
    studio = studio_of(socket)
    await socket.accept()
    try:
        while True:
            message = await socket.receive()
            if message["type"] == "websocket.disconnect":
                return
            await socket.send_bytes(await answer(studio, message.get("text")))
    except WebSocketDisconnect:
        return


async def answer(studio: Studio, text: str | None) -> bytes:
    """The frame that answers a message, whatever it is."""
    start, number = time.perf_counter(), None
    try:
        if text is None:
            raise Refusal(415, "messages are JSON, sent as text")
        asked = parse_object(text)
        number = _number(asked.pop("id", None))
        header, arrays = await studio.work.run(_do, studio, asked)
        return pack({"id": number, "ms": round(1000 * (time.perf_counter() - start), 3), **header}, **arrays)
    except Exception as error:
        status, sentence = told(error)
        if not isinstance(error, Refusal | IsthmusError):
            _log.exception("a message on the live socket could not be answered")
        return pack({"id": number, "status": status, "error": one_sentence(sentence)})


def _do(studio: Studio, asked: dict[str, Any]) -> Answer:
    run = studio.library.open(_text(asked, "run"))
    name = asked.get("op")
    if not isinstance(name, str) or name not in _OPERATIONS:
        raise Refusal(422, f"op must be one of {', '.join(_OPERATIONS)}")
    with _one_thread():
        return _OPERATIONS[name](run, asked)


@contextmanager
def _one_thread() -> Iterator[None]:
    """One row is decoded sooner by one thread than by several that wait for each other on a busy machine."""
    import torch

    usual = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(usual)


def _decode(run: OpenedRun, asked: dict[str, Any]) -> Answer:
    decoded = run.decode(position(run, asked.get("z"))[None], _class(run, asked))
    return {}, {"shown": shown(decoded, run.info)}


def _reconstruct(run: OpenedRun, asked: dict[str, Any]) -> Answer:
    row = _row(asked)
    places = run.drawn[row] if run.given is None else run.place(run.rows(row))
    return {}, {"shown": shown(run.decode(places, _class(run, asked)), run.info)}


def _sample(run: OpenedRun, asked: dict[str, Any]) -> Answer:
    row = _row(asked)
    return {"label": run.label(int(row[0]))}, {"shown": shown(run.rows(row), run.info)}


def _posterior(run: OpenedRun, asked: dict[str, Any]) -> Answer:
    return {"posterior": posterior_of(run, int(_row(asked)[0]))}, {}


_OPERATIONS: dict[str, Callable[[OpenedRun, dict[str, Any]], Answer]] = {
    "decode": _decode,
    "reconstruct": _reconstruct,
    "sample": _sample,
    "posterior": _posterior,
}


def _row(asked: dict[str, Any]) -> np.ndarray:
    row = asked.get("row")
    if type(row) is not int:
        raise Refusal(422, "row must be a whole number")
    return row_numbers([row])


def _text(asked: dict[str, Any], name: str) -> str:
    value = asked.get(name)
    if not isinstance(value, str):
        raise Refusal(422, f"{name} must be text")
    return value


def _class(run: OpenedRun, asked: dict[str, Any]) -> Any:
    """The class that is asked for, if the model knows some."""
    return None if asked.get("y") is None else classes_of(run, asked["y"], 1)


def _number(value: Any) -> int | str | None:
    return value if type(value) is int or (isinstance(value, str) and len(value) <= 100) else None
