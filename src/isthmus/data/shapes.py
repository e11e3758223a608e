"""Generated sprites with known factors, after dSprites: a square, an ellipse or a heart on black."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal, overload

import numpy as np
import numpy.typing as npt

from isthmus.data._drawing import (
    Array,
    check_count,
    check_size,
    coverage,
    draw_in_chunks,
    pixel_grid,
    resolve_factors,
    to_bytes,
)
from isthmus.errors import ParameterError

SHAPE_NAMES = ("square", "ellipse", "heart")
"""What the values 0, 1 and 2 of the factor ``shape`` stand for."""

SHAPE_RANGES: dict[str, tuple[float, float]] = {
    "shape": (0, 2),
    "scale": (0.5, 1.0),
    "rotation": (0.0, 2 * np.pi),
    "x": (0.0, 1.0),
    "y": (0.0, 1.0),
}
"""Lowest and highest value of each factor of `shapes`; ``shape`` takes whole numbers only."""

_RADIUS = 0.44  # of the circle that holds every sprite at full scale; the picture spans -1 to 1


def _square(u: Array, v: Array) -> Array:
    half = np.float32(_RADIUS / np.sqrt(2))
    return np.maximum(np.abs(u), np.abs(v)) - half


def _ellipse(u: Array, v: Array) -> Array:
    long, short = np.float32(_RADIUS), np.float32(0.55 * _RADIUS)
    level = np.hypot(u / long, v / short)
    slope = np.hypot(u / long**2, v / short**2) + np.float32(1e-6)
    # First-order distance: the level set's value over the length of its gradient.
    return level * (level - 1) / slope


def _heart(u: Array, v: Array) -> Array:
    # Exact distance to a heart one unit high: https://iquilezles.org/articles/distfunctions2d
    unit = np.float32(_RADIUS / 0.66)
    side, up = np.abs(u) / unit, np.float32(0.58) - v / unit
    lobe = np.hypot(side - np.float32(0.25), up - np.float32(0.75)) - np.float32(np.sqrt(2) / 4)
    along = np.maximum(side + up, 0) / 2
    flank = np.minimum(np.hypot(side, up - 1), np.hypot(side - along, up - along)) * np.sign(side - up)
    return np.where(side + up > 1, lobe, flank) * unit


_DISTANCES: tuple[Callable[[Array, Array], Array], ...] = (_square, _ellipse, _heart)


def _resolve(n_samples: int, random_state: Any, factors: Any) -> dict[str, np.ndarray]:
    """Take the given factors and draw the others; ``shape`` is one of three whole numbers."""
    values = resolve_factors(n_samples, random_state, factors, SHAPE_RANGES)
    kind = values["shape"]
    if "shape" not in (factors or {}):
        kind = np.floor(kind * 1.5)  # thirds of the range from 0 to 2
    fractional = kind[kind != np.round(kind)]
    if fractional.size:
        raise ParameterError(
            f"factor 'shape' is {fractional[0]:g}; use 0 for a square, 1 for an ellipse or 2 for a heart."
        )
    return {**values, "shape": kind.astype(np.int64)}


def _render(values: dict[str, np.ndarray], shape: tuple[int, int]) -> npt.NDArray[np.uint8]:
    """Draw one sprite for each row of `values`."""
    x, y, pixel = pixel_grid(shape)
    f = {name: value.astype(np.float32)[:, None, None] for name, value in values.items() if name != "shape"}
    # The centre keeps a sprite of full scale, and its soft edge, inside the picture.
    span_x = np.float32(shape[1] / min(shape) - _RADIUS - 2 * pixel)
    span_y = np.float32(shape[0] / min(shape) - _RADIUS - 2 * pixel)
    dx = (x - (2 * f["x"] - 1) * span_x) / f["scale"]
    dy = (y - (2 * f["y"] - 1) * span_y) / f["scale"]
    cosine, sine = np.cos(f["rotation"]), np.sin(f["rotation"])
    u, v = cosine * dx + sine * dy, cosine * dy - sine * dx
    distance = np.empty_like(u)
    for kind, signed_distance in enumerate(_DISTANCES):
        rows = values["shape"] == kind
        distance[rows] = signed_distance(u[rows], v[rows])
    return to_bytes(coverage(distance * f["scale"], 1.5 * pixel))


@overload
def shapes(
    n_samples: int = ...,
    size: int | tuple[int, int] = ...,
    *,
    random_state: Any = ...,
    factors: Mapping[str, npt.ArrayLike] | None = ...,
    return_factors: Literal[False] = ...,
) -> npt.NDArray[np.uint8]: ...
@overload
def shapes(
    n_samples: int = ...,
    size: int | tuple[int, int] = ...,
    *,
    random_state: Any = ...,
    factors: Mapping[str, npt.ArrayLike] | None = ...,
    return_factors: Literal[True],
) -> tuple[npt.NDArray[np.uint8], dict[str, np.ndarray]]: ...
def shapes(
    n_samples: int = 2000,
    size: int | tuple[int, int] = 32,
    *,
    random_state: Any = None,
    factors: Mapping[str, npt.ArrayLike] | None = None,
    return_factors: bool = False,
) -> npt.NDArray[np.uint8] | tuple[npt.NDArray[np.uint8], dict[str, np.ndarray]]:
    r"""White sprites on black whose generating factors are known, after dSprites [1]_.

    The factors are independent and uniform on their range:

    ============ ============= =========================================
    ``shape``    0, 1, 2       square, ellipse, heart
    ``scale``    0.5 to 1      size, relative to the largest
    ``rotation`` 0 to 2 pi     clockwise turn, in radians
    ``x``        0 to 1        centre, from far left to far right
    ``y``        0 to 1        centre, from top to bottom
    ============ ============= =========================================

    A square looks the same after a quarter of a turn and an ellipse after half a turn. Edges are
    anti-aliased, and no sprite ever touches the border.

    Parameters
    ----------
    n_samples : int, default=2000
        Number of pictures.
    size : int or (int, int), default=32
        Side, or height and width, in pixels; at least 8.
    random_state : None, int or NumPy generator, optional
        The same seed gives the same bytes; the first pictures do not depend on `n_samples`.
    factors : dict of str to float or array-like of shape (n_samples,), optional
        Factors to fix; the others are drawn.
    return_factors : bool, default=False
        Whether to return the factors as well.

    Returns
    -------
    X : ndarray of uint8, shape (n_samples, height, width)
        Pictures, from 0 (black) to 255 (white).
    factors : dict of str to ndarray of shape (n_samples,)
        Only with ``return_factors=True``. ``shape`` is int64, the others are float64.

    Raises
    ------
    ParameterError
        A bad size or count, an unknown factor, or a value outside its range.

    References
    ----------
    .. [1] L. Matthey, I. Higgins, D. Hassabis, A. Lerchner, "dSprites: Disentanglement testing
       Sprites dataset", 2017.

    Examples
    --------
    >>> from isthmus.data.shapes import shapes
    >>> X, factors = shapes(100, random_state=0, factors={"shape": 2}, return_factors=True)
    >>> X.shape, sorted(factors)
    ((100, 32, 32), ['rotation', 'scale', 'shape', 'x', 'y'])
    """
    n_samples, shape = check_count(n_samples), check_size(size)
    values = _resolve(n_samples, random_state, factors)
    X = draw_in_chunks(lambda rows: _render(rows, shape), values, shape)
    return (X, values) if return_factors else X
