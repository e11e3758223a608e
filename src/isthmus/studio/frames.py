"""Frames: a JSON header and arrays in one message, which a browser can use without copying.

A frame is a little-endian uint32, the length of the header; the header, JSON in UTF-8, padded with spaces so that what
follows starts at a multiple of 8; then the arrays one after the other, each padded to a multiple of 8 bytes. The
header's ``arrays`` lists ``name``, ``dtype``, ``shape``, ``offset`` (from the start of the first array) and ``bytes``.
"""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np

from isthmus.errors import DataError

MEDIA_TYPE = "application/x-isthmus-frame"
_ALIGN = 8
_LENGTH = 4
DTYPES = ("uint8", "uint16", "uint32", "int32", "float32", "float64")
"""Types of values that JavaScript has an array for."""


def pack(header: dict[str, Any], **arrays: np.ndarray) -> bytes:
    """A frame of a header, whose numbers must be finite, and named arrays."""
    listed, parts, offset = [], [], 0
    for name, array in arrays.items():
        if array.dtype.name not in DTYPES:
            raise TypeError(f"a frame cannot hold {array.dtype.name}")
        data = array.astype(array.dtype.newbyteorder("<"), order="C", copy=False).tobytes()
        place = {"name": name, "dtype": array.dtype.name, "shape": list(array.shape)}
        listed.append({**place, "offset": offset, "bytes": len(data)})
        parts += [data, bytes(-len(data) % _ALIGN)]
        offset += len(data) + len(parts[-1])
    text = json.dumps({**header, "arrays": listed}, allow_nan=False, separators=(",", ":")).encode()
    text += b" " * (-(_LENGTH + len(text)) % _ALIGN)
    return b"".join([len(text).to_bytes(_LENGTH, "little"), text, *parts])


def unpack(frame: bytes) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Header and arrays of a frame; the arrays are views of it.

    Raises
    ------
    DataError
        It is not a frame, or it is cut off.
    """
    try:
        length = int.from_bytes(frame[:_LENGTH], "little")
        start = _LENGTH + length
        if len(frame) < start or start % _ALIGN:
            raise ValueError("its header is cut off")
        header = json.loads(frame[_LENGTH:start])
        return header, {place["name"]: _view(frame, start, place) for place in header["arrays"]}
    except (ValueError, TypeError, LookupError, RecursionError) as error:
        raise DataError(f"these bytes are not a frame: {error}") from None


def _view(frame: bytes, start: int, place: dict[str, Any]) -> np.ndarray:
    if place["dtype"] not in DTYPES:
        raise ValueError(f"it holds values of type {place['dtype']!r}")
    dtype = np.dtype(place["dtype"]).newbyteorder("<")
    count = math.prod(place["shape"])
    if count * dtype.itemsize != place["bytes"] or place["offset"] < 0:
        raise ValueError("an array has another size than its shape says")
    return np.frombuffer(frame, dtype, count, start + place["offset"]).reshape(place["shape"])
