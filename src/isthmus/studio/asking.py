"""Bodies of requests, read and checked before anything is made of them."""

from __future__ import annotations

import asyncio
import json
from typing import Any, TypeVar

from fastapi import Request
from pydantic import BaseModel, ValidationError

from isthmus.studio.context import studio_of
from isthmus.studio.refusal import Refusal, one_sentence

M = TypeVar("M", bound=BaseModel)

_PATIENCE = 60.0


async def body_of(request: Request, most: int) -> bytes:
    """The body, of at most so many bytes.

    Raises
    ------
    Refusal
        With 413 if it is longer, with 408 if it does not come.
    """
    if int(request.headers.get("content-length", 0)) > most:
        raise too_long(most)
    parts, size = [], 0
    try:
        async with asyncio.timeout(_PATIENCE):
            async for part in request.stream():
                parts.append(part)
                size += len(part)
                if size > most:
                    raise too_long(most)
    except TimeoutError:
        raise Refusal(408, f"the body did not come within {_PATIENCE:.0f} seconds") from None
    return b"".join(parts)


def too_long(most: int) -> Refusal:
    """What is said of a body of JSON that is too long."""
    return Refusal(
        413, f"JSON may be {most:,} bytes long, and this is longer; send fewer rows, or a .npy array, which is smaller"
    )


async def json_of(request: Request) -> dict[str, Any]:
    """The body as a JSON object.

    Raises
    ------
    Refusal
        With 415 for another type, 413 if it is too long, 400 if it is not JSON.
    """
    kind = media_type(request)
    if kind not in ("application/json", ""):
        raise Refusal(415, f"the body must be application/json, and this is {one_sentence(kind, 60)}")
    body = await body_of(request, studio_of(request).settings.limits.json)
    # In a thread of its own: to parse megabytes takes a while.
    return parse_object(body) if len(body) < 1 << 14 else await asyncio.to_thread(parse_object, body)


async def asked(request: Request, model: type[M]) -> M:
    """The body as what ``model`` describes.

    Raises
    ------
    Refusal
        As `json_of`, and with 422 if a field is missing, unknown or has a value that does not fit.
    """
    try:
        return model.model_validate(await json_of(request))
    except ValidationError as error:
        raise Refusal(422, first_of(error.errors())) from None


def parse_object(text: str | bytes) -> dict[str, Any]:
    """A JSON object; NaN and infinities are not JSON."""
    try:
        value = json.loads(text, parse_constant=_no_constant)
    except RecursionError:
        raise Refusal(400, "the JSON is nested too deeply") from None
    except ValueError as error:
        raise Refusal(400, f"this is not JSON: {one_sentence(error, 120)}") from None
    if not isinstance(value, dict):
        raise Refusal(400, "the JSON must be an object, such as {...}")
    return value


def first_of(errors: Any) -> str:
    """The first of several values that do not fit, as a sentence."""
    place = ".".join(str(part) for part in errors[0]["loc"]) or "the request"
    return f"{one_sentence(place, 100)}: {one_sentence(errors[0]['msg'], 200)}"


def media_type(request: Request) -> str:
    """What the body is said to be."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is no number of JSON")
