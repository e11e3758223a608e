"""What every data source returns."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from isthmus.data.streams import AnyRows


@dataclass(frozen=True)
class Samples:
    """Rows to learn from, as read from a source.

    Parameters
    ----------
    X : ndarray or Rows
        Table of shape (n, d), or pictures of shape (n, H, W) or (n, H, W, C). Pictures
        read from files are uint8; an array file keeps its own dtype and may be a memmap. What is larger than the
        memory limit is read on demand, by indexing it with a slice or row numbers.
    name : str
        What to call the data in a report, such as ``"digits"`` or ``"measurements.csv"``.
    y : ndarray of shape (n,), optional
        Labels, used to colour plots and to compute metrics, never to train.
    feature_names : tuple of str, optional
        Column names of a table.
    factors : dict of str to ndarray of shape (n,), optional
        Generating factors, where they are known.
    """

    X: AnyRows
    name: str
    y: np.ndarray | None = None
    feature_names: tuple[str, ...] | None = None
    factors: dict[str, np.ndarray] | None = None
