"""What a model makes of rows, written as it comes."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Iterator, Sequence
from os import PathLike
from pathlib import Path
from typing import IO, Any

import numpy as np

from isthmus.data.samples import Samples
from isthmus.data.sources import load
from isthmus.data.streams import MEMORY_LIMIT, POOL_BYTES, chunks
from isthmus.errors import MissingExtraError, ParameterError
from isthmus.files import atomic_file

# Models take this many rows at a time, so that blocks should be multiples of it.
_ROWS = 1024


def apply(
    function: Callable[[Any], Any],
    X: Any,
    out: str | PathLike[str],
    *,
    names: Sequence[str] | None = None,
    memory_limit: float = MEMORY_LIMIT,
) -> tuple[int, ...]:
    """Apply a method of a fitted model to rows and write what it gives to a file, in constant memory.

    Parameters
    ----------
    function : callable
        From rows to as many rows, each for itself: ``transform``, ``reconstruct``, ``score_samples``, ``denoise``, ...
    X : anything that `isthmus.data.load` reads
        Data, of any size.
    out : path
        ``.npy``, ``.csv`` or ``.parquet``; tables are flat. It is there only once it is whole.
    names : sequence of str, optional
        Names of the columns of a table.
    memory_limit : float
        GiB of the data that may be read at once.

    Returns
    -------
    tuple of int
        Shape of what was written.

    Raises
    ------
    ParameterError
        The file has another ending.

    Examples
    --------
    >>> import tempfile
    >>> from isthmus import LinearAutoencoder
    >>> model = LinearAutoencoder(2).fit("digits")
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     apply(model.transform, "digits", f"{folder}/codes.npy")
    (1797, 2)
    """
    samples = load(X, memory_limit=memory_limit)

    def made() -> Iterator[np.ndarray]:
        row_bytes = max(1, samples.X[:1].nbytes)
        size = max(1, POOL_BYTES // 4 // row_bytes)
        for chunk in chunks(samples.X, size // _ROWS * _ROWS or size):
            yield np.asarray(function(Samples(chunk, samples.name, feature_names=samples.feature_names)))

    return write_rows(Path(out), made(), len(samples.X), names)


def write_rows(path: Path, parts: Iterable[np.ndarray], n: int, names: Sequence[str] | None = None) -> tuple[int, ...]:
    """Write ``n`` rows that come in parts as ``.npy``, ``.csv`` or ``.parquet``, and return the shape of all.

    Tables are flat, with ``names`` as header if there is one for each column.
    """
    writers = {".npy": _write_npy, ".csv": _write_csv, ".parquet": _write_parquet}
    ending = path.suffix.lower()
    if ending not in writers:
        raise ParameterError(f"cannot write {str(path)!r}: an array goes to .npy, .csv or .parquet")
    parts = iter(parts)
    first = next(parts)
    with atomic_file(path) as file:
        writers[ending](file, first, parts, n, names)
    return n, *first.shape[1:]


def _write_npy(file: IO[bytes], first: np.ndarray, parts: Iterator[np.ndarray], n: int, names: Any) -> None:
    header = {"descr": first.dtype.str, "fortran_order": False, "shape": (n, *first.shape[1:])}
    np.lib.format.write_array_header_1_0(file, header)
    for part in _all(first, parts):
        file.write(np.ascontiguousarray(part).reshape(-1).view(np.uint8).data)


def _write_csv(file: IO[bytes], first: np.ndarray, parts: Iterator[np.ndarray], n: int, names: Any) -> None:
    text = io.TextIOWrapper(file, encoding="utf-8", newline="", write_through=True)
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(_header(first, names))
    for part in _all(first, parts):
        writer.writerows(_flat(part).tolist())
    text.detach()


def _write_parquet(file: IO[bytes], first: np.ndarray, parts: Iterator[np.ndarray], n: int, names: Any) -> None:
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError:
        raise MissingExtraError("Parquet files need pyarrow: pip install 'isthmus[tables]'") from None

    def table(part: np.ndarray) -> pa.Table:
        return pa.table(dict(zip(header, _flat(part).T, strict=True)))

    header = _header(first, names)
    with pq.ParquetWriter(file, table(first[:1]).schema) as writer:
        for part in _all(first, parts):
            writer.write_table(table(part))


def _all(first: np.ndarray, parts: Iterator[np.ndarray]) -> Iterator[np.ndarray]:
    yield first
    yield from parts


def _flat(part: np.ndarray) -> np.ndarray:
    return part.reshape(len(part), -1)


def _header(first: np.ndarray, names: Sequence[str] | None) -> Sequence[str]:
    width = _flat(first).shape[1]
    return names if names and len(names) == width else [f"x{i}" for i in range(width)]
