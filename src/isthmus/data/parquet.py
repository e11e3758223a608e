"""Parquet files: at once, or one row group after the other if they are larger than memory."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from isthmus.data.columns import matrix
from isthmus.data.samples import Samples
from isthmus.data.streams import MEMORY_LIMIT, Chunked
from isthmus.data.tables import from_frame, labels_of, natural_key, no_tables, one_line
from isthmus.errors import DataSourceError

_HEAD = 16


def read_parquet(
    path: Path,
    *,
    label: str | None = None,
    columns: Sequence[str] | None = None,
    memory_limit: float = MEMORY_LIMIT,
) -> Samples:
    """Read a Parquet file, or a folder of Parquet files that have the same columns.

    A pandas index stored in the file is left out of ``X``, as pandas itself does. Files lying
    deeper in the folder are not read.

    Parameters
    ----------
    path : Path
        A file, or a folder whose files are joined in natural order of their names.
    label, columns
        As in `from_frame`.
    memory_limit : float
        GiB up to which the table is read now; else its row groups are read when they are needed.

    Returns
    -------
    Samples
        The table, as `from_frame` gives it.

    Raises
    ------
    DataSourceError
        If a file is not Parquet, is damaged, or differs in its columns from the others.
    MissingExtraError
        If pyarrow is not installed.
    DataError, ParameterError
        As in `from_frame`.
    """
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError as error:
        raise no_tables(path.name) from error
    files = sorted(parquet_files(path), key=natural_key) if path.is_dir() else [path]
    schemas, n_rows = [], 0
    for file in files:
        try:
            with pq.ParquetFile(file) as parquet:
                schema, n_rows = parquet.schema_arrow, n_rows + parquet.metadata.num_rows
        except (pa.ArrowException, OSError, ValueError, MemoryError) as error:
            raise DataSourceError(f"{file} cannot be read as Parquet: {one_line(error)}.") from error
        for column in _index_columns(schema, keep=label):
            schema = schema.remove(schema.get_field_index(column))
        if schemas and schema.names != schemas[0].names:
            raise DataSourceError(
                f"{file} has other columns than {files[0].name}: a folder of Parquet files is read as one table."
            )
        schemas.append(schema)
    try:
        schema = pa.unify_schemas(schemas, promote_options="permissive")
    except pa.ArrowException as error:
        raise DataSourceError(f"The files in {path} do not fit together: {one_line(error)}.") from error
    n_columns = len(columns) if columns is not None else len(schema.names)
    if 8 * n_rows * n_columns > memory_limit * 2**30:
        return _stream(files, schema, path.name, label=label, columns=columns)
    parts: list[Any] = []
    for file in files:
        try:
            parts.append(pq.ParquetFile(file).read(columns=schema.names).select(schema.names))
        except (pa.ArrowException, OSError, ValueError, MemoryError) as error:
            raise DataSourceError(f"{file} cannot be read as Parquet: {one_line(error)}.") from error
    table = pa.concat_tables(parts, promote_options="permissive")
    return from_frame(table, name=path.name, label=label, columns=columns)


def parquet_files(folder: Path) -> list[Path]:
    """Return the Parquet files that lie directly in a folder, hidden ones left out."""
    return [p for p in folder.iterdir() if p.suffix.lower() == ".parquet" and not p.name.startswith(".")]


class ParquetRows(Chunked):
    """Rows of Parquet files, read by the row groups that they are stored in.

    Parameters
    ----------
    files : sequence of Path
        They are read as one table.
    columns : sequence of str
        Which columns, in this order.
    dtype : dtype
        Of the matrix.
    sizes : sequence of sequence of int
        Rows of each row group of each file.
    name : str
        What to call the table in messages.
    """

    def __init__(
        self, files: Sequence[Path], columns: Sequence[str], dtype: Any, sizes: Sequence[Sequence[int]], name: str
    ) -> None:
        groups = [
            (file, number, size) for file, own in zip(files, sizes, strict=True) for number, size in enumerate(own)
        ]
        self._groups = [(file, number) for file, number, size in groups if size]
        cuts = np.cumsum([0, *(size for *_, size in groups if size)])
        super().__init__((int(cuts[-1]), len(columns)), dtype, name, cuts)
        self._columns = list(columns)

    def _read_piece(self, number: int) -> np.ndarray:
        import pyarrow as pa
        import pyarrow.parquet as pq

        file, group = self._groups[number]
        try:
            with pq.ParquetFile(file) as parquet:
                table = parquet.read_row_group(group, columns=self._columns)
        except (pa.ArrowException, OSError, ValueError, MemoryError) as error:
            raise DataSourceError(f"{file} cannot be read as Parquet: {one_line(error)}.") from error
        return matrix(table.select(self._columns))


def _stream(files: Sequence[Path], schema: Any, name: str, *, label: str | None, columns: Any) -> Samples:
    """Parquet files as samples of which only the labels are read; the schema holds the values of all files."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    sizes, labels, heads = [], [], [schema.empty_table()]
    for file in files:
        try:
            with pq.ParquetFile(file) as parquet:
                meta = parquet.metadata
                sizes.append([meta.row_group(i).num_rows for i in range(meta.num_row_groups)])
                batch = next(parquet.iter_batches(batch_size=_HEAD, columns=schema.names), None)
                heads += [] if batch is None else [pa.Table.from_batches([batch]).select(schema.names).cast(schema)]
                labels += [parquet.read(columns=[label])] if label in schema.names else []
        except (pa.ArrowException, OSError, ValueError, MemoryError) as error:
            raise DataSourceError(f"{file} cannot be read as Parquet: {one_line(error)}.") from error
    # A few rows say all that there is to say about the columns.
    few = from_frame(pa.concat_tables(heads), name=name, label=label, columns=columns)
    y = None if label is None else labels_of(pa.concat_tables(labels, promote_options="permissive"), label, name)
    kept = few.feature_names or ()
    return Samples(ParquetRows(files, kept, few.X.dtype, sizes, name), name, y=y, feature_names=kept)


def _index_columns(schema: Any, keep: str | None) -> list[str]:
    try:
        stored = (schema.pandas_metadata or {}).get("index_columns", [])
    except (ValueError, AttributeError):  # the metadata are free text, which anyone can write
        return []
    return [c for c in stored if isinstance(c, str) and c in schema.names and c != keep]
