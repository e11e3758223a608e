"""Arrow tables as matrices, a part at a time."""

from __future__ import annotations

from typing import Any

import numpy as np


def matrix(table: Any) -> np.ndarray:
    """The columns of an Arrow table as (n, d), with NaN where a value is missing.

    Parameters
    ----------
    table : pyarrow.Table
        Columns of numbers or booleans, or a single column of arrays of one shape.

    Raises
    ------
    ValueError
        The arrays differ in shape.
    """
    arrays = [_values(column) for column in table.columns]
    if len(arrays) == 1 and arrays[0].ndim > 1:
        return arrays[0]
    return np.column_stack(arrays)


def _values(column: Any) -> np.ndarray:
    import pyarrow as pa

    kind = column.type
    if pa.types.is_boolean(kind) or pa.types.is_decimal(kind):
        column = column.cast(pa.uint8() if pa.types.is_boolean(kind) else pa.float64())
    # Chunk by chunk, because types that others have defined know how to convert an array, but not a chunked one.
    return np.concatenate([_solid(chunk.to_numpy(zero_copy_only=False)) for chunk in column.chunks])


def _solid(values: np.ndarray) -> np.ndarray:
    """Arrays in an array, as lists come, as one array."""
    return np.stack([_solid(value) for value in values]) if values.dtype == object else values
