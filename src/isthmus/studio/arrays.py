"""Arrays in and out: JSON, or NumPy's own format."""

from __future__ import annotations

import asyncio
import io
import json
from typing import Any

import numpy as np
from fastapi import Request
from starlette.responses import Response

from isthmus.data.npy import from_bytes
from isthmus.errors import DataError, DataSourceError
from isthmus.studio.asking import body_of, json_of, media_type
from isthmus.studio.context import Studio
from isthmus.studio.refusal import Refusal, scrubbed

NPY = "application/x-npy"
_MOST_JSON_NUMBERS = 1 << 22
_NPY_NAMES = (NPY, "application/octet-stream", "application/x-numpy")


async def array_of(request: Request, studio: Studio, name: str) -> tuple[np.ndarray, dict[str, Any]]:
    """The array in a body: all of one in NumPy's format, or the field ``name`` of a JSON object.

    Returns
    -------
    array : ndarray
        Of finite numbers, with at least one row and at most as many as a request may have.
    rest : dict
        The other fields.

    Raises
    ------
    Refusal
        With 400, 413, 415 or 422.
    """
    if media_type(request) in _NPY_NAMES:
        body = await body_of(request, studio.settings.limits.body)
        array, rest = await asyncio.to_thread(_from_npy, body), {}
    else:
        rest = await json_of(request)
        if name not in rest:
            raise Refusal(422, f'the JSON must have a field "{name}": a list of rows')
        array = await asyncio.to_thread(_from_lists, rest.pop(name), name)
    return _checked(array, studio, name), rest


def _from_npy(body: bytes) -> np.ndarray:
    try:
        return from_bytes(body, "the body")
    except DataSourceError as error:
        raise Refusal(400, scrubbed(error)) from None
    except DataError as error:
        raise Refusal(422, scrubbed(error)) from None


def _from_lists(value: Any, name: str) -> np.ndarray:
    if not isinstance(value, list):
        raise Refusal(422, f"{name} must be a list of rows")
    try:
        array = np.array(value)
    except (ValueError, OverflowError, RecursionError):
        raise Refusal(422, f"the rows of {name} must all have the same shape") from None
    if array.dtype.kind not in "biuf":
        raise Refusal(422, f"{name} must hold numbers alone")
    return array


def _checked(array: np.ndarray, studio: Studio, name: str) -> np.ndarray:
    if array.ndim < 2 or 0 in array.shape:
        raise Refusal(
            422, f"{name} must have a row and a value at least, as [[1, 2]] has, and its shape is {array.shape}"
        )
    studio.check_rows(len(array))
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        raise Refusal(422, f"{name} must be finite, and it holds NaN or infinite values")
    return array


def wants_npy(request: Request) -> bool:
    """Whether the answer is to be in NumPy's format: as ``Accept`` says, else as the body is."""
    accepted = request.headers.get("accept", "*/*").lower()
    if NPY in accepted:
        return True
    return "json" not in accepted and media_type(request) in _NPY_NAMES


async def answer(request: Request, name: str, array: np.ndarray) -> Response:
    """An array as the client wants it; in JSON what is not finite is null."""
    npy = wants_npy(request)
    if not npy and array.size > _MOST_JSON_NUMBERS:
        raise Refusal(413, f"an answer in JSON may hold {_MOST_JSON_NUMBERS:,} numbers; ask with Accept: {NPY}")
    data = await asyncio.to_thread(_to_npy if npy else _to_json, array, name)
    return Response(data, media_type=NPY if npy else "application/json")


def _to_npy(array: np.ndarray, name: str) -> bytes:
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, np.ascontiguousarray(array), allow_pickle=False)
    return buffer.getvalue()


def _to_json(array: np.ndarray, name: str) -> bytes:
    listed: Any = array.tolist()
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        plain = array.astype(object)
        plain[~np.isfinite(array)] = None
        listed = plain.tolist()
    return json.dumps({name: listed}, allow_nan=False, separators=(",", ":")).encode()
