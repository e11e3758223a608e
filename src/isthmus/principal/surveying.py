"""One pass over the data, and the cheapest way from there to their principal components."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import torch

from isthmus.data.streams import AnyRows
from isthmus.principal.components import Moments, Principal, assemble, few_rows
from isthmus.principal.eigenpairs import Eigenpairs, block_width, largest_eigenpairs, leading_eigenpairs
from isthmus.principal.sums import Sums, first_chunk, sweep

# Products of so many numbers take no time to speak of, so they may as well be exact.
_FEW_PRODUCTS = 1 << 30
# Between the squares of these, and sums of them, single precision neither overflows nor underflows.
_SMALLEST, _LARGEST = 1e-12, 1e12
_LOOKED_AT = 256
# The side of the scatter, in blocks of vectors, from which it is cheaper not to form it.
_WIDE = 32
# Rounding of single-precision products as measured, in units of 2⁻²⁴ of random errors: 0.05 on noise, 16 on pictures
# of two grey values, where it accumulates.
_DRIFT = 16
# Share of the variance left out below which single precision cannot tell how much it is.
_LITTLE = 1e-4


Kind = Literal["scatter", "sketch", "none"]


@dataclass(frozen=True)
class Survey:
    """What one pass over the rows tells: how each value is spread, and what their principal components come from.

    Parameters
    ----------
    X : ndarray or Rows of shape (n, *event)
        The rows.
    shift : ndarray of shape (d,)
        Near enough to their mean that products of what is left do not cancel.
    sums : Sums
        Of the rows less the shift. Their product is `kind`.
    kind : {"scatter", "sketch", "none"}
        The sum of outer products; that times random columns; or nothing.
    single : bool
        Whether products are in single precision.
    """

    X: AnyRows
    shift: np.ndarray
    sums: Sums
    kind: Kind
    single: bool

    @property
    def offset(self) -> np.ndarray:
        """Mean of each value less its shift."""
        return self.sums.total / len(self.X)

    @property
    def mean(self) -> np.ndarray:
        """Mean of each value, of shape (d,)."""
        return self.shift + self.offset

    @property
    def squares(self) -> np.ndarray:
        """Sum of squares of each value about its mean, of shape (d,)."""
        return np.maximum(self.sums.squares - len(self.X) * self.offset**2, 0)

    @property
    def std(self) -> np.ndarray:
        """Standard deviation of each value, of shape (d,)."""
        return np.sqrt(self.squares / len(self.X))

    def moments(self) -> Moments:
        """Mean and scatter, where the scatter is what was summed."""
        scatter = self.sums.product - len(self.X) * np.outer(self.offset, self.offset)
        return Moments(len(self.X), torch.from_numpy(self.mean), torch.from_numpy(scatter))

    def components(self, k: int) -> Principal:
        """The leading k principal components, to a millionth of the least squared error and 1e-3 radians."""
        n, d = len(self.X), self.shift.size
        if self.kind == "none":
            return few_rows(self.X, k)
        if self.kind == "scatter":
            scatter = self.moments().scatter.numpy()
            total = scatter.trace()
            found = largest_eigenpairs(scatter, k, single=self.single)
            exact = not self.single or self._blurred(found, k).settled(k, total)
        else:
            total = self.squares.sum()
            # More passes than that cost more than forming the scatter would.
            passes = min(n, d) // (3 * block_width(k))
            found = leading_eigenpairs(self._times, self.sums.product, k, total, passes=passes)
            if found is None:
                return _survey(self.X, k, "none" if n < d else "scatter", single=False).components(k)
            exact = not self.single or total - found.values[:k].sum() > _LITTLE * total
        if not exact:
            return _survey(self.X, k, self.kind, single=False).components(k)
        return assemble(self.mean, found.vectors[:, :k], found.values[:k], total, n)

    def _times(self, columns: np.ndarray) -> np.ndarray:
        """Scatter times columns (d, m), by another pass."""
        dtype = _dtype(self.single)
        factor = np.ascontiguousarray(columns, dtype=dtype)
        # A mean within the spread costs no precision, and no time if it is left in.
        near = len(self.X) * (self.mean**2).sum() <= self.squares.sum()
        shift, offset = (None, self.mean) if near else (self.shift, self.offset)
        sums = sweep(self.X, shift, dtype, lambda rows, _: rows.T @ (rows @ factor), columns.shape)
        return sums.product - len(self.X) * np.outer(offset, offset @ columns)

    def _blurred(self, found: Eigenpairs, k: int) -> Eigenpairs:
        """The eigenpairs with residuals that rounding errors of the scatter may have hidden.

        An error of Σ xᵢxⱼ is taken to be as large as that of a random sum with the squares of these values, so that
        of vᵀSu is as large as that with Σ (v·x)² and Σ (u·x)², were the values not correlated.
        """
        along = (found.vectors**2).T @ self.sums.squares
        across = max(self.sums.squares.sum() - along[:k].sum(), 0.0)
        return replace(found, residuals=_DRIFT * 2**-24 * np.sqrt(along * across))


def survey(X: AnyRows, k: int) -> Survey:
    """Pass once over rows (n, *event) of which k principal components are wanted, or fewer."""
    n, d = len(X), math.prod(X.shape[1:])
    if min(n, d) >= _WIDE * block_width(k):
        kind: Kind = "sketch"
    else:
        kind = "none" if n < d else "scatter"
    return _survey(X, k, kind, single=n * d * min(n, d) > _FEW_PRODUCTS)


def moments(X: AnyRows) -> Moments:
    """Mean and scatter of rows (n, *event), in float64."""
    return _survey(X, 1, "scatter", single=False).moments()


def leading(X: AnyRows, k: int) -> Principal:
    """At most k leading principal components of rows (n, *event): those that have any variance."""
    k = min(k, len(X), math.prod(X.shape[1:]))
    found = survey(X, k).components(k)
    kept = found.variance > 1e-9 * found.total_variance
    return replace(found, components=found.components[kept], variance=found.variance[kept])


def _survey(X: AnyRows, k: int, kind: Kind, *, single: bool) -> Survey:
    first, d = first_chunk(X), math.prod(X.shape[1:])
    shift = first.mean(0, dtype=np.float64)
    single = single and _SMALLEST < np.abs(first[:_LOOKED_AT] - shift).max() < _LARGEST
    if single and X.dtype.itemsize < 8:
        shift = shift.astype(np.float32)
    width = block_width(k)

    def sketch(rows: np.ndarray, start: int) -> np.ndarray:
        return rows.T @ np.random.default_rng(start).standard_normal((len(rows), width), dtype=rows.dtype.type)

    products = {"scatter": (_outer, (d, d)), "sketch": (sketch, (d, width)), "none": (lambda *_: 0.0, ())}
    sums = sweep(X, shift, _dtype(single), *products[kind], describe=True)
    if single and not np.isfinite(sums.squares).all():
        return _survey(X, k, kind, single=False)
    return Survey(X, shift, sums, kind, single)


def _outer(rows: np.ndarray, start: int) -> np.ndarray:
    return rows.T @ rows


def _dtype(single: bool) -> type:
    return np.float32 if single else np.float64
