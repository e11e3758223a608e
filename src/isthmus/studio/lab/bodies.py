"""From the body of a request to a sample, and from what was found to a frame."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from isthmus.errors import DataError
from isthmus.studio.asking import parse_object
from isthmus.studio.frames import DTYPES, MEDIA_TYPE, pack, unpack
from isthmus.studio.lab.files import read_file
from isthmus.studio.lab.inputs import Brought, Options, background_note, bring, check_finite, of_values
from isthmus.studio.lab.moments import rows_of
from isthmus.studio.lab.results import fitted_names

if TYPE_CHECKING:
    from isthmus.data.info import DataInfo
    from isthmus.studio.opened import OpenedRun

_TYPICAL = 200
_MOST_NAME = 120


def brought(
    run: OpenedRun, body: bytes, kind: str, *, name: str = "", options: Options | None = None, pixels: int = 0
) -> tuple[Brought, dict[str, Any]]:
    """The sample that a request is about, and what else is known of it.

    Parameters
    ----------
    run : OpenedRun
        The model.
    body : bytes
        A file, JSON (a row or values), or a frame with an array ``sample``.
    kind : str
        Its media type. What is neither JSON nor a frame is a file.
    name : str
        Of the file.
    options : Options
        How a file is to be brought to the model's shape.
    pixels : int
        Most pixels of a picture.

    Raises
    ------
    DataError, DataSourceError, Refusal
        It cannot be read, or not be brought to the shape of the model.
    """
    if kind == MEDIA_TYPE:
        return Brought(sample_of_frame(unpack(body)[1], run.info)), {}
    if kind == "application/json":
        return _of_json(run, body)
    options, name = options or Options(), _shown_name(name)
    found = read_file(body, name, index=options.index, most_pixels=pixels)
    sample = bring(found, run.info, fitted_names(run), options)
    if run.given is not None and not options.invert:
        hint = background_note(sample.sample, rows_of(run, _TYPICAL), run.info)
        sample.notes += [] if hint is None else [hint]
    return sample, {"name": name}


def sample_of_frame(arrays: dict[str, np.ndarray], info: DataInfo) -> np.ndarray:
    """The sample in a frame.

    Raises
    ------
    DataError
        There is none, it has another shape than the model's samples, or holds NaN or infinity.
    """
    sample = arrays.get("sample")
    if sample is None:
        raise DataError("the frame holds no array 'sample'")
    if sample.shape != info.shape:
        raise DataError(f"the sample has shape {sample.shape}, and one of the model has {info.shape}")
    check_finite(sample, "the sample")
    return sample


def _of_json(run: OpenedRun, body: bytes) -> tuple[Brought, dict[str, Any]]:
    given = parse_object(body)
    if isinstance(given.get("values"), list):
        return Brought(of_values(given["values"], run.info)), {}
    row = given.get("row")
    if type(row) is not int:
        raise DataError('say which sample: {"row": 5}, or {"values": [...]}')
    if run.given is None:
        raise DataError("the data of this run are not at hand, so there are no rows to choose from; send values")
    n = len(run.given.rows)
    if not 0 <= row < n:
        raise DataError(f"there are {n:,} rows, from 0 to {n - 1:,}, so there is no row {row}")
    sample = run.rows(np.array([row]))[0]
    return Brought(sample, of=n), {"row": row, "label": run.label(row)}


def _shown_name(name: str) -> str:
    """What to call a file in messages: its name only, wherever it lies."""
    last = name.replace("\\", "/").rpartition("/")[2].strip()
    return last[:_MOST_NAME] if last.isprintable() and last else "the file"


def packed(header: dict[str, Any], **arrays: np.ndarray) -> bytes:
    """A frame; arrays of types that JavaScript does not know become float64."""
    known = {name: a if a.dtype.name in DTYPES else a.astype(np.float64) for name, a in arrays.items()}
    return pack(header, **known)
