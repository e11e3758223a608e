"""Where the error and the score of a sample lie among those of the data that a model was fitted on."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from isthmus.errors import IsthmusError
from isthmus.studio.lab.results import reconstruct, squared_errors

if TYPE_CHECKING:
    from isthmus.studio.opened import OpenedRun
    from isthmus.studio.work import Work

MOST_ROWS = 5000
"""Rows that a sample is compared with, chosen at random where there are more."""

# Once there are this many, no more are taken than these seconds allow: scores of large pictures take their time.
_ENOUGH, _SECONDS = 500, 3.0
_BINS, _BLOCK = 40, 64
# The histogram shows all but the farthest few, so that one wild sample does not squeeze the rest into one bar.
_SHOWN = (0.002, 0.998)


@dataclass
class Known:
    """Mean squared errors, and scores if the model has any, of some rows of the data."""

    errors: np.ndarray
    scores: np.ndarray | None


async def known_of(run: OpenedRun, work: Work) -> Known | None:
    """Errors and scores of the data, computed once and block by block, so that others are served in between.

    None if the data are not at hand.
    """
    kept: dict[str, Known | None] = run.keep("lab: places", dict)
    if "known" not in kept:
        kept["known"] = await _find(run, work)
    return kept["known"]


async def _find(run: OpenedRun, work: Work) -> Known | None:
    parts: list[Known] = []
    start, n = time.monotonic(), 0
    async with work.place():
        for block in await work.soon(_blocks, run):
            if n >= _ENOUGH and time.monotonic() - start > _SECONDS:
                break
            parts.append(await work.soon(_measured, run, block))
            n += len(block)
    return _joined(parts) if parts else None


def _blocks(run: OpenedRun) -> list[np.ndarray]:
    if run.given is None:
        return []
    n = len(run.given.rows)
    chosen = np.random.default_rng(0).permutation(n)[:MOST_ROWS]
    return np.array_split(chosen, -(-len(chosen) // _BLOCK))


def _measured(run: OpenedRun, numbers: np.ndarray) -> Known:
    rows = run.rows(numbers)
    errors = squared_errors(run, reconstruct(run, rows).astype(np.float64) - rows)
    try:
        return Known(errors, run.scores(rows).astype(np.float64))
    except IsthmusError:
        return Known(errors, None)


def _joined(parts: list[Known]) -> Known:
    scores = [part.scores for part in parts if part.scores is not None]
    joined = np.concatenate(scores) if len(scores) == len(parts) else None
    return Known(np.concatenate([part.errors for part in parts]), joined)


def place(value: float, among: np.ndarray, unusual: Literal["high", "low"], what: str) -> dict[str, Any] | None:
    """Where a value lies among those of the data.

    Parameters
    ----------
    value : float
        Of the sample.
    among : ndarray of shape (n,)
        Of the data; those that are not finite are left out.
    unusual : {"high", "low"}
        On which side the unusual ones lie.
    what : str
        What to call the data, in the plural.

    Returns
    -------
    dict or None
        ``share`` of the data that are less unusual than the sample, ``n``, ``sentence``, and ``edges`` and ``counts``
        of a histogram. None if there is nothing to compare with.
    """
    known = np.asarray(among, dtype=np.float64)
    known = known[np.isfinite(known)]
    if not known.size:
        return None
    share = float(np.mean(known < value if unusual == "high" else known > value))
    low, high = np.quantile(known, _SHOWN)
    if not low < high:
        low, high = low - 0.5, high + 0.5
    counts, edges = np.histogram(known, _BINS, (low, high))
    return {
        "share": share,
        "n": int(known.size),
        "sentence": sentence(share, known.size, what),
        "edges": edges.tolist(),
        "counts": counts.tolist(),
    }


def sentence(share: float, n: int, what: str = "training samples") -> str:
    """What it means that this share of ``n`` samples is less unusual, in words."""
    if share >= 1:
        return f"more unusual than all {n:,} {what}"
    if share <= 0:
        return f"less unusual than any of the {n:,} {what}"
    digits = 1 if min(share, 1 - share) < 0.1 else 0
    # Never rounded up to all of them, nor down to none.
    percent = min(max(round(100 * share, digits), 0.1), 99.9)
    return f"more unusual than {percent:.{digits}f} % of the {what}"
