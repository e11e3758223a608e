"""Walks through the code, decoded: along an axis, from one sample to another, and over a plane."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from sklearn.utils.validation import check_is_fitted

from isthmus.errors import ParameterError
from isthmus.explore.axes import (
    REACH,
    Along,
    Axis,
    as_code,
    find_axis,
    moments_along,
    prior_moments,
)

if TYPE_CHECKING:
    from isthmus.models.base import BaseAutoencoder

_PARALLEL = 1e-7
# Share of the codes, or of the prior, that a grid leaves out at each end.
_TAIL = 0.01


def traverse(
    est: BaseAutoencoder,
    along: Along,
    *,
    X: Any = None,
    start: Any = None,
    reach: float = REACH,
    steps: int = 11,
) -> np.ndarray:
    """Decode codes along one latent, one direction, or one attribute, while all else stays as it is.

    Parameters
    ----------
    est : fitted estimator
        Of any variant.
    along : int, array of shape (latent_dim,), str or Axis
        Number of a latent; a direction, whose length does not matter; or the name of an attribute.
    X : array-like, optional
        Data whose codes say where the middle is and how long a standard deviation; by default the prior does.
    start : array, optional
        What is changed: a sample, or a code. By default the mean code.
    reach : float
        The walk goes from −reach to reach: in standard deviations from the mean code, or for an attribute in its own
        units, where ±1 are the means of its examples. So walks from different starts pass through the same places.
    steps : int
        How many places, evenly spaced.

    Returns
    -------
    walk : ndarray of shape ``(steps, *shape of a sample)``
        Means of p(x|z), in the data's own units.

    Raises
    ------
    ParameterError, DataError
        There is no such latent or attribute, or the start is neither a sample nor a code.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from isthmus import VAE
    >>> from isthmus.explore import traverse
    >>> X = load_digits().images
    >>> vae = VAE(latent_dim=4, max_epochs=2, random_state=0).fit(X)
    >>> traverse(vae, 0, X=X, start=X[0], steps=7).shape
    (7, 8, 8)
    """
    check_is_fitted(est)
    codes = None if X is None else est.transform(X)
    axis = find_axis(est, along, codes)
    return est.inverse_transform(axis.place(start_code(est, start, codes), places(reach, steps)))


def places(reach: float, steps: int) -> np.ndarray:
    """Where a walk stops: ``steps`` places from −reach to reach."""
    _check_steps(steps)
    if not 0 < reach < float("inf"):
        raise ParameterError(f"reach must be positive and finite, got {reach}")
    return np.linspace(-reach, reach, steps)


def start_code(est: BaseAutoencoder, start: Any, codes: np.ndarray | None) -> np.ndarray:
    """Code that a walk changes: of ``start``, else the mean of ``codes``, else the mean of the prior."""
    if start is not None:
        return as_code(est, start)
    return prior_moments(est)[0] if codes is None else codes.mean(0, dtype=np.float64)


# ------------------------------------------------------------------ from one to another


def interpolate(
    est: BaseAutoencoder, a: Any, b: Any, *, steps: int = 9, kind: Literal["linear", "spherical"] = "linear"
) -> np.ndarray:
    """Decode codes on the way from one sample, or code, to another.

    Parameters
    ----------
    est : fitted estimator
        Of any variant.
    a, b : array
        A sample each, or a code each. Data of as many columns as the code is wide are taken for samples.
    steps : int
        Codes on the way, both ends among them.
    kind : {"linear", "spherical"}
        ``"linear"``: the straight line. ``"spherical"``: seen from the mean of the prior the direction turns evenly and
        the distance grows evenly (White, 2016). In a wide code nearly all of a Gaussian prior lies at one distance
        from its mean; a straight line cuts through the empty inside, and this way does not.

    Returns
    -------
    walk : ndarray of shape ``(steps, *shape of a sample)``
        Means of p(x|z); the first and the last are those of the ends.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from isthmus import VAE
    >>> from isthmus.explore import interpolate
    >>> X = load_digits().images
    >>> vae = VAE(latent_dim=4, max_epochs=2, random_state=0).fit(X)
    >>> interpolate(vae, X[0], X[1], steps=5, kind="spherical").shape
    (5, 8, 8)
    """
    check_is_fitted(est)
    return est.inverse_transform(codes_between(est, as_code(est, a), as_code(est, b), steps=steps, kind=kind))


def codes_between(est: BaseAutoencoder, a: np.ndarray, b: np.ndarray, *, steps: int, kind: str) -> np.ndarray:
    """Codes (steps, latent_dim) on the way from one code to another; see `interpolate`."""
    _check_steps(steps)
    at = np.linspace(0, 1, steps)
    if kind == "linear":
        return lerp(a, b, at)
    if kind != "spherical":
        raise ParameterError(f"kind must be 'linear' or 'spherical', got {kind!r}")
    middle = prior_moments(est)[0]
    codes = middle + slerp(a - middle, b - middle, at)
    codes[[0, -1]] = a, b
    return codes


def lerp(a: np.ndarray, b: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Points (n, d) on the straight line from ``a`` (at 0) to ``b`` (at 1)."""
    return np.outer(1 - at, a) + np.outer(at, b)


def slerp(a: np.ndarray, b: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Points (n, d) on the way from ``a`` (at 0) to ``b`` (at 1) on which direction and length change evenly.

    The direction moves along the great circle (Shoemake, 1985). Between opposite vectors there are many; the one
    through the axis that is most at right angles to both is taken. A zero vector has the direction of the other one,
    and in one dimension there is nothing to turn: both give the straight line.
    """
    lengths = np.linalg.norm(a), np.linalg.norm(b)
    if min(lengths) == 0 or len(a) == 1:
        return lerp(a, b, at)
    first, last = a / lengths[0], b / lengths[1]
    # By the half chords: the arc cosine would lose the digits of small angles.
    angle = 2 * np.arctan2(np.linalg.norm(first - last), np.linalg.norm(first + last))
    if angle < _PARALLEL:
        return lerp(a, b, at)
    across = last - (last @ first) * first
    if np.pi - angle < _PARALLEL:
        axis = np.eye(1, len(a), int(np.argmin(np.abs(first))))[0]
        across = axis - (axis @ first) * first
    across /= np.linalg.norm(across)
    length = (1 - at) * lengths[0] + at * lengths[1]
    return np.outer(length * np.cos(at * angle), first) + np.outer(length * np.sin(at * angle), across)


# ------------------------------------------------------------------ over a plane


def latent_grid(
    est: BaseAutoencoder,
    *,
    along: tuple[Along, Along] | None = None,
    X: Any = None,
    start: Any = None,
    steps: int = 10,
) -> np.ndarray:
    """Decode codes on a grid over two latents, directions or attributes.

    Parameters
    ----------
    est : fitted estimator
        Of any variant with at least two latents.
    along : pair of int, array of shape (latent_dim,), str or Axis, optional
        What changes from left to right, and from bottom to top. By default the two latents; of a wider code, the two
        directions in which the codes of X, or the prior, vary most.
    X : array-like, optional
        Data whose codes the grid covers: evenly spaced, over all but the outermost 1 % at each end.
    start : array, optional
        Sample or code that is changed. By default the mean code.
    steps : int
        Codes in each direction.

    Returns
    -------
    grid : ndarray of shape ``(steps, steps, *shape of a sample)``
        Row 0 is the top: the highest values of the second axis.

    Notes
    -----
    Without X the lines lie at equal quantiles of the prior, taken as normal, from 1 % to 99 %: so the cells have equal
    shares of it (Kingma & Welling, 2014, appendix A).
    """
    check_is_fitted(est)
    _check_steps(steps)
    codes = None if X is None else est.transform(X)
    pair = along if along is not None else _widest(est, codes)
    if len(pair) != 2:
        raise ParameterError(f"a grid goes along two axes, got {len(pair)}")
    axes = [find_axis(est, way, codes) for way in pair]
    grid = plane(axes, start_code(est, start, codes), *(_marks(est, axis, codes, steps) for axis in axes))
    decoded = est.inverse_transform(grid.reshape(steps * steps, -1))
    return decoded.reshape(steps, steps, *decoded.shape[1:])


def plane(axes: list[Axis], start: np.ndarray, across: np.ndarray, up: np.ndarray) -> np.ndarray:
    """Codes (len(up), len(across), latent_dim) that lie at given values of both axes at once, the highest row first."""
    weights, directions = (np.stack([getattr(axis, name) for axis in axes]) for name in ("weights", "direction"))
    wanted = np.stack(np.meshgrid(across, up[::-1]), -1)
    moves = wanted - np.array([axis.value(start) for axis in axes])
    mixing = weights @ directions.T
    if abs(np.linalg.det(mixing)) < 1e-9:
        raise ParameterError("both axes of the grid go the same way; choose two that differ")
    # To move along one axis may also change the value on the other.
    return start + np.linalg.solve(mixing, moves[..., None])[..., 0] @ directions


def _widest(est: BaseAutoencoder, codes: np.ndarray | None) -> tuple[Along, Along]:
    width = est.latent_dim_
    if width < 2:
        raise ParameterError("a grid needs a code of at least two latents, and this one has 1; use traverse")
    if width == 2:
        return 0, 1
    if codes is not None:
        scale = (codes - codes.mean(0)).T
    else:
        scale = prior_moments(est)[1]
        if scale.ndim == 1:
            raise ParameterError(
                f"no two of the {width} latents come first by themselves; give along=(i, j), or X, whose codes vary "
                "most in two directions"
            )
    left = np.linalg.svd(np.asarray(scale, dtype=np.float64), full_matrices=False)[0]
    return left[:, 0], left[:, 1]


def _marks(est: BaseAutoencoder, axis: Axis, codes: np.ndarray | None, steps: int) -> np.ndarray:
    """Values of an axis through which the lines of a grid go."""
    if codes is not None:
        low, high = np.quantile(axis.value(codes), [_TAIL, 1 - _TAIL])
        return np.linspace(low, high, steps)
    from scipy.special import ndtri

    length = np.linalg.norm(axis.weights)
    mean, sd = moments_along(est, axis.weights / length, None)
    return axis.value(mean) + sd * length * ndtri(np.linspace(_TAIL, 1 - _TAIL, steps))


def _check_steps(steps: int) -> None:
    if steps < 2:
        raise ParameterError(f"steps must be at least 2, got {steps}")
