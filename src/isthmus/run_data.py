"""The data of a run, and others read the same way."""

from __future__ import annotations

from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from isthmus.errors import ParameterError

if TYPE_CHECKING:
    from isthmus.data import Samples
    from isthmus.models.base import BaseAutoencoder

TABLES = (".csv", ".tsv", ".parquet")
_PICTURES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif")


def samples_of_run(
    estimator: BaseAutoencoder,
    run: str | PathLike[str],
    data: str | None = None,
    options: dict[str, Any] | None = None,
) -> Samples:
    """Data read the way that those of a run were.

    Parameters
    ----------
    estimator : BaseAutoencoder
        The run's.
    run : path
        Its folder, which says what it was fitted on.
    data : str, optional
        Other data.
    options : dict, optional
        Of `isthmus.data.load`, that come before those which the run remembers.

    Raises
    ------
    ParameterError
        No data are named, and the run does not say what it was fitted on.
    DataError, DataSourceError
        The data cannot be read.
    """
    from isthmus.data import load
    from isthmus.runs import run_source

    source, given = run_source(run), dict(options or {})
    if estimator.trainer is not None:
        given["memory_limit"] = estimator.trainer.memory_limit
    if data is None:
        if source is None:
            raise ParameterError("the run does not say what it was fitted on; name the data: isthmus report RUN DATA")
        data = source["data"]
        return load(data, **{**source["options"], **given})
    remembered = source["options"] if source else {}
    if source and data == source["data"]:
        given = {**remembered, **given}
    if Path(data).is_dir() or Path(data).suffix.lower() in _PICTURES:
        given = {**{name: remembered[name] for name in ("resize", "grey") if name in remembered}, **given}
    names = getattr(estimator, "feature_names_in_", None)
    if names is not None and Path(data).suffix.lower() in TABLES and "columns" not in given:
        given["columns"] = list(names)
    return load(data, **given)
