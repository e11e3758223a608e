"""Tables as samples: data frames, CSV, TSV and Parquet files."""

from __future__ import annotations

import csv
import difflib
import re
import warnings
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import numpy as np

from isthmus.data.samples import Samples
from isthmus.errors import DataError, DataSourceError, IsthmusError, MissingExtraError, ParameterError

if TYPE_CHECKING:
    import narwhals as nw

_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?|[+-]?(nan|inf|infinity)", re.ASCII | re.IGNORECASE)
_SHOWN = 5


def some(items: Iterable[str], limit: int = _SHOWN) -> str:
    """List at most `limit` of the items, then how many more there are."""
    listed = list(items)
    more = f" and {len(listed) - limit} more" if len(listed) > limit else ""
    return ", ".join(listed[:limit]) + more


def suggest(name: str, known: Iterable[str]) -> str:
    """Return ``"; did you mean 'a' or 'b'?"``, or nothing when no known name is close."""
    close = difflib.get_close_matches(name, list(known), n=3)
    return "; did you mean " + " or ".join(f"'{match}'" for match in close) + "?" if close else ""


def is_frame(source: object) -> bool:
    """Whether the object looks like a data frame (pandas, polars, pyarrow, ...)."""
    # Asked of the type: on some lazy frames merely reading `.columns` costs a query and warns.
    return not isinstance(source, np.ndarray) and hasattr(type(source), "columns")


def from_frame(
    frame: Any, *, name: str = "table", label: str | None = None, columns: Sequence[str] | None = None
) -> Samples:
    """Turn a data frame into samples.

    Parameters
    ----------
    frame : pandas, polars, pyarrow or other data frame that narwhals knows
        A lazy frame is collected. The index of a pandas frame is not used.
    name : str
        What to call the table in reports and in error messages.
    label : str, optional
        The column that becomes ``y`` and leaves ``X``.
    columns : sequence of str, optional
        The columns to keep as ``X``, in this order; all of them by default.

    Returns
    -------
    Samples
        ``X`` of shape (n, d): an integer dtype if every column is one, float32 if every column
        is that, else float64 (booleans are 0 and 1).

    Raises
    ------
    DataError
        If a column is not numeric or boolean, if values are missing or infinite, or if the
        table is empty or has a column name twice.
    ParameterError
        If `label` or `columns` names a column that is not there.
    MissingExtraError
        If narwhals is not installed.
    """
    table = _narwhalify(frame, name)
    names = {str(column): column for column in table.columns}
    if len(names) < len(table.columns):
        _refuse_duplicates([str(column) for column in table.columns], name)
    kept = _choose(list(names), name, label, columns)
    if not len(table):
        raise DataError(f"{name} is empty: it has {len(names)} column(s) but no rows.")
    X = _matrix([table[names[column]] for column in kept], kept, name)
    y = None if label is None else _labels(table[names[label]], label, name)
    return Samples(X, name, y=y, feature_names=tuple(kept))


def labels_of(frame: Any, label: str, name: str) -> np.ndarray:
    """Labels of `from_frame` alone, from the column of a data frame."""
    return _labels(_narwhalify(frame, name)[label], label, name)


def read_csv(path: Path, *, label: str | None = None, columns: Sequence[str] | None = None) -> Samples:
    """Read a file of comma-separated (``.csv``) or tab-separated (``.tsv``) values.

    The text is UTF-8, the decimal point is a point, and neither depends on the locale. A first
    row in which every cell is a number is data, and the columns are then named ``x0``, ``x1``,
    ...; otherwise it holds the names. A first column without a name that counts 0, 1, ..., n - 1,
    such as pandas writes for its index, is dropped.

    Parameters
    ----------
    path : Path
        The file.
    label, columns
        As in `from_frame`.

    Returns
    -------
    Samples
        The table, as `from_frame` gives it.

    Raises
    ------
    DataSourceError
        If the file cannot be read as a table.
    MissingExtraError
        If pandas is not installed.
    DataError, ParameterError
        As in `from_frame`.
    """
    separator = "\t" if path.name.lower().endswith(".tsv") else ","
    try:
        import pandas as pd
    except ImportError as error:
        raise no_tables(path.name) from error
    names, has_index, lines = [], False, 0
    try:
        with path.open(encoding="utf-8-sig", newline="") as handle:
            names, has_index, lines = read_header(handle, separator, str(path))
            with warnings.catch_warnings():
                # pandas only warns when it cuts off cells for which there is no name.
                warnings.simplefilter("error", pd.errors.ParserWarning)
                frame = pd.read_csv(
                    handle,
                    sep=separator,
                    header=None,
                    names=names,
                    index_col=False,
                    skipinitialspace=True,
                    low_memory=False,
                )
    except IsthmusError:
        raise
    except UnicodeDecodeError as error:
        raise DataSourceError(f"{path} is not UTF-8 text: save it again as UTF-8.") from error
    except pd.errors.EmptyDataError as error:
        raise DataError(f"{path} is empty: it has no rows of data.") from error
    except pd.errors.ParserWarning as error:
        raise DataSourceError(
            f"{path} has rows with more cells than its first row has ({len(names)}): give every row the same "
            "number of cells."
        ) from error
    except (ValueError, OverflowError, OSError, csv.Error) as error:
        raise DataSourceError(f"{path} cannot be read as a table: {_placed(error, lines)}.") from error
    if has_index and len(frame) and _counts_up(frame.iloc[:, 0]):
        frame = frame.iloc[:, 1:]
    return from_frame(frame, name=path.name, label=label, columns=columns)


def natural_key(path: Path) -> tuple[Any, ...]:
    """Sort key that puts ``img2`` before ``img10``."""
    # The whole path comes last, so that names equal but for case or leading zeros keep one order.
    parts = [re.split(r"([0-9]+)", part.casefold()) for part in path.parts]
    return [[int(bit) if i % 2 else bit for i, bit in enumerate(part)] for part in parts], str(path)


def one_line(error: BaseException) -> str:
    """Return the error's message on one line, without a full stop; its type if it has none."""
    return " ".join(str(error).split()).rstrip(".") or type(error).__name__


def no_tables(name: str) -> MissingExtraError:
    """The error of a source that needs packages that are not there."""
    return MissingExtraError(f'Reading {name} needs the tables extra: pip install "isthmus[tables]".')


def _narwhalify(frame: Any, name: str) -> nw.DataFrame[Any]:
    try:
        import narwhals as nw
    except ImportError as error:
        raise no_tables(name) from error
    try:
        table = nw.from_native(frame)
        return table.collect() if isinstance(table, nw.LazyFrame) else table
    except nw.exceptions.DuplicateError as error:
        _refuse_duplicates([str(column) for column in getattr(frame, "column_names", frame.columns)], name)
        raise DataError(f"{name} has a column name twice.") from error
    except TypeError as error:
        raise DataError(
            f"{name} is a {type(frame).__name__}, which is not a data frame that can be read: convert it "
            "to a "
            "pandas, polars or pyarrow table."
        ) from error


def _refuse_duplicates(names: list[str], source: str) -> None:
    twice = [f"'{column}'" for column in dict.fromkeys(names) if names.count(column) > 1]
    if twice:
        raise DataError(f"{source} has more than one column named {some(twice)}: rename or drop the others.")


def _choose(names: list[str], source: str, label: str | None, columns: Sequence[str] | None) -> list[str]:
    wanted = [columns] if isinstance(columns, str) else columns
    for option, asked in (("label", [] if label is None else [label]), ("columns", wanted or [])):
        for column in asked:
            if column not in names:
                raise ParameterError(
                    f"{option}= names '{column}', which is not a column of {source}"
                    f"{suggest(str(column), names) or '.'} Its columns are: {some(names, 20)}."
                )
    if wanted is not None:
        _refuse_duplicates(list(wanted), "columns=")
    kept = [column for column in (names if wanted is None else wanted) if column != label]
    if not kept:
        raise DataError(f"{source} has no column left to learn from.")
    return kept


def _matrix(series: list[nw.Series[Any]], names: list[str], source: str) -> np.ndarray:
    odd = [
        f"'{n}' ({s.dtype.__class__.__name__})"
        for n, s in zip(names, series, strict=True)
        if not (s.dtype.is_numeric() or s.dtype.is_boolean())
    ]
    if odd:
        raise DataError(
            f"{source} has {len(odd)} column(s) that are not numbers: {some(odd)}; only numbers and "
            "booleans can be "
            "learned from: use label= for a label column, or columns= to choose the columns to keep."
        )
    arrays, missing, infinite = [], [], []
    for name, column in zip(names, series, strict=True):
        values = _values(column)
        blanks = len(column) - len(values) + int(np.isnan(values).sum())
        endless = int(np.isinf(values).sum())
        arrays.append(values)
        missing += [f"'{name}' ({blanks})"] if blanks else []
        infinite += [f"'{name}' ({endless})"] if endless else []
    _refuse_bad("missing", missing, len(series[0]), source)
    _refuse_bad("infinite", infinite, len(series[0]), source)
    X = np.empty((len(series[0]), len(arrays)), dtype=_common_dtype([values.dtype for values in arrays]))
    for j, values in enumerate(arrays):
        X[:, j] = values
    return X


def _values(column: nw.Series[Any]) -> np.ndarray:
    values = np.asarray(column.drop_nulls().to_numpy())
    # Decimals and some nullable columns arrive as Python objects.
    return values if values.dtype.kind in "biuf" else values.astype(np.float64)


def _refuse_bad(kind: str, bad: list[str], n_rows: int, source: str) -> None:
    if bad:
        raise DataError(
            f"{source} has {kind} values in {len(bad)} column(s) (count of {n_rows} rows): {some(bad)}; "
            "drop these "
            "rows, fill the values in, or leave the columns out with columns=."
        )


def _common_dtype(dtypes: list[np.dtype]) -> np.dtype:
    if all(dtype.kind in "iu" for dtype in dtypes):
        return np.result_type(*dtypes)
    return np.dtype(np.float32 if all(dtype == np.float32 for dtype in dtypes) else np.float64)


def _labels(column: nw.Series[Any], label: str, source: str) -> np.ndarray:
    missing = int(column.null_count())
    values = column.to_numpy() if column.dtype.is_numeric() or column.dtype.is_boolean() else None
    if values is not None and values.dtype.kind == "f":
        missing = max(missing, int(np.isnan(values).sum()))
    if missing:
        raise DataError(
            f"{source} has {missing} missing value(s) of {len(column)} in its label column '{label}': "
            "drop these rows "
            "or use another label."
        )
    if values is not None and values.dtype.kind in "biuf":
        return values
    return np.asarray([str(value) for value in column.to_list()])


def read_header(handle: IO[str], separator: str, source: str) -> tuple[list[str], bool, int]:
    """Return the column names, whether the first may be an index, and the number of lines they take."""
    rows = csv.reader(handle, delimiter=separator, skipinitialspace=True)
    first = [cell.strip() for cell in next((row for row in rows if row), [])]
    if not first:
        raise DataError(f"{source} is empty: it has no rows of data.")
    if _is_data(first):
        handle.seek(0)
        return [f"x{j}" for j in range(len(first))], False, 0
    if len(first) == 1 and separator == "," and ";" in first[0]:
        raise DataSourceError(
            f"{source} seems to be separated by semicolons: save it with commas between the cells and points in "
            "numbers."
        )
    has_index = first[0] == ""
    names = [cell or f"unnamed_{j}" for j, cell in enumerate(first)]
    _refuse_duplicates(names, source)
    return names, has_index, rows.line_num


def _placed(error: BaseException, lines: int) -> str:
    # pandas is handed the file behind its header, and counts lines from there.
    return re.sub(r"(?<= line )[0-9]+", lambda match: str(int(match[0]) + lines), one_line(error))


def _is_data(first: list[str]) -> bool:
    numbers = [_NUMBER.fullmatch(cell) is not None for cell in first]
    if first[0] == "" and first[1:] == [str(j) for j in range(len(first) - 1)]:
        return False  # pandas writes an index and columns without names like this
    # An empty cell among numbers is a missing value, which is better reported than taken as a name.
    return any(numbers) and all(number or not cell for number, cell in zip(numbers, first, strict=True))


def _counts_up(column: Any) -> bool:
    values = column.to_numpy()
    return values.dtype.kind in "iu" and bool(np.array_equal(values, np.arange(len(values))))
