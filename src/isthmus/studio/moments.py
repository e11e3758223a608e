"""What is known of the positions of all samples: spread, range, and the directions in which they vary most."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from isthmus.principal import Principal
    from isthmus.studio.opened import OpenedRun

MOST_SHOWN = 64
"""Latents that get a slider."""
MOST_COMPONENTS = 10
"""Principal components that can be axes of the map."""
_WIDENED = 0.1
# Rows of codes so wide that all of them would take long.
_FEW_ROWS, _WIDE = 1000, 1024


@dataclass(frozen=True)
class Spread:
    """How the positions of the samples are spread along each slider.

    Parameters
    ----------
    mean, sd : ndarray of shape (width,)
        Moments.
    activity : ndarray of shape (width,)
        By which sliders are sorted: the variance of the posterior's mean, or the entropy of a whole number in nats.
    shown : list of int
        The most active, at most 64, sorted.
    low, high : ndarray of shape (len(shown),)
        Where 98 % of the samples lie, and a tenth of that beyond at either end.
    """

    mean: np.ndarray
    sd: np.ndarray
    activity: np.ndarray
    shown: list[int]
    low: np.ndarray
    high: np.ndarray


def spread_of(run: OpenedRun, places: np.ndarray) -> Spread:
    """Spread of positions (n, width)."""
    return run.keep("spread", lambda: _spread(run, places))


def _spread(run: OpenedRun, places: np.ndarray) -> Spread:
    mean, sd = places.mean(0, dtype=np.float64), places.std(0, dtype=np.float64)
    activity = sd**2 if run.sliders.are_codes else np.array([_entropy(column) for column in places.T])
    shown = np.argsort(-activity, kind="stable")[:MOST_SHOWN].tolist()
    low, high = span(places[:, shown])
    return Spread(mean, sd, activity, shown, low, high)


def span(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """First and 99th percentile of values (n, k), and a tenth of what lies between beyond each; never empty."""
    low, high = np.percentile(values, [1, 99], axis=0)
    reach = _WIDENED * (high - low)
    reach = np.where(high > low, reach, np.maximum(1.0, np.abs(high)))
    return low - reach, high + reach


def principal_of(run: OpenedRun, places: np.ndarray) -> Principal:
    """Principal components of the codes at positions (n, width)."""
    return run.keep("principal", lambda: _principal(run, places))


def _principal(run: OpenedRun, places: np.ndarray) -> Principal:
    from isthmus.principal import leading

    step = -(-len(places) // _FEW_ROWS) if run.est.latent_dim_ > _WIDE else 1
    codes = run.sliders.codes(places[::step])
    return leading(codes, min(MOST_COMPONENTS, run.est.latent_dim_, max(1, len(codes) - 1)))


def _entropy(numbers: np.ndarray) -> float:
    shares = np.unique(numbers, return_counts=True)[1] / len(numbers)
    return float(-(shares * np.log(shares)).sum())
