"""Own data brought to the shape and the units that a model expects, with a note of everything that was done."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np

from isthmus.data.pictures import quiet, to_array
from isthmus.errors import DataError, ParameterError
from isthmus.models.inputs import known_dtype
from isthmus.studio.lab.files import Found, Row, numbers_of

if TYPE_CHECKING:
    from PIL.Image import Image

    from isthmus.data.info import DataInfo

Fit = Literal["crop", "stretch"]

_COLOURS = (1, 3, 4)
_ROUGHLY = 0.02


@dataclass(frozen=True)
class Options:
    """How a file is to be brought to the model's shape.

    Parameters
    ----------
    fit : {"crop", "stretch"}
        What to do with a picture of other proportions: cut its middle out, or change them.
    invert : bool
        Whether bright is to become dark: for ink on paper, where the model has learned light on dark.
    index : int
        Which sample of an array or table of many, from 0.
    """

    fit: Fit = "crop"
    invert: bool = False
    index: int = 0

    def __post_init__(self) -> None:
        if self.fit not in get_args(Fit):
            raise ParameterError(f"fit must be 'crop' or 'stretch', got {self.fit!r}")
        if self.index < 0:
            raise ParameterError(f"index must be at least 0, got {self.index}")


@dataclass
class Brought:
    """A sample as the model takes it.

    Parameters
    ----------
    sample : ndarray of shape ``info.shape``
        In the data's own units.
    notes : list of str
        What was done to it, a sentence each.
    of : int
        How many samples there were to choose from.
    """

    sample: np.ndarray
    notes: list[str] = field(default_factory=list)
    of: int = 1


def bring(found: Found, info: DataInfo, features: list[str] | None, options: Options) -> Brought:
    """Bring what was in a file to the model's shape and units.

    Parameters
    ----------
    found : Found
        What was read.
    info : DataInfo
        Of the model's training data.
    features : list of str or None
        Names of a table's columns.
    options : Options
        What the user chose.

    Raises
    ------
    DataError
        It cannot be brought to that shape, or holds NaN or infinity.
    """
    if found.picture is not None:
        return _of_picture(found.picture, found.name, info, options)
    if found.row is not None:
        return _of_row(found.row, found.n_rows, info, features)
    assert found.array is not None
    return _of_array(known_dtype(found.array), found.name, info, options)


def of_values(values: list[Any], info: DataInfo) -> np.ndarray:
    """A sample from its values, in the order of the features.

    Raises
    ------
    DataError
        There are more or fewer than the model takes, or one is not finite.
    """
    if len(values) != info.n_values:
        raise DataError(f"there are {len(values):,} values, and the model takes {info.n_values:,}")
    for i, value in enumerate(values):
        if type(value) not in (int, float):
            raise DataError(f"value {i + 1} of {len(values):,} is not a number")
    try:
        sample = np.array(values, dtype=np.float64).reshape(info.shape)
    except OverflowError:
        raise DataError("a value is too large to be a number of a model") from None
    check_finite(sample, "the row")
    return sample


# ------------------------------------------------------------------ tables


def _of_row(row: Row, n_rows: int, info: DataInfo, features: list[str] | None) -> Brought:
    values, left = numbers_of(row, features, info.n_values)
    notes = [f"Left out what the model does not know: {', '.join(left[:5])}{' and more' if len(left) > 5 else ''}."]
    return Brought(values.reshape(info.shape), notes if left else [], n_rows)


# ------------------------------------------------------------------ arrays


def _of_array(array: np.ndarray, name: str, info: DataInfo, options: Options) -> Brought:
    one, of = _pick(array, name, info, options.index)
    check_finite(one, name)
    if _fits(one.shape, info):
        brought = Brought(one.reshape(info.shape), [], of)
        return _in_units(brought, info, options)
    picture = _as_picture(one)
    if not info.is_picture or picture is None:
        raise DataError(
            f"{name} has shape {array.shape}, and a sample of the model has {info.shape}; arrays of measurements are "
            "taken as they are, only pictures of 0 to 255 or 0 to 1 are resized"
            if info.is_picture
            else f"{name} has shape {array.shape}, and the model takes rows of {info.n_values:,} values"
        )
    brought = _of_picture(picture, name, info, options)
    return Brought(brought.sample, brought.notes, of)


def _pick(array: np.ndarray, name: str, info: DataInfo, index: int) -> tuple[np.ndarray, int]:
    """One sample of an array that may hold many, and how many it holds."""
    if _fits(array.shape, info):
        return array, 1
    many = array.ndim > 1 and (_fits(array.shape[1:], info) or (info.is_picture and _is_stack(array)))
    if not many:
        return array, 1
    if index >= len(array):
        raise DataError(f"{name} holds {len(array):,} samples, so there is no number {index + 1:,}")
    return array[index], len(array)


def _fits(shape: tuple[int, ...], info: DataInfo) -> bool:
    """Whether a shape is the model's, or flat, or differs by an axis of length 1."""
    return shape == (info.n_values,) or _long(shape) == _long(info.shape)


def _long(shape: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(side for side in shape if side > 1)


def _is_stack(array: np.ndarray) -> bool:
    return array.ndim == 4 or (array.ndim == 3 and array.shape[2] not in _COLOURS)


def _as_picture(array: np.ndarray) -> Image | None:
    """An array as a picture of 8 bits, if that is what it seems to be."""
    from PIL import Image

    if array.ndim == 3 and array.shape[2] == 1:
        array = array[..., 0]
    if array.ndim != 2 and not (array.ndim == 3 and array.shape[2] in _COLOURS):
        return None
    low, high = float(array.min()), float(array.max())
    if array.dtype.kind == "f" and low >= 0 and high <= 1:
        array = np.rint(array * 255.0)
    elif not (low >= 0 and high <= 255):
        return None
    return Image.fromarray(np.ascontiguousarray(array.astype(np.uint8)))


def _in_units(brought: Brought, info: DataInfo, options: Options) -> Brought:
    """Pictures of 0 to 255 or 0 to 1 to the range of the training data; anything else stays as it is."""
    sample, notes = brought.sample, brought.notes
    low, high = info.display_range
    if info.is_picture and sample.dtype.name != info.dtype:
        top = float(sample.max(initial=0))
        nominal = 255.0 if sample.dtype == np.uint8 else 1.0
        unlike = top > high + _ROUGHLY * (high - low) if nominal == 255 else 0 < top <= 1 < 0.5 * high
        if unlike and float(sample.min()) >= 0:
            sample = _to_range(sample / nominal, info)
            notes.append(f"Values of 0 to {nominal:g} brought to {_number(low)} to {_number(high)}.")
    if options.invert and info.is_picture:
        sample = low + high - sample.astype(np.float64)
        notes.append("Bright and dark exchanged.")
    seen, reach = (float(sample.min()), float(sample.max())), _ROUGHLY * (high - low)
    if info.is_picture and (seen[0] < low - reach or seen[1] > high + reach):
        notes.append(
            f"Values from {_number(seen[0])} to {_number(seen[1])} go beyond those of the training data, "
            f"{_number(low)} to {_number(high)}; they were left as they are."
        )
    return Brought(_cast(sample, info), notes, brought.of)


# ------------------------------------------------------------------ pictures


def _of_picture(picture: Image, name: str, info: DataInfo, options: Options) -> Brought:
    if not info.is_picture:
        raise DataError(
            f"{name} is a picture, and the model takes rows of {info.n_values:,} values; drop a .csv or .npy file"
        )
    height, width, *rest = info.shape
    depth = rest[0] if rest else 1
    if depth not in (1, 3):
        raise DataError(f"the model's samples have {depth} channels, which no picture has; drop a .npy file of them")
    notes: list[str] = []
    picture = _in_proportion(picture, (width, height), options.fit, notes)
    if picture.has_transparency_data:
        notes.append("Transparent parts made white.")
    if picture.size != (width, height):
        notes.append(f"Resized from {picture.width} x {picture.height} to {width} x {height} pixels.")
    with quiet():
        values = to_array(picture, resize=(height, width), grey=depth == 1)
    if depth == 1 and picture.mode not in ("1", "L", "LA", "La", "I", "I;16", "F"):
        notes.append("Colours turned to grey.")
    if depth == 3 and values.ndim == 2:
        values = np.repeat(values[..., None], 3, axis=2)
        notes.append("The one grey channel given to red, green and blue alike.")
    if options.invert:
        values = 255 - values
        notes.append("Bright and dark exchanged.")
    low, high = info.display_range
    if (low, high) != (0.0, 255.0):
        notes.append(f"Levels of 0 to 255 brought to the training data's {_number(low)} to {_number(high)}.")
    if info.is_binary:
        notes.append("Split into black and white at mid-grey, as the training data are.")
    return Brought(_cast(_to_range(values.reshape(info.shape) / 255.0, info), info), notes)


def _in_proportion(picture: Image, size: tuple[int, int], fit: Fit, notes: list[str]) -> Image:
    width, height = picture.size
    share = size[0] / size[1]
    crop = (min(width, max(1, round(height * share))), min(height, max(1, round(width / share))))
    if crop == picture.size:
        return picture
    if fit == "stretch":
        notes.append(f"Stretched from proportions {width}:{height} to {size[0]}:{size[1]}.")
        return picture
    left, top = (width - crop[0]) // 2, (height - crop[1]) // 2
    notes.append(f"Cut to the middle {crop[0]} x {crop[1]} of {width} x {height} pixels.")
    return picture.crop((left, top, left + crop[0], top + crop[1]))


def _to_range(shares: np.ndarray, info: DataInfo) -> np.ndarray:
    low, high = info.display_range
    return low + (high - low) * np.asarray(shares, dtype=np.float64)


def _cast(sample: np.ndarray, info: DataInfo) -> np.ndarray:
    """In the dtype of the training data, if that loses nothing but the rounding of a picture to its levels."""
    dtype = np.dtype(info.dtype)
    if not info.is_picture or sample.dtype == dtype:
        return sample
    if dtype.kind == "f":
        return sample.astype(dtype)
    limits = (0, 1) if dtype.kind == "b" else (np.iinfo(dtype).min, np.iinfo(dtype).max)
    inside = limits[0] <= float(sample.min()) and float(sample.max()) <= limits[1]
    return np.rint(sample).astype(dtype) if inside else sample


def background_note(sample: np.ndarray, typical: np.ndarray, info: DataInfo) -> str | None:
    """A hint to invert a picture whose border is as bright as that of the training data is dark, or the reverse.

    Parameters
    ----------
    sample : ndarray of shape ``info.shape``
        The picture.
    typical : ndarray of shape (n, *info.shape)
        Some of the training data.
    """
    low, high = info.display_range
    if not info.is_picture or min(info.shape[:2]) < 3 or high <= low:
        return None
    own, theirs = ((_border(pictures) - low) / (high - low) for pictures in (sample[None], typical))
    if abs(own - theirs) < 0.5 or abs(1 - own - theirs) > abs(own - theirs) - 0.25:
        return None
    bright, dark = ("bright", "dark") if own > theirs else ("dark", "bright")
    return f"Its border is {bright}, and that of the training data is {dark}: try to invert it."


def _border(pictures: np.ndarray) -> float:
    pictures = np.asarray(pictures, dtype=np.float64)
    edges = [pictures[:, 0], pictures[:, -1], pictures[:, :, 0], pictures[:, :, -1]]
    return float(np.mean([np.median(edge.reshape(len(pictures), -1), axis=1).mean() for edge in edges]))


def check_finite(sample: np.ndarray, name: str) -> None:
    """Raise `DataError` if there is NaN or infinity among the values."""
    if sample.dtype.kind == "f" and not np.isfinite(sample).all():
        n = int((~np.isfinite(sample)).sum())
        what = "NaN" if np.isnan(sample).any() else "infinity"
        raise DataError(f"{name} holds {what} in {n:,} of {math.prod(sample.shape):,} values; fill them in first")


def _number(value: float) -> str:
    return f"{value:.4g}".replace("-", "−")
