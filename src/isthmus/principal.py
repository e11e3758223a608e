"""Principal components, and the Gaussian density that they imply (probabilistic PCA)."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from isthmus.data.streams import AnyRows
from isthmus.errors import RunError

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


def leading(X: np.ndarray, k: int) -> Principal:
    """At most k leading principal components of rows (n, *event): those that have any variance."""
    n, d = len(X), math.prod(X.shape[1:])
    k = min(k, n, d)
    found = few_rows(X, k) if n < d else principal_components(moments(X), k)
    kept = found.variance > 1e-9 * found.total_variance
    return replace(found, components=found.components[kept], variance=found.variance[kept])


def moments(X: AnyRows) -> Moments:
    """Mean and scatter of rows (n, *event), in chunks, accumulated in float64.

    Products are in float64 for 64-bit types, in float32 for narrower ones; a first shift by the mean of one chunk
    keeps both clear of cancellation.
    """
    n, d = len(X), math.prod(X.shape[1:])
    dtype = np.float64 if X.dtype.itemsize >= 8 else np.float32
    shift = X[:_ROWS].reshape(-1, d).mean(0, dtype=np.float64).astype(dtype)
    total, scatter = np.zeros(d), np.zeros((d, d))
    for start in range(0, n, _ROWS):
        chunk = X[start : start + _ROWS].reshape(-1, d) - shift
        total += chunk.sum(0)
        scatter += chunk.T @ chunk
    offset = total / n
    scatter -= n * np.outer(offset, offset)
    return Moments(n, torch.from_numpy(shift + offset), torch.from_numpy(scatter))


def few_rows(X: AnyRows, k: int) -> Principal:
    """Closed form for fewer rows than values, from the eigenvectors of the Gram matrix."""
    n, d = len(X), math.prod(X.shape[1:])
    rows = torch.tensor(np.asarray(X).reshape(n, d)).double()
    mean = rows.mean(0)
    rows -= mean
    values, vectors = torch.linalg.eigh(rows @ rows.T)
    top = vectors.flip(1)[:, :k]
    # Orthonormal even where a variance is zero, which the projection of its eigenvector would not be.
    axes = torch.linalg.qr(rows.T @ top).Q.T
    return _assemble(mean, axes, values.flip(0)[:k] / (n - 1), values.sum().item() / (n - 1), min(n, d))


def principal_components(moments: Moments, k: int, basis: Tensor | None = None) -> Principal:
    """The leading k principal components, or those in the span of ``basis``, orthonormal columns of shape (d, m)."""
    d = len(moments.mean)
    inside = moments.scatter if basis is None else basis.T @ moments.scatter @ basis
    values, vectors = torch.linalg.eigh(inside)
    top = vectors.flip(1)[:, :k]
    axes = (top if basis is None else basis @ top).T
    scale = max(moments.n - 1, 1)
    total = moments.scatter.trace().item() / scale
    return _assemble(moments.mean, axes, values.flip(0)[:k] / scale, total, min(moments.n, d))


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


def _assemble(mean: Tensor, axes: Tensor, variance: Tensor, total: float, rank: int) -> Principal:
    """Fix the signs and gather."""
    peak = axes.abs().argmax(1)
    axes = axes * axes[torch.arange(len(axes)), peak].sign().unsqueeze(1)
    variance = variance.clamp_min(0)  # rounding makes the variance of an empty direction negative
    left = rank - len(axes)
    noise = max(total - variance.sum().item(), 0.0) / left if left > 0 else 0.0
    return Principal(mean.numpy(), axes.contiguous().numpy(), variance.numpy(), noise, total)
