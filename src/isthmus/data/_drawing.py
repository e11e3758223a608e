"""What the generated data sets share: drawing of factors, argument checks and anti-aliased filling."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from numbers import Integral
from typing import Any

import numpy as np
import numpy.typing as npt

from isthmus.errors import ParameterError

Array = npt.NDArray[np.floating[Any]]
Ranges = Mapping[str, tuple[float, float]]

MIN_SIZE = 8
CHUNK_PIXELS = 2**17  # drawn at a time: intermediate arrays of half a megabyte stay in the cache
LUMA = np.array([0.299, 0.587, 0.114], dtype=np.float32)  # ITU-R BT.601, as in Pillow's "L"


def check_count(n_samples: Any) -> int:
    """Return `n_samples` as an int, or raise `ParameterError`."""
    if isinstance(n_samples, bool) or not isinstance(n_samples, Integral) or n_samples < 1:
        raise ParameterError(f"n_samples is {n_samples!r}; give a whole number of at least 1.")
    return int(n_samples)


def check_size(size: Any) -> tuple[int, int]:
    """Return `size`, an int or a pair, as (height, width), or raise `ParameterError`."""
    pair = tuple(size) if isinstance(size, (tuple, list)) else (size, size)
    whole = all(isinstance(side, Integral) and not isinstance(side, bool) for side in pair)
    if len(pair) != 2 or not whole or min(pair) < MIN_SIZE:
        raise ParameterError(
            f"size is {size!r}; give one whole number or (height, width), each at least {MIN_SIZE} pixels."
        )
    return int(pair[0]), int(pair[1])


def _generator(random_state: Any) -> np.random.Generator | np.random.RandomState:
    """Return a source of random numbers from None, a seed or a generator of either kind."""
    if isinstance(random_state, np.random.RandomState):
        return random_state
    try:
        return np.random.default_rng(random_state)
    except (TypeError, ValueError) as error:
        raise ParameterError(
            f"random_state is {random_state!r}; give None, a seed of at least 0 or a NumPy generator."
        ) from error


def resolve_factors(
    n_samples: int,
    random_state: Any,
    factors: Any,
    ranges: Ranges,
    neutral: Mapping[str, float] | None = None,
) -> dict[str, np.ndarray]:
    """Take the given factors, and draw the others uniformly or set them to `neutral`.

    Numbers are drawn row by row, so that the first samples do not depend on how many are asked
    for, and for every factor, so that fixing one leaves the others as they were.
    """
    fixed = _fixed_factors(factors, n_samples, ranges)
    if neutral is not None:
        rest = {name: np.full(n_samples, value) for name, value in neutral.items()}
    else:
        table = _generator(random_state).random((n_samples, len(ranges)))
        columns = zip(ranges.items(), table.T, strict=True)
        rest = {name: low + (high - low) * unit for (name, (low, high)), unit in columns}
    return {name: fixed.get(name, rest[name]) for name in ranges}


def _fixed_factors(factors: Any, n_samples: int, ranges: Ranges) -> dict[str, np.ndarray]:
    """Return the given factors as float64 arrays of shape (n_samples,), checked against their ranges."""
    if factors is None:
        return {}
    if not isinstance(factors, Mapping):
        raise ParameterError(f"factors is a {type(factors).__name__}; give a dict of factor name to values.")
    unknown = [name for name in factors if name not in ranges]
    if unknown:
        raise ParameterError(f"There is no factor {unknown[0]!r}; the factors are {', '.join(ranges)}.")
    return {name: _values(name, value, n_samples, ranges[name]) for name, value in factors.items()}


def _values(name: str, value: Any, n_samples: int, limits: tuple[float, float]) -> np.ndarray:
    """Broadcast one factor to (n_samples,) and hold it to its range."""
    try:
        array = np.asarray(value, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ParameterError(f"factor {name!r} is not numeric; give a number or {n_samples} of them.") from error
    if array.shape not in ((), (n_samples,)):
        raise ParameterError(
            f"factor {name!r} has shape {array.shape}; give one number or an array of shape ({n_samples},)."
        )
    low, high = limits
    # A NaN fails both comparisons, so it is caught too; the slack is for values such as 2 * pi in float32.
    slack = 1e-6 * max(abs(low), abs(high))
    inside = (array >= low - slack) & (array <= high + slack)
    if not inside.all():
        seen = array if array.ndim == 0 else array[~inside][0]
        raise ParameterError(f"factor {name!r} is {float(seen):g}; keep it between {low:g} and {high:g}.")
    return np.clip(np.broadcast_to(array, (n_samples,)), low, high)


def pixel_grid(shape: tuple[int, int]) -> tuple[Array, Array, float]:
    """Return x of shape (1, 1, W), y of shape (1, H, 1) and the pixel's width.

    The largest centred square spans -1 to 1 in both directions; y points down.
    """
    height, width = shape
    pixel = 2.0 / min(shape)
    x = ((np.arange(width) - (width - 1) / 2) * pixel).astype(np.float32)
    y = ((np.arange(height) - (height - 1) / 2) * pixel).astype(np.float32)
    return x[None, None, :], y[None, :, None], pixel


def coverage(distance: Array, width: float) -> Array:
    """Return how much of a pixel lies inside, from its signed distance (negative inside).

    The edge is a smooth step of the given width, in the distance's units: a little more than
    a pixel looks even, and the zero slope at both ends keeps moving edges free of jumps.
    """
    t = distance * np.float32(-1.0 / width)
    t += np.float32(0.5)
    np.clip(t, 0.0, 1.0, out=t)
    return t * t * (np.float32(3.0) - np.float32(2.0) * t)


def to_bytes(unit: Array) -> npt.NDArray[np.uint8]:
    """Return values of the unit interval, clipped, as bytes."""
    scaled = np.clip(unit, 0.0, 1.0) * np.float32(255.0)
    scaled += np.float32(0.5)
    return scaled.astype(np.uint8)


def draw_in_chunks(
    render: Callable[[dict[str, np.ndarray]], npt.NDArray[np.uint8]],
    values: dict[str, np.ndarray],
    shape: tuple[int, ...],
) -> npt.NDArray[np.uint8]:
    """Return the pictures, each of the given shape, that `render` draws from rows of factors."""
    n_samples = len(next(iter(values.values())))
    X = np.empty((n_samples, *shape), dtype=np.uint8)
    step = max(1, CHUNK_PIXELS // (shape[0] * shape[1]))
    for start in range(0, n_samples, step):
        rows = slice(start, start + step)
        X[rows] = render({name: value[rows] for name, value in values.items()})
    return X


def ramp(tones: np.ndarray, at: Array) -> Array:
    """Return the quadratic through three tones, shape (n, 1, 1, 3), at positions in [0, 1]."""
    t = at[..., None]
    return (2 * (t - 0.5) * (t - 1)) * tones[0] + 4 * t * (1 - t) * tones[1] + (2 * t * (t - 0.5)) * tones[2]


def bump(squared: Array) -> Array:
    """Return exp(-squared), written over its argument: a soft spot or band."""
    np.negative(squared, out=squared)
    return np.exp(squared, out=squared)


def smooth_step(low: float, high: float, x: Array) -> Array:
    """Return the smooth step from 0 at `low` to 1 at `high`."""
    t = np.clip((x - np.float32(low)) / np.float32(high - low), 0, 1)
    return t * t * (3 - 2 * t)


class Canvas:
    """A batch of pictures being painted, layer over layer, from the back to the front.

    `canvas` has shape (channels, n, H, W), in the unit interval; `x` and `y` are the pixels'
    centres and `pixel` their width, as `pixel_grid` gives them.
    """

    def __init__(self, n_samples: int, shape: tuple[int, int], channels: int):
        self.x, self.y, self.pixel = pixel_grid(shape)
        self.canvas = np.zeros((channels, n_samples, *shape), dtype=np.float32)

    def paint(self, alpha: Array, colour: Any, rows: slice = slice(None)) -> None:
        """Blend a colour, of shape (3,) or (n, 1, 1, 3), over the picture."""
        colour = np.asarray(colour, dtype=np.float32)
        tones = [(colour * LUMA).sum(axis=-1)] if len(self.canvas) == 1 else [colour[..., c] for c in range(3)]
        for plane, tone in zip(self.canvas, tones, strict=True):
            part = plane[:, rows]
            part += alpha * (tone - part)

    def edge(self, distance: Array, soft: float = 0.0) -> Array:
        """Return the coverage of a shape whose signed distance is in picture units."""
        return coverage(distance, 1.4 * self.pixel + soft)

    def rows(self, top: float, bottom: float) -> slice:
        """Return the picture's rows between two heights."""
        inside = np.flatnonzero((self.y[0, :, 0] >= top) & (self.y[0, :, 0] <= bottom))
        return slice(int(inside[0]), int(inside[-1]) + 1)
