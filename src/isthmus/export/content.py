"""What an exported page knows of its run: all that the studio's server would answer, worked out beforehand."""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np

from isthmus.explore.axes import prior_moments
from isthmus.export.sheets import lay_out
from isthmus.studio.frames import pack
from isthmus.studio.map.axes import MapAxis, axes_of, choose, plane_of
from isthmus.studio.map.colours import COLUMNS, choices, colour_of, usual
from isthmus.studio.map.contours import contours
from isthmus.studio.run_info import run_info
from isthmus.studio.shown import shown

if TYPE_CHECKING:
    from isthmus.studio.library import RunSummary
    from isthmus.studio.opened import OpenedRun

# Every pair of axes has a plane and contours, so that a few more axes are many more pairs.
_MOST_AXES = {"pc": 4, "z": 10, "attribute:": 6}
_BLOCK = 512
_DRAWS, _SEED = 256, 0


def content(run: OpenedRun, summary: RunSummary, *, spread: bool, meaning: bool) -> bytes:
    """The frame that ``onnx_backend.js`` reads: RunInfo, the map from all sides, and the samples on it.

    Parameters
    ----------
    run : OpenedRun
        Whose samples on the map are those of the page.
    summary : RunSummary
        Of the same run.
    spread : bool
        Whether the encoder in the page gives standard deviations.
    meaning : bool
        Whether a network of its own says what code a position stands for.
    """
    places = run.drawn if run.given is None else _of_rows(run, run.place)
    info = run_info(run, summary, places)
    header: dict[str, Any] = {
        # Rows are counted anew, as the page has no others.
        "info": {**info, "n_rows": len(places), "n_points": len(places)},
        "input": {"type": run.info.dtype, "shape": [run.info.n_values] if run.est.is_flat_ else list(run.info.shape)},
        "black_white": list(run.info.display_range),
        "of": "prior" if run.given is None else "data",
        "meaning": meaning,
        "middle": prior_moments(run.est)[0].tolist(),
    }
    arrays = {"positions": places.astype(np.float32), "draws": run.draw(_DRAWS, _SEED).astype(np.float32)}
    for part in (_map(run, places), _samples(run, spread=spread)):
        header |= part[0]
        arrays |= part[1]
    return pack(header, **arrays)


Part = tuple[dict[str, Any], dict[str, np.ndarray]]
"""Entries of the header, and arrays."""


def _map(run: OpenedRun, places: np.ndarray) -> Part:
    """Where the samples lie on every axis, and the plane of every pair of axes, the first one across."""
    axes = _kept(axes_of(run, places))
    x, y = choose(axes, None, None)
    pairs = list(combinations(axes.values(), 2))
    planes = [plane_of(run, *pair, places) for pair in pairs]
    columns = {} if run.given is None else {name: _of_rows(run, getattr(run, name)) for name in COLUMNS.values()}
    wanted = [choice["id"] for choice in choices(run, places)]
    # An axis that is left out is left out here too; other colours have names of their own.
    wanted = [name for name in wanted if name in axes or name not in axes_of(run, places)]
    colours = [colour_of(run, name, places, columns.get(COLUMNS.get(name, ""))) for name in wanted]
    header = {
        "axes": [axis.choice() for axis in axes.values()],
        "x": x.id,
        "y": y.id,
        "planes": [None if plane is None else len(plane["origin"]) for plane in planes],
        "contours": [contours(run, *pair) for pair in pairs],
        "colour": usual(run),
        "colours": [colour.header() for colour in colours],
    }
    arrays = {f"colour{i}": colour.values for i, colour in enumerate(colours) if colour.kind != "none"}
    arrays["places"] = np.stack([axis.values(run, places) for axis in axes.values()]).astype(np.float32)
    flat = [_flat(plane) for plane in planes if plane is not None]
    arrays["planes"] = np.concatenate(flat or [np.zeros(0)]).astype(np.float32)
    return header, arrays


def _flat(plane: dict[str, Any]) -> np.ndarray:
    """Five vectors and two offsets, one after the other."""
    vectors = [plane["origin"], plane["across"], plane["up"], *plane["weights"]]
    return np.concatenate([*vectors, plane["offsets"]])


def _kept(axes: dict[str, MapAxis]) -> dict[str, MapAxis]:
    """The first axes of each kind, in their order."""
    left = dict(_MOST_AXES)
    kept = {}
    for name, axis in axes.items():
        kind = next((kind for kind in left if name.startswith(kind)), None)
        if kind is None or left[kind] > 0:
            kept[name] = axis
            if kind is not None:
                left[kind] -= 1
    return kept


def _samples(run: OpenedRun, *, spread: bool) -> Part:
    """The samples on the map as they are shown, and what the posterior says of each."""
    if run.given is None:
        return {"labels": None, "sheets": None}, {}
    header: dict[str, Any] = {"labels": None, "sheets": None}
    if run.labels is not None:
        header["labels"] = [run.label(int(number)) for number in run.numbers]
    arrays = {}
    if spread:
        est: Any = run.est
        arrays["stds"] = _of_rows(run, lambda rows: est.posterior(run.taken(rows)).std.astype(np.float32))
    made = _of_rows(run, lambda rows: shown(rows, run.info))
    if run.info.is_picture:
        sheets = lay_out(made)
        header["sheets"] = {**sheets.layout, "exact": sheets.exact}
        arrays |= {f"sheet{i}": np.frombuffer(file, np.uint8) for i, file in enumerate(sheets.files)}
    else:
        arrays["rows"] = made
    return header, arrays


def _of_rows(run: OpenedRun, function: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """What a function makes of all samples on the map."""
    starts = range(0, len(run.numbers), _BLOCK)
    return np.concatenate([function(run.rows(run.numbers[start : start + _BLOCK])) for start in starts])
