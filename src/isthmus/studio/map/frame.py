"""The map as a frame."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from isthmus.studio.frames import pack
from isthmus.studio.map.axes import axes_of, choose, plane_of
from isthmus.studio.map.colours import choices, colour_of
from isthmus.studio.map.contours import contours

if TYPE_CHECKING:
    from isthmus.studio.opened import OpenedRun


def map_frame(
    run: OpenedRun,
    places: np.ndarray,
    column: np.ndarray | None,
    *,
    x: str | None,
    y: str | None,
    colour: str,
    limit: int,
    complete: bool = True,
) -> bytes:
    """Where the samples at positions (n, width) lie on the plane of two axes; ``docs/studio_api.md`` describes it."""
    axes = axes_of(run, places)
    across, up = choose(axes, x, y)
    coloured = colour_of(run, colour, places, column)
    kept = _some(len(places), limit)
    header = {
        "axes": [axis.choice() for axis in axes.values()],
        "x": across.id,
        "y": up.id,
        "plane": plane_of(run, across, up, places),
        "colour": coloured.header(),
        "colours": choices(run, places),
        "contours": run.keep(("contours", across.id, up.id), lambda: contours(run, across, up)),
        "complete": complete,
        "of": "prior" if run.given is None else "data",
    }
    return pack(
        header,
        x=_values(run, across.id, places)[kept],
        y=_values(run, up.id, places)[kept],
        colour=coloured.values[kept],
        rows=run.numbers[kept],
    )


def _values(run: OpenedRun, axis: str, places: np.ndarray) -> np.ndarray:
    return run.keep(("axis", axis), lambda: axes_of(run, places)[axis].values(run, places).astype(np.float32))


def _some(n: int, limit: int) -> np.ndarray:
    """Which points are kept, if there are more than are wanted: always the same ones."""
    if limit >= n:
        return np.arange(n)
    return np.sort(np.random.default_rng(0).choice(n, limit, replace=False))
