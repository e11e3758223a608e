"""The data sets that come with isthmus, by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal

import numpy as np

from isthmus.data._drawing import resolve_factors
from isthmus.data.samples import Samples
from isthmus.errors import DataSourceError, ParameterError

_Options = dict[str, tuple[int, int, int]]  # name -> default, smallest, largest
_Limits = tuple[float, float]
_FACES: _Options = {
    "n": (2000, 1, 1_000_000),
    "size": (32, 8, 512),
    "channels": (1, 1, 3),
    "seed": (0, 0, 2**32 - 1),
}
_SHAPES: _Options = {"n": (2000, 1, 1_000_000), "size": (32, 8, 512), "seed": (0, 0, 2**32 - 1)}


def load_builtin(source: str) -> Samples:
    """Make or read a built-in data set.

    Parameters
    ----------
    source : str
        A name, and for generated data the options that are to differ from their defaults:

        * ``digits``: scikit-learn's 1797 digits of 8 x 8, its levels 0..16 scaled to 0..255;
        * ``faces``: drawn faces with known factors; ``n=2000``, ``size=32``, ``channels=1`` (or 3),
          ``seed=0``;
        * ``shapes``: squares, ellipses and hearts with known factors, the shape as ``y``;
          ``n=2000``, ``size=32``, ``seed=0``.

        Options follow a colon and are separated by commas: ``faces:n=500,size=64``. A factor of faces or shapes can
        be fixed, or held in a range: ``faces:n=25,smile=0.5..1,light=0``. The other factors stay what they were.

    Returns
    -------
    Samples
        Pictures as uint8.

    Raises
    ------
    DataSourceError
        If there is no data set of that name.
    ParameterError
        If an option does not exist or has a value out of its range.

    Examples
    --------
    >>> load_builtin("digits").X.shape
    (1797, 8, 8)
    """
    name, _, text = source.partition(":")
    if name not in _MAKERS:
        raise DataSourceError(f"There is no built-in data set '{name}'; the built-in names are {', '.join(BUILTINS)}.")
    make, options = _MAKERS[name]
    ranges = _ranges(name)
    items = [tuple(part.strip() for part in item.partition("=")) for item in text.split(",")] if text else []
    chosen = {key: _limits(name, key, value, *ranges[key]) for key, _, value in items if key in ranges}
    rest = [(key, value) for key, _, value in items if key not in ranges]
    values = _parse(name, rest, options)
    return make(source, **values, **({"chosen": chosen} if ranges else {}))


def is_builtin(source: str) -> bool:
    """Whether a source is the name of a built-in data set, with or without options."""
    return source.partition(":")[0] in _MAKERS


def _parse(name: str, items: list[tuple[str, str]], options: _Options) -> dict[str, int]:
    values = {key: default for key, (default, _, _) in options.items()}
    for key, value in items:
        if key not in options:
            takes = f"takes {', '.join(f'{k}=' for k in options)}" if options else "takes no options"
            factors = f" and the factors {', '.join(_ranges(name))}" if options else ""
            raise ParameterError(f"'{name}' has no option '{key}': it {takes}{factors}.")
        values[key] = _whole(name, key, value, *options[key][1:])
    if values.get("channels") == 2:
        raise ParameterError(f"'{name}' has channels=2: use 1 for grey or 3 for colour.")
    return values


def _whole(name: str, key: str, value: str, low: int, high: int) -> int:
    if not (value.isascii() and value.isdigit() and len(value) < 20 and low <= int(value) <= high):
        raise ParameterError(f"'{name}' has {key}={value}: use a whole number from {low} to {high}.")
    return int(value)


def _ranges(name: str) -> Mapping[str, tuple[float, float]]:
    """Range of each factor of a data set that is drawn."""
    from isthmus.data.faces import FACE_RANGES
    from isthmus.data.shapes import SHAPE_RANGES

    return {"faces": FACE_RANGES, "shapes": SHAPE_RANGES}.get(name, {})


def _limits(name: str, key: str, value: str, low: float, high: float) -> _Limits:
    """Both ends of ``0.5..1``, or one number twice."""
    first, dots, last = value.partition("..")
    try:
        ends = float(first), float(last if dots else first)
    except ValueError:
        ends = (1.0, 0.0)
    if not low <= ends[0] <= ends[1] <= high:
        raise ParameterError(
            f"'{name}' has {key}={value}: use a number from {low:g} to {high:g}, or two as in {low:g}..{high:g}."
        )
    return ends


def _factors(chosen: dict[str, _Limits], n: int, seed: int, ranges: Mapping[str, _Limits]) -> dict[str, np.ndarray]:
    """Values of the chosen factors: what would be drawn anyway, moved into the limits."""
    drawn = resolve_factors(n, seed, None, ranges)
    values = {}
    for name, (low, high) in chosen.items():
        start, end = ranges[name]
        values[name] = low + (high - low) * (drawn[name] - start) / (end - start)
    return values


def _digits(name: str) -> Samples:
    from sklearn.datasets import load_digits

    data: Any = load_digits()
    X = np.round(np.asarray(data["images"]) * (255 / 16)).astype(np.uint8)
    return Samples(X, name, y=np.asarray(data["target"]))


def _faces(name: str, n: int, size: int, channels: Literal[1, 3], seed: int, chosen: dict[str, _Limits]) -> Samples:
    from isthmus.data.faces import FACE_RANGES, faces

    given = _factors(chosen, n, seed, FACE_RANGES)
    X, factors = faces(n, size, channels=channels, random_state=seed, factors=given, return_factors=True)
    return Samples(X, name, factors=factors)


def _shapes(name: str, n: int, size: int, seed: int, chosen: dict[str, _Limits]) -> Samples:
    from isthmus.data.shapes import SHAPE_RANGES, shapes

    given = _factors(chosen, n, seed, SHAPE_RANGES)
    X, factors = shapes(n, size, random_state=seed, factors=given, return_factors=True)
    return Samples(X, name, y=factors["shape"], factors=factors)


_MAKERS: dict[str, tuple[Callable[..., Samples], _Options]] = {
    "digits": (_digits, {}),
    "faces": (_faces, _FACES),
    "shapes": (_shapes, _SHAPES),
}
BUILTINS = tuple(_MAKERS)
"""Names of the built-in data sets."""
