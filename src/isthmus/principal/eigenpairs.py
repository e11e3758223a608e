"""Leading eigenvectors of large symmetric matrices, with bounds on their error."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from isthmus.principal.sums import one_thread

_LOSS, _ROUNDING, _ANGLE, _TIE = 1e-6, 1e-12, 1e-3, 1e-6
_ORTHOGONAL = 1e-14
_TINY = 1e-150
# Side of a matrix from which it pays to look for some of its eigenvectors alone.
_LARGE = 256


def block_width(k: int) -> int:
    """How many vectors to iterate on for k eigenvectors: a few more, so that the last ones converge too."""
    return 8 * -(-(k + 8) // 8)


@dataclass(frozen=True)
class Eigenpairs:
    """Approximate leading eigenpairs of a symmetric positive semidefinite matrix S.

    Parameters
    ----------
    values : ndarray of shape (m,)
        Ritz values θ, decreasing.
    vectors : ndarray of shape (d, m)
        Ritz vectors v, orthonormal.
    residuals : ndarray of shape (m,)
        Norms of Sv − θv.
    """

    values: np.ndarray
    vectors: np.ndarray
    residuals: np.ndarray

    def settled(self, k: int, total: float) -> bool:
        """Whether the first k vectors are the leading k eigenvectors, for a matrix of this trace.

        What they leave out is at most a millionth more than the least possible. The sines of their principal angles
        to the eigenvectors are at most 1e-3, unless the next eigenvalue is the same and they are not determined.
        """
        if k == len(self.vectors):
            return True
        left = max(total - self.values[:k].sum(), 0.0)
        if not self.excess(k) <= _LOSS * left + _ROUNDING * total:
            return False
        tied = self.values[k - 1] - self.values[k] <= _TIE * self.values[k - 1]
        return bool(tied) or self.angle(k) <= _ANGLE

    def excess(self, k: int) -> float:
        """Bound on how much the sum of the k leading eigenvalues exceeds that of the first k values.

        It holds for every m > p ≥ k: the squares of the first p residuals, over the gap between the k-th value and
        the spectrum of S across the first p vectors. (In their basis and its complement S is [[Θ, Eᵀ], [E, C]]; its
        eigenvalues λ are those of Θ + Eᵀ(λ − C)⁻¹E.) That spectrum is taken to end where the next value can.
        """
        with np.errstate(over="ignore"):
            return float((np.cumsum(self.residuals**2)[k - 1 : -1] / self._gaps(k)[-1]).min())

    def angle(self, k: int) -> float:
        """Bound on the sine of the largest angle between the first k vectors and the leading k eigenvectors.

        With p as before: from the first k vectors towards what is across the first p, by E, and towards those
        between, by Eᵀ(λ − C)⁻¹E; to first order.
        """
        with np.errstate(over="ignore"):
            first, between = self.residuals[:k, None], self.residuals[k:-1]
            outward = first / self._gaps(k)
            turns = first * between / np.maximum(self.values[:k, None] - self.values[k:-1], _TINY)
            inward = np.append(0.0, (turns**2).sum(0).cumsum()) / self._gaps(k)[-1] ** 2
            return float(np.sqrt(((outward**2).sum(0) + inward).min()))

    def _gaps(self, k: int) -> np.ndarray:
        """From each of the first k values to where the spectrum across the first p vectors ends: (k, m − k)."""
        # There is an eigenvalue within the residual of each value.
        ends = self.values[k:] + self.residuals[k:]
        return np.maximum(self.values[:k, None] - ends, _TINY)


def largest_eigenpairs(matrix: np.ndarray, k: int, *, single: bool = False) -> Eigenpairs:
    """Eigenpairs of an explicit matrix: at least the leading k, and one more if there is one.

    ``single`` says that the matrix is known in single precision only.
    """
    if len(matrix) >= _LARGE and block_width(k) <= len(matrix) // 4:
        start = _some_eigenvectors(matrix, block_width(k), np.float32 if single else np.float64)
        found = None if start is None else leading_eigenpairs(matrix.__matmul__, start, k, matrix.trace())
        if found is not None:
            return found
    values, vectors = np.linalg.eigh(matrix)
    return Eigenpairs(values[::-1], vectors[:, ::-1], np.zeros(len(values)))


def leading_eigenpairs(
    apply: Callable[[np.ndarray], np.ndarray], start: np.ndarray, k: int, total: float, *, passes: int = 12
) -> Eigenpairs | None:
    """Leading eigenpairs by block Lanczos iteration, or None if ``passes`` do not settle the first k of them.

    Parameters
    ----------
    apply : callable
        Product of the matrix with columns (d, m); it is allowed rounding errors, which the residuals show.
    start : ndarray of shape (d, m)
        Columns to start from, m > k.
    k : int
        How many are wanted; as many as ``start`` has columns are returned.
    total : float
        Trace of the matrix.
    passes : int
        Most calls of ``apply``.

    Notes
    -----
    Golub & Underwood (1977), with full orthogonalisation. After q passes the error is that of the best polynomial of
    degree q − 1 in the matrix; subspace iteration has only its power (Musco & Musco, 2015).
    """
    d, m = start.shape
    basis, inside = np.zeros((d, 0)), np.zeros((0, 0))
    # NumPy's threads go on asking for work for a while, which would take the cores from the next product.
    with one_thread():
        block = np.linalg.qr(start.astype(np.float64))[0]
        for _ in range(min(passes, d // m - 1)):
            image = apply(block)
            basis = np.hstack([basis, block])
            side = basis.T @ image
            inside = _border(inside, side)
            block = _across(basis, image, side)
            values, turns = np.linalg.eigh(inside)
            values, turns = values[: -m - 1 : -1], turns[:, : -m - 1 : -1]
            # All images but the last lie in the basis, so nothing else is left over.
            residuals = np.linalg.norm(block.T @ image @ turns[-m:], axis=0)
            found = Eigenpairs(values, basis @ turns, residuals)
            if found.settled(k, total):
                return found
    return None


def _border(inside: np.ndarray, side: np.ndarray) -> np.ndarray:
    """The symmetric matrix with more columns and rows, given the columns down to its new corner."""
    above, corner = np.vsplit(side, [len(inside)])
    return np.block([[inside, above], [above.T, (corner + corner.T) / 2]])


def _across(basis: np.ndarray, columns: np.ndarray, along: np.ndarray) -> np.ndarray:
    """Orthonormal columns that span what of these is orthogonal to ``basis``, along which they have coordinates."""
    # Once leaves rounding errors where little is orthogonal; twice does where nothing is.
    for _ in range(4):
        columns = np.linalg.qr(columns - basis @ along)[0]
        along = basis.T @ columns
        if np.abs(along).max() <= _ORTHOGONAL:
            break
    return columns


def _some_eigenvectors(matrix: np.ndarray, m: int, dtype: type) -> np.ndarray | None:
    """The last m eigenvectors as LAPACK finds some of all, which may fail, or go wrong, where many values are close."""
    from scipy.linalg import LinAlgError, eigh

    d = len(matrix)
    scaled = (matrix / max(matrix.trace(), _TINY)).astype(dtype)
    try:
        with one_thread():
            return eigh(scaled, subset_by_index=[d - m, d - 1], check_finite=False)[1]
    except LinAlgError:
        return None
