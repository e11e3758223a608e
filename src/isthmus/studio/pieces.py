"""Work on many rows in pieces that take a few hundredths of a second each, so that others are served in between."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from isthmus.studio.work import Work

# What a slider may have to wait for, in seconds.
_PIECE = 0.03
_FEWEST, _FIRST, _MOST = 8, 256, 8192


async def by_pieces(
    work: Work,
    n: int,
    function: Callable[[slice], np.ndarray],
    seen: Callable[[np.ndarray], None] = lambda _: None,
) -> np.ndarray:
    """What a function makes of n rows, joined; each row must be the same whatever piece it is in.

    After each piece ``seen`` is told what there is so far.
    """
    found: np.ndarray | None = None
    start, size = 0, _FIRST
    while start < n:
        part, seconds = await work.soon(_timed, function, slice(start, min(start + size, n)))
        if found is None:
            if len(part) == n:
                return part
            found = np.empty((n, *part.shape[1:]), part.dtype)
        found[start : start + len(part)] = part
        start += len(part)
        seen(found[:start])
        size = int(np.clip(len(part) * _PIECE / max(seconds, 1e-6), max(_FEWEST, size // 2), min(_MOST, 2 * size)))
    assert found is not None
    return found


def _timed(function: Callable[[slice], np.ndarray], rows: slice) -> tuple[np.ndarray, float]:
    start = time.perf_counter()
    return function(rows), time.perf_counter() - start
