"""Data sets fetched over a network: OpenML and the Hugging Face hub."""

from __future__ import annotations

import importlib
import inspect
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np

from isthmus.data.hub import from_hub
from isthmus.data.pictures import Size
from isthmus.data.samples import Samples
from isthmus.data.streams import MEMORY_LIMIT
from isthmus.data.tables import from_frame, one_line
from isthmus.errors import DataSourceError, MissingExtraError, ParameterError


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
    memory_limit: float = MEMORY_LIMIT,
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
    memory_limit : float
        GiB up to which the data are read into memory.

    Returns
    -------
    Samples
        As `isthmus.data.hub.from_hub` gives them.

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
    return from_hub(data, source, resize=resize, grey=grey, label=label, columns=columns, memory_limit=memory_limit)


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
