"""Where the prior lies on the map: curves that hold given shares of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from isthmus.explore.axes import prior_moments
from isthmus.studio.map.axes import MapAxis

if TYPE_CHECKING:
    from isthmus.studio.opened import OpenedRun

MASSES = (0.5, 0.9, 0.99)
"""Shares of the prior."""
_CORNERS = 96
_DRAWS, _SEED, _CELLS, _SMOOTH = 20_000, 1, 96, 2.0
_MOST_DRAWN = 1 << 22


def contours(run: OpenedRun, x: MapAxis, y: MapAxis) -> list[dict[str, Any]]:
    """Curves ``{"mass", "lines": [[x, y, x, y, ...], ...]}`` on the plane of two axes, from the narrowest.

    Exact ellipses where the prior is Gaussian, else estimated from draws. None if an axis means nothing.
    """
    if x.axis is None or y.axis is None:
        return []
    if is_gaussian(run):
        ways = np.stack([x.axis.weights, y.axis.weights])
        mean, scale = prior_moments(run.est)
        spread = ways @ scale if scale.ndim == 2 else ways * scale
        middle = np.array([float(axis.axis.value(mean)) for axis in (x, y) if axis.axis is not None])
        return ellipses(middle, spread @ spread.T)
    n = min(_DRAWS, max(500, _MOST_DRAWN // run.est.latent_dim_))
    drawn = run.keep("prior draws", lambda: run.draw(n, _SEED))
    return curves(x.values(run, drawn), y.values(run, drawn))


def is_gaussian(run: OpenedRun) -> bool:
    """Whether the prior is a Gaussian, and positions are codes."""
    from torch.distributions import Independent, MultivariateNormal, Normal

    if run.sliders.whole:
        return False
    prior: Any = run.est.module_.prior()
    return isinstance(prior, MultivariateNormal) or (isinstance(prior, Independent) and type(prior.base_dist) is Normal)


def ellipses(middle: np.ndarray, covariance: np.ndarray) -> list[dict[str, Any]]:
    """Ellipses of a Gaussian in the plane that hold each of `MASSES`: its squared distance has the law χ²₂."""
    values, vectors = np.linalg.eigh(covariance)
    root = vectors * np.sqrt(np.maximum(values, 0))
    angle = np.linspace(0, 2 * np.pi, _CORNERS + 1)
    circle = np.stack([np.cos(angle), np.sin(angle)])
    # P(χ²₂ ≤ r²) = 1 − exp(−r²/2)
    radii = [np.sqrt(-2 * np.log1p(-mass)) for mass in MASSES]
    lines = [(middle[:, None] + radius * root @ circle).T for radius in radii]
    return [_listed(mass, [line]) for mass, line in zip(MASSES, lines, strict=True)]


def curves(x: np.ndarray, y: np.ndarray) -> list[dict[str, Any]]:
    """Curves of equal density around draws (n,), (n,), where it is so high that they hold each of `MASSES`.

    The density is a smoothed histogram. Its level is a quantile of its values at the draws themselves (Hyndman, 1996),
    so that the smoothing, which spreads it, does not make the curves too wide.
    """
    from contourpy import contour_generator
    from scipy.ndimage import gaussian_filter, map_coordinates

    edges = (_edges(x), _edges(y))
    # The outermost cells are empty, so that every curve closes.
    density = gaussian_filter(np.histogram2d(x, y, bins=edges)[0].T, _SMOOTH, mode="constant")
    across, up = ((edge[:-1] + edge[1:]) / 2 for edge in edges)
    cells = [(values - line[0]) / (line[1] - line[0]) for values, line in ((y, up), (x, across))]
    at_draws = map_coordinates(density, cells, order=1, mode="constant")
    generator = contour_generator(across, up, density)
    levels = np.quantile(at_draws, [1 - mass for mass in MASSES])
    return [
        _listed(mass, [np.asarray(line) for line in generator.lines(float(level))])
        for mass, level in zip(MASSES, levels, strict=True)
    ]


def _edges(values: np.ndarray) -> np.ndarray:
    """Cells over all but the outermost draws, with a rim on either side."""
    low, high = np.percentile(values, [0.1, 99.9])
    rim = 0.15 * (high - low) or 1.0
    return np.linspace(low - rim, high + rim, _CELLS + 1)


def _listed(mass: float, lines: list[np.ndarray]) -> dict[str, Any]:
    return {"mass": mass, "lines": [np.round(line, 5).ravel().tolist() for line in lines]}
