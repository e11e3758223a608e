"""Principal components, and the Gaussian density that they imply (probabilistic PCA)."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from isthmus.data.streams import AnyRows
from isthmus.errors import RunError
from isthmus.principal.eigenpairs import largest_eigenpairs

_ROWS = 4096


@dataclass(frozen=True)
class Moments:
    """Mean and scatter of the rows: all that the linear autoencoder's loss depends on.

    Parameters
    ----------
    n : int
        Rows.
    mean : Tensor of shape (d,), float64
        Mean.
    scatter : Tensor of shape (d, d), float64
        Sum of (x − mean)(x − mean)ᵀ over rows.
    """

    n: int
    mean: Tensor
    scatter: Tensor


@dataclass(frozen=True)
class Principal:
    """The leading principal components of some rows.

    Parameters
    ----------
    mean : ndarray of shape (d,)
        Mean.
    components : ndarray of shape (k, d)
        Orthonormal axes, by decreasing variance, each with its largest weight positive.
    variance : ndarray of shape (k,)
        Variance along each, with n − 1 in the denominator.
    noise_variance : float
        Mean variance of the directions left out.
    total_variance : float
        Sum over all directions.
    """

    mean: np.ndarray
    components: np.ndarray
    variance: np.ndarray
    noise_variance: float
    total_variance: float

    def arrays(self) -> dict[str, np.ndarray]:
        """All of it, to be saved."""
        return {
            "mean": self.mean,
            "components": self.components,
            "variance": self.variance,
            "noise_and_total": np.array([self.noise_variance, self.total_variance]),
        }

    @classmethod
    def from_arrays(cls, arrays: dict[str, np.ndarray], d: int, k: int) -> Principal:
        """Take back what `arrays` gave, if it has these sizes."""
        shapes = {"mean": (d,), "components": (k, d), "variance": (k,), "noise_and_total": (2,)}
        found = {name: array.shape for name, array in arrays.items() if array.dtype == np.float64}
        if len(arrays) != len(shapes) or found != shapes:
            raise RunError(f"principal components of {d:,} values are float64 arrays of shapes {shapes}")
        noise, total = arrays["noise_and_total"].tolist()
        return cls(arrays["mean"], arrays["components"], arrays["variance"], noise, total)

    def log_likelihood(self, X: AnyRows) -> np.ndarray:
        """Exact log p(x) of rows (n, *event) under probabilistic PCA, in nats (Tipping & Bishop, 1999, eq. 4)."""
        d, k = len(self.mean), len(self.variance)
        # A direction without variance has no density; give it the spread of rounding.
        floor = max(np.finfo(np.float64).eps * self.total_variance, 1e-300)
        variance = np.maximum(self.variance, floor)
        noise = max(self.noise_variance, floor)
        log_det = float(np.log(variance).sum()) + (d - k) * math.log(noise)
        scores = [
            self._distances(X[start : start + _ROWS].reshape(-1, d), variance, noise)
            for start in range(0, len(X), _ROWS)
        ]
        return -0.5 * (np.concatenate(scores) + log_det + d * math.log(2 * math.pi))

    def _distances(self, rows: np.ndarray, variance: np.ndarray, noise: float) -> np.ndarray:
        centred = rows.astype(np.float64) - self.mean
        codes = centred @ self.components.T
        residual = centred - codes @ self.components
        return (codes**2 / variance).sum(1) + (residual**2).sum(1) / noise


def few_rows(X: AnyRows, k: int) -> Principal:
    """Closed form for fewer rows than values, from the eigenvectors of the Gram matrix."""
    n, d = len(X), math.prod(X.shape[1:])
    rows = np.asarray(X).reshape(n, d).astype(np.float64)
    mean = rows.mean(0)
    rows -= mean
    values, vectors = np.linalg.eigh(rows @ rows.T)
    top = vectors[:, : -k - 1 : -1]
    # Orthonormal even where a variance is zero, which the projection of its eigenvector would not be.
    return assemble(mean, np.linalg.qr(rows.T @ top)[0], values[: -k - 1 : -1], values.sum(), n)


def principal_components(moments: Moments, k: int, basis: Tensor | None = None) -> Principal:
    """The leading k principal components, or those in the span of ``basis``, orthonormal columns of shape (d, m)."""
    inside = moments.scatter if basis is None else basis.T @ moments.scatter @ basis
    found = largest_eigenpairs(inside.numpy(), k)
    axes = found.vectors if basis is None else basis.numpy() @ found.vectors
    return assemble(moments.mean.numpy(), axes[:, :k], found.values[:k], moments.scatter.trace().item(), moments.n)


def polish(moments: Moments, start: Tensor, *, steps: int = 2000) -> Tensor:
    """Descend to the optimal subspace from columns ``start`` of shape (d, k); returns an orthonormal basis of it.

    Full-batch L-BFGS in float64 on the reconstruction error with the best encoder for each decoder W,
    tr S − tr((WᵀW)⁻¹ WᵀSW), which has no poor local minima (Baldi & Hornik, 1989).
    """
    scatter = moments.scatter / moments.scatter.trace().clamp_min(1e-300)
    weights = orthonormal(start).contiguous().requires_grad_()
    optimizer = torch.optim.LBFGS(
        [weights],
        max_iter=steps,
        history_size=30,
        tolerance_grad=1e-10,
        tolerance_change=0,
        line_search_fn="strong_wolfe",
    )

    def closure() -> Tensor:
        optimizer.zero_grad()
        explained = torch.linalg.solve(weights.T @ weights, weights.T @ scatter @ weights).trace()
        loss = 1 - explained
        loss.backward()
        return loss

    optimizer.step(closure)  # pyright: ignore[reportArgumentType]
    return orthonormal(weights.detach())


def orthonormal(columns: Tensor) -> Tensor:
    """Orthonormal basis of the span of ``columns``, in float64."""
    return torch.linalg.qr(columns.double()).Q


def assemble(mean: np.ndarray, axes: np.ndarray, squares: np.ndarray, total: float, n: int) -> Principal:
    """Principal components of n rows with this mean, from axes in columns (d, k).

    ``squares`` of shape (k,) are the sums of squares along them, and ``total`` is that along all directions.
    """
    d, k = axes.shape
    peak = np.abs(axes).argmax(0)
    axes = axes * np.sign(axes[peak, np.arange(k)])
    # Rounding makes the variance of an empty direction negative.
    variance, total = np.maximum(squares, 0) / max(n - 1, 1), float(total) / max(n - 1, 1)
    left = min(n, d) - k
    noise = max(total - float(variance.sum()), 0.0) / left if left > 0 else 0.0
    return Principal(mean, np.ascontiguousarray(axes.T), variance, noise, total)
