"""Samples as files: a contact sheet, arrays, a table."""

from __future__ import annotations

import csv
import io
from math import ceil, sqrt
from typing import TYPE_CHECKING, Any

import numpy as np

from isthmus.explore.sheets import enlarge, factor_for, png, sheet
from isthmus.studio.refusal import Refusal
from isthmus.studio.run_info import feature_names
from isthmus.studio.shown import frames

if TYPE_CHECKING:
    from isthmus.studio.opened import OpenedRun

FILES = {"png": "image/png", "npz": "application/octet-stream", "csv": "text/csv; charset=utf-8"}
"""Kinds of files, and what they are to a browser."""
_SIDE = 1024


def selection_file(run: OpenedRun, numbers: np.ndarray, kind: str) -> bytes:
    """Samples with these numbers as a file of a kind in `FILES`."""
    rows = run.rows(numbers)
    if kind == "png":
        return contact_sheet(frames(_pictures_only(run, rows), run.info))
    places = run.drawn[numbers] if run.given is None else run.place(rows)
    return _arrays(run, numbers, rows, places) if kind == "npz" else _table(run, numbers, rows, places)


def contact_sheet(pictures: np.ndarray, columns: int | None = None) -> bytes:
    """PNG of bytes (n, H, W[, 3]) in rows and columns, enlarged if they are small."""
    tiles = sheet(pictures, columns or ceil(sqrt(len(pictures))))
    return png(enlarge(tiles, factor_for(tiles.shape, _SIDE)))


def _pictures_only(run: OpenedRun, rows: np.ndarray) -> np.ndarray:
    if not run.info.is_picture:
        raise Refusal(422, "rows of a table are no pictures; ask for csv or npz instead of png")
    return rows


def _arrays(run: OpenedRun, numbers: np.ndarray, rows: np.ndarray, places: np.ndarray) -> bytes:
    arrays: dict[str, Any] = {"X": rows, "Z": places, "rows": numbers}
    labels = [run.label(int(number)) for number in numbers]
    if any(label is not None for label in labels):
        # Labels of mixed types would make an array of objects, which only pickle can hold.
        plain = np.array(labels)
        arrays["y"] = plain if plain.dtype.kind in "biufU" else np.array([str(label) for label in labels])
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    return buffer.getvalue()


def _table(run: OpenedRun, numbers: np.ndarray, rows: np.ndarray, places: np.ndarray) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    features = feature_names(run)
    writer.writerow(["row", "label", *run.sliders.names(), *(features or [])])
    values = rows.reshape(len(rows), -1) if features else np.zeros((len(rows), 0))
    for number, place, row in zip(numbers.tolist(), places.tolist(), values.tolist(), strict=True):
        label = run.label(number)
        writer.writerow([number, "" if label is None else label, *place, *row])
    return text.getvalue().encode()
