"""Leading eigenvectors of large symmetric matrices, with bounds on their error."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

_LOSS, _ROUNDING, _ANGLE, _TIE = 1e-6, 1e-12, 1e-3, 1e-6
# Side of a matrix from which it pays to look for some of its eigenvectors alone.
_LARGE = 256


def block_width(k: int) -> int:
    """How many vectors to iterate on for k eigenvectors: a few more, so that the last ones converge too."""
    return 16 * -(-(k + 8) // 16)


def orthonormal(columns: Tensor) -> Tensor:
    """Orthonormal basis of the span of ``columns``, in float64."""
    return torch.linalg.qr(columns.double()).Q


@dataclass(frozen=True)
class Eigenpairs:
    """Approximate leading eigenpairs of a symmetric positive semidefinite matrix S.

    Parameters
    ----------
    values : Tensor of shape (m,)
        Ritz values θ, decreasing.
    vectors : Tensor of shape (d, m)
        Ritz vectors v, orthonormal.
    residuals : Tensor of shape (m,)
        Norms of Sv − θv.
    """

    values: Tensor
    vectors: Tensor
    residuals: Tensor

    def settled(self, k: int, total: float) -> bool:
        """Whether the first k vectors are the leading k eigenvectors, for a matrix of this trace.

        What they leave out is at most a millionth more than the least possible. The sines of their principal angles
        to the eigenvectors are at most 1e-3, unless the next eigenvalue is the same and they are not determined.
        """
        if k == len(self.vectors):
            return True
        left = max(total - self.values[:k].sum().item(), 0.0)
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
        squares = self.residuals.square().cumsum(0)[k - 1 : -1]
        return (squares / self._gaps(k)[-1]).min().item()

    def angle(self, k: int) -> float:
        """Bound on the sine of the largest angle between the first k vectors and the leading k eigenvectors.

        With p as before: from the first k vectors towards what is across the first p, by E, and towards those
        between, by Eᵀ(λ − C)⁻¹E; to first order.
        """
        gaps = self._gaps(k)
        outward = (self.residuals[:k, None] / gaps).square().sum(0)
        mixed = self.residuals[:k, None] * self.residuals[k:-1] / (self.values[:k, None] - self.values[k:-1])
        between = torch.cat([torch.zeros(1), mixed.square().sum(0).cumsum(0)]) / gaps[-1].square()
        return (outward + between).min().sqrt().item()

    def _gaps(self, k: int) -> Tensor:
        """From each of the first k values to where the spectrum across the first p vectors ends: (k, m − k)."""
        # There is an eigenvalue within the residual of each value.
        ends = self.values[k:] + self.residuals[k:]
        return (self.values[:k, None] - ends).clamp_min(1e-150)


def largest_eigenpairs(matrix: Tensor, k: int, *, single: bool = False) -> Eigenpairs:
    """Eigenpairs of an explicit matrix: at least the leading k, and one more if there is one.

    ``single`` says that the matrix is known in single precision only.
    """
    if len(matrix) >= _LARGE and block_width(k) <= len(matrix) // 4:
        start = _some_eigenvectors(matrix, block_width(k), single)
        found = None if start is None else leading_eigenpairs(matrix.matmul, start, k, matrix.trace().item())
        if found is not None:
            return found
    values, vectors = torch.linalg.eigh(matrix)
    return Eigenpairs(values.flip(0), vectors.flip(1), torch.zeros_like(values))


def leading_eigenpairs(
    apply: Callable[[Tensor], Tensor], start: Tensor, k: int, total: float, *, passes: int = 12
) -> Eigenpairs | None:
    """Leading eigenpairs by block Lanczos iteration, or None if ``passes`` do not settle the first k of them.

    Parameters
    ----------
    apply : callable
        Product of the matrix with columns (d, m), float64; it is allowed rounding errors, which the residuals show.
    start : Tensor of shape (d, m)
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
    basis = images = start.new_zeros(d, 0).double()
    inside = basis.T @ images
    block = orthonormal(start)
    while True:
        image = apply(block)
        inside = _border(inside, basis.T @ image, block.T @ image)
        basis, images = torch.cat([basis, block], 1), torch.cat([images, image], 1)
        found = _ritz(inside, basis, images, m)
        if found.settled(k, total):
            return found
        if basis.shape[1] >= min(passes * m, d - m):
            return None
        block = _across(basis, image)


def _border(inside: Tensor, side: Tensor, corner: Tensor) -> Tensor:
    """The symmetric matrix with one more block of rows and columns."""
    return torch.cat([torch.cat([inside, side], 1), torch.cat([side.T, (corner + corner.T) / 2], 1)])


def _ritz(inside: Tensor, basis: Tensor, images: Tensor, m: int) -> Eigenpairs:
    """Rayleigh-Ritz in the span of ``basis``, whose products with the matrix are ``images``."""
    values, turns = torch.linalg.eigh(inside)
    values, turns = values.flip(0)[:m], turns.flip(1)[:, :m]
    vectors = basis @ turns
    return Eigenpairs(values, vectors, (images @ turns - vectors * values).norm(dim=0))


def _across(basis: Tensor, columns: Tensor) -> Tensor:
    """Orthonormal columns that span what of these is orthogonal to ``basis``."""
    for _ in range(2):  # once leaves rounding errors where little is orthogonal
        columns = orthonormal(columns - basis @ (basis.T @ columns))
    return columns


def _some_eigenvectors(matrix: Tensor, m: int, single: bool) -> Tensor | None:
    """The last m eigenvectors as LAPACK finds some of all, which may fail, or go wrong, where many values are close."""
    from scipy.linalg import LinAlgError, eigh

    d = len(matrix)
    scaled = (matrix / matrix.trace().clamp_min(1e-300)).numpy().astype(np.float32 if single else np.float64)
    try:
        return torch.from_numpy(eigh(scaled, subset_by_index=[d - m, d - 1], check_finite=False)[1])
    except LinAlgError:
        return None
