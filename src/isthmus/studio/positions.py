"""Positions of sliders, as a client sends them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from isthmus.studio.refusal import Refusal

if TYPE_CHECKING:
    from isthmus.studio.opened import OpenedRun

_LARGEST = 1e6


def position(run: OpenedRun, given: Any) -> np.ndarray:
    """A position (width,), float32; where positions are not codes, a code is taken for the nearest position.

    Raises
    ------
    Refusal
        With 422, if it has another length, or is not made of finite numbers.
    """
    if not isinstance(given, list) or not all(type(value) in (int, float) for value in given):
        raise Refusal(422, "z must be a list of numbers")
    width, wide = run.sliders.width, run.est.latent_dim_
    if len(given) not in (width, wide):
        raise Refusal(422, f"z must have {width:,} values, and it has {len(given):,}")
    if not all(-_LARGEST <= value <= _LARGEST for value in given):
        raise Refusal(422, f"the values of z must be finite and at most {_LARGEST:,.0f} in size")
    z = np.array(given, dtype=np.float32)
    return z if len(z) == width else run.sliders.find(z[None])[0]
