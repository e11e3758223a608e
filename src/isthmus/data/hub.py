"""Data sets in the form of Hugging Face's ``datasets``: Arrow tables that are mapped from files."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np

from isthmus.data.columns import matrix
from isthmus.data.pictures import Size, stack, to_array
from isthmus.data.samples import Samples
from isthmus.data.streams import MEMORY_LIMIT, Rows, held
from isthmus.data.tables import from_frame, one_line, some
from isthmus.errors import DataError, ParameterError

_ARRAYS = ("Sequence", "List", "LargeList", "Array2D", "Array3D")


class HubRows(Rows):
    """Rows of a `datasets.Dataset`.

    Parameters
    ----------
    data : datasets.Dataset
        With the columns that are wanted only.
    shape, dtype
        Of one row.
    convert : callable
        From what the data set gives for some rows, and their numbers, to an array of them.
    name : str
        What to call it in messages.
    """

    def __init__(
        self,
        data: Any,
        shape: tuple[int, ...],
        dtype: Any,
        convert: Callable[[Any, np.ndarray], np.ndarray],
        name: str,
    ) -> None:
        super().__init__((len(data), *shape), dtype, name)
        self._data, self._convert = data, convert

    def _take(self, rows: np.ndarray) -> np.ndarray:
        first, last = int(rows[0]), int(rows[-1]) + 1
        consecutive = last - first == len(rows)
        part = self._data[first:last] if consecutive else self._data[rows.tolist()]
        try:
            return self._convert(part, rows)
        except DataError:
            raise
        except (ValueError, TypeError, AttributeError) as error:  # of lists of other lengths, or without a value
            raise DataError(
                f"{self.name} has rows of other shapes among those from {first} to {last - 1}: {one_line(error)}."
            ) from error


def is_hub_data(source: Any) -> bool:
    """Whether the object is a `datasets.Dataset`."""
    return all(hasattr(type(source), name) for name in ("__getitem__", "__len__", "select_columns", "with_format"))


def from_hub(
    data: Any,
    name: str,
    *,
    resize: Size | None = None,
    grey: bool = False,
    label: str | None = None,
    columns: Sequence[str] | None = None,
    memory_limit: float = MEMORY_LIMIT,
) -> Samples:
    """Turn a data set into samples.

    Parameters
    ----------
    data : datasets.Dataset
        One split.
    name : str
        What to call it in reports and in messages.
    resize, grey, label, columns
        As for `isthmus.data.remote.load_hub`.
    memory_limit : float
        GiB up to which the data are read into memory.

    Returns
    -------
    Samples
        Pictures, if the data set has a column of them; else the arrays of a column, if it is the only one that is kept;
        else its columns of numbers.

    Raises
    ------
    DataError, ParameterError
        As in `isthmus.data.tables.from_frame` and `isthmus.data.pictures.read_folder`.
    """
    kinds = {column: type(feature).__name__ for column, feature in data.features.items()}
    for column in [*([label] if label else []), *(columns or [])]:
        if column not in kinds:
            raise ParameterError(f"'{column}' is not a column of {name}; its columns are {some(kinds, 20)}.")
    classes = [column for column, kind in kinds.items() if kind == "ClassLabel"]
    label = classes[0] if label is None and len(classes) == 1 else label
    pictures = [column for column, kind in kinds.items() if kind == "Image" and column in (columns or kinds)]
    kept = [column for column in columns or kinds if column != label]
    if len(pictures) > 1:
        raise DataError(f"{name} has several columns of pictures, {some(pictures)}: choose one with columns=.")
    if pictures:
        X: Any = _pictures(data.select_columns(pictures), pictures[0], name, resize, grey, memory_limit)
        return Samples(X, name, y=_labels(data, label))
    if resize is not None or grey:
        raise ParameterError(f"resize= and grey= are for pictures, but {name} has no column of pictures.")
    if len(kept) == 1 and kinds[kept[0]] in _ARRAYS:
        return Samples(held(_arrow_rows(data, kept, name), memory_limit), name, y=_labels(data, label))
    if 8 * len(data) * len(kept) <= memory_limit * 2**30:
        samples = from_frame(data.to_pandas(), name=name, label=label, columns=columns)
        y = samples.y if label is None or samples.y is None else _class_names(samples.y, data.features[label])
        return Samples(samples.X, name, y=y, feature_names=samples.feature_names)
    # A few rows say all that there is to say about the columns.
    few = from_frame(data.with_format("arrow")[: min(16, len(data))], name=name, label=label, columns=columns)
    kept = list(few.feature_names or kept)
    rows = _arrow_rows(data, kept, name, few.X.dtype)
    return Samples(rows, name, y=_labels(data, label), feature_names=tuple(kept))


def _arrow_rows(data: Any, kept: list[str], name: str, dtype: Any = None) -> Rows:
    arrow = data.select_columns(kept).with_format("arrow")
    first = matrix(arrow[:1])
    return HubRows(arrow, first.shape[1:], dtype or first.dtype, lambda table, _: matrix(table.select(kept)), name)


def _pictures(data: Any, column: str, name: str, resize: Size | None, grey: bool, limit: float) -> Any:
    decode = partial(_decoded, resize=resize, grey=grey, column=column)
    first = next(decode([data[0][column]], [0]))
    if len(data) * first.nbytes <= limit * 2**30:
        numbered = decode((row[column] for row in data), range(len(data)))
        return stack(numbered, len(data), lambda i: f"row {i}")

    def convert(part: Any, rows: np.ndarray) -> np.ndarray:
        out = np.empty((len(rows), *first.shape), np.uint8)
        for i, picture in enumerate(decode(part[column], rows.tolist())):
            picture = picture[..., None] if picture.ndim < first.ndim else picture
            if picture.ndim > first.ndim or picture.shape[:2] != first.shape[:2]:
                raise DataError(
                    f"row {rows[i]} of {name} is a picture of shape {picture.shape}, and the first one has "
                    f"{first.shape}: bring them to one shape with resize= or grey="
                )
            out[i] = picture
        return out

    return HubRows(data, first.shape, np.uint8, convert, name)


def _decoded(pictures: Any, rows: Any, *, column: str, resize: Size | None, grey: bool) -> Iterator[np.ndarray]:
    for picture, row in zip(pictures, rows, strict=True):
        if picture is None:
            raise DataError(f"Row {row} has no picture in column '{column}': leave such rows out.")
        yield to_array(picture, resize=resize, grey=grey)


def _labels(data: Any, label: str | None) -> np.ndarray | None:
    return None if label is None else _class_names(np.asarray(data[label]), data.features[label])


def _class_names(y: np.ndarray, feature: Any) -> np.ndarray | None:
    names = getattr(feature, "names", None)
    if y.dtype.kind not in "iu" or not names:
        return y if y.dtype.kind in "biufU" else None
    # -1 stands for an unknown class, as in test sets whose labels are secret.
    return np.asarray(names)[y] if len(y) and y.min() >= 0 and y.max() < len(names) else None
