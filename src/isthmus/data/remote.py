"""Data sets fetched over a network: OpenML and the Hugging Face hub."""

from __future__ import annotations

import importlib
import inspect
import warnings
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from isthmus.data.pictures import Size, stack, to_array
from isthmus.data.samples import Samples
from isthmus.data.tables import from_frame, one_line, some
from isthmus.errors import DataError, DataSourceError, MissingExtraError, ParameterError


def load_openml(source: str, *, label: str | None = None, columns: Sequence[str] | None = None) -> Samples:
    """Fetch a table from OpenML with scikit-learn, which keeps a copy for the next time.

    Parameters
    ----------
    source : str
        ``openml:NAME`` (the active version) or ``openml:ID``.
    label, columns
        As in `isthmus.data.tables.from_frame`. Without `label`, ``y`` is OpenML's own target, if
        it has one and no value of it is missing.

    Returns
    -------
    Samples
        The table.

    Raises
    ------
    DataSourceError
        If the data set does not exist, or there is no network.
    DataError, ParameterError
        As in `isthmus.data.tables.from_frame`.
    """
    from sklearn.datasets import fetch_openml

    name = source.partition(":")[2].strip()
    if not name:
        raise ParameterError("'openml:' needs a name or a number, such as openml:iris or openml:61.")
    key: dict[str, Any] = {"data_id": int(name)} if name.isascii() and name.isdigit() else {"name": name}
    try:
        with warnings.catch_warnings():
            # Each retry warns; what comes of them is said once, below.
            warnings.filterwarnings("ignore", message="A network error occurred")
            bunch: Any = fetch_openml(**key, as_frame=True, parser="auto")
    except ImportError as error:
        raise MissingExtraError(f'Reading {source} needs the tables extra: pip install "isthmus[tables]".') from error
    except OSError as error:
        raise _unreachable(source, error) from error
    except ValueError as error:  # what scikit-learn raises for an unknown name, and for sparse data
        raise DataSourceError(f"{source} cannot be used: {one_line(error)}.") from error
    if label is not None:
        return from_frame(bunch.frame, name=source, label=label, columns=columns)
    samples = from_frame(bunch.data, name=source, columns=columns)
    return Samples(samples.X, source, y=_target(bunch.target), feature_names=samples.feature_names)


def load_hub(
    source: str,
    *,
    resize: Size | None = None,
    grey: bool = False,
    label: str | None = None,
    columns: Sequence[str] | None = None,
) -> Samples:
    """Fetch a data set from the Hugging Face hub; its ``datasets`` keeps a copy for the next time.

    Code that comes with a data set is never run.

    Parameters
    ----------
    source : str
        ``hf:NAME`` or ``hf:NAME:SPLIT``, such as ``hf:ylecun/mnist:test``. The split is ``train``
        unless given.
    resize, grey
        As in `isthmus.data.pictures.read_folder`, for a data set with pictures.
    label : str, optional
        The column that becomes ``y``; by default the only column of class labels, if there is one.
        Class numbers become class names.
    columns : sequence of str, optional
        The columns to keep. Of several columns of pictures it has to name one.

    Returns
    -------
    Samples
        Pictures, if the data set has a column of them; else its columns of numbers.

    Raises
    ------
    MissingExtraError
        If ``datasets`` is not installed.
    DataSourceError
        If the data set or the split does not exist, or there is no network.
    DataError, ParameterError
        As in `isthmus.data.tables.from_frame` and `isthmus.data.pictures.read_folder`.
    """
    name, _, split = source.partition(":")[2].partition(":")
    if not name:
        raise ParameterError("'hf:' needs a name, such as hf:ylecun/mnist or hf:ylecun/mnist:test.")
    data = _fetch(source, name, split or "train")
    kinds = {column: type(feature).__name__ for column, feature in data.features.items()}
    for column in [*([label] if label else []), *(columns or [])]:
        if column not in kinds:
            raise ParameterError(f"'{column}' is not a column of {source}; its columns are {some(kinds, 20)}.")
    classes = [column for column, kind in kinds.items() if kind == "ClassLabel"]
    label = classes[0] if label is None and len(classes) == 1 else label
    pictures = [column for column, kind in kinds.items() if kind == "Image" and column in (columns or kinds)]
    if not pictures:
        if resize is not None or grey:
            raise ParameterError(f"resize= and grey= are for pictures, but {source} has no column of pictures.")
        samples = from_frame(data.to_pandas(), name=source, label=label, columns=columns)
        y = samples.y if label is None or samples.y is None else _class_names(samples.y, data.features[label])
        return Samples(samples.X, source, y=y, feature_names=samples.feature_names)
    if len(pictures) > 1:
        raise DataError(f"{source} has several columns of pictures, {some(pictures)}: choose one with columns=.")
    X = stack(_pictures(data, pictures[0], resize, grey), len(data), lambda i: f"row {i}")
    y = None if label is None else _class_names(np.asarray(data[label]), data.features[label])
    return Samples(X, source, y=y)


def _fetch(source: str, name: str, split: str) -> Any:
    try:
        datasets: Any = importlib.import_module("datasets")
    except ImportError as error:
        raise MissingExtraError(f'Reading {source} needs the hub extra: pip install "isthmus[hub]".') from error
    # Before version 4, `datasets` could ask at the terminal whether to run a data set's own code.
    asks = "trust_remote_code" in inspect.signature(datasets.load_dataset).parameters
    refusal = {"trust_remote_code": False} if asks else {}
    try:
        return datasets.load_dataset(name, split=split, **refusal)
    except OSError as error:
        raise _unreachable(source, error) from error
    except (
        ValueError,
        RuntimeError,
    ) as error:  # an unknown split or configuration, or code that we do not run
        raise DataSourceError(f"{source} cannot be used: {one_line(error)}.") from error


def _unreachable(source: str, error: OSError) -> DataSourceError:
    return DataSourceError(
        f"{source} cannot be fetched ({type(error).__name__}: {one_line(error)}): this needs a network "
        "and an existing "
        "name; check both."
    )


def _target(target: Any) -> np.ndarray | None:
    if getattr(target, "ndim", 0) != 1 or target.isna().any():
        return None
    values = target.to_numpy()
    return values if values.dtype.kind in "biuf" else np.asarray([str(value) for value in values])


def _class_names(y: np.ndarray, feature: Any) -> np.ndarray | None:
    names = getattr(feature, "names", None)
    if y.dtype.kind not in "iu" or not names:
        return y if y.dtype.kind in "biufU" else None
    # -1 stands for an unknown class, as in test sets whose labels are secret.
    return np.asarray(names)[y] if len(y) and y.min() >= 0 and y.max() < len(names) else None


def _pictures(data: Any, column: str, resize: Size | None, grey: bool) -> Iterator[np.ndarray]:
    for i, row in enumerate(data.select_columns([column])):
        if row[column] is None:
            raise DataError(f"Row {i} has no picture in column '{column}': leave such rows out.")
        yield to_array(row[column], resize=resize, grey=grey)
