"""Moments and ranges of a run's data, which a saved model does not hold."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from isthmus.data.info import DataInfo, describe_data

if TYPE_CHECKING:
    from isthmus.studio.opened import OpenedRun

_DESCRIBED = 2000


def moments_of(run: OpenedRun) -> DataInfo:
    """Moments of the data, which a saved run does not hold; they are needed anew with every move of a slider."""
    return run.keep("lab: moments", lambda: _described(run))


def columns(run: OpenedRun) -> list[dict[str, float]] | None:
    """Range, mean and standard deviation of every column of a table; None for pictures."""
    if run.info.is_picture:
        return None
    info = moments_of(run)
    moments = zip(info.minimum, info.maximum, info.mean, spread(run), strict=True)
    return [dict(zip(("low", "high", "mean", "sd"), map(float, column), strict=True)) for column in moments]


def _described(run: OpenedRun) -> DataInfo:
    """Moments from some of the rows, else what the scaling tells."""
    if run.given is not None:
        found = describe_data(rows_of(run, _DESCRIBED))
        return replace(found, dtype=run.info.dtype)
    scaling, shape = run.est.module_.scaling, run.info.shape
    low, high = run.info.display_range
    if scaling.kind in ("log", "none"):
        mean, std = (low + high) / 2, (high - low) / 4
    else:
        mean, std = scaling.shift.cpu().double().numpy(), scaling.scale.cpu().double().numpy()
    mean, std = (np.broadcast_to(np.asarray(moment, np.float64), shape) for moment in (mean, std))
    # Each column spans what it does in nearly all rows, as the ends of all columns together would fit none of them.
    ends = (mean - 3 * std, mean + 3 * std)
    minimum, maximum = (run.info.minimum, run.info.maximum) if run.info.is_picture else ends
    return replace(run.info, mean=mean, std=std, minimum=minimum, maximum=maximum)


def rows_of(run: OpenedRun, most: int) -> np.ndarray:
    """Some of the data, evenly spread, of shape (k, *event)."""
    assert run.given is not None
    n = len(run.given.rows)
    return run.keep(("lab: rows", most), lambda: run.rows(np.arange(0, n, max(1, -(-n // most)))))


def spread(run: OpenedRun) -> np.ndarray:
    """Standard deviation of every value of the data, of shape ``info.shape``; 1 where it never varies."""
    std = moments_of(run).std
    return np.where(std > 0, std, 1.0)
