"""The axes of the map: what they can be, where codes lie on them, and the plane that the map is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from isthmus.explore.axes import Axis
from isthmus.studio.moments import principal_of, spread_of
from isthmus.studio.refusal import Refusal, one_sentence

if TYPE_CHECKING:
    from isthmus.studio.opened import OpenedRun

STRIP = "strip"
"""The axis that means nothing: codes of one latent are spread along it so that they do not hide each other."""


@dataclass(frozen=True)
class MapAxis:
    """An axis of the map.

    Parameters
    ----------
    id, name : str
        What it is asked for by, and called.
    axis : Axis or None
        Where a code or a position lies; None for the strip.
    of_codes : bool
        Whether it is an axis of codes, and not of positions, where these are two things.
    share : float or None
        Share of the variance that lies along it.
    """

    id: str
    name: str
    axis: Axis | None
    of_codes: bool = False
    share: float | None = None

    def choice(self) -> dict[str, Any]:
        """How it is listed."""
        return {"id": self.id, "name": self.name, "share": self.share}

    def values(self, run: OpenedRun, places: np.ndarray) -> np.ndarray:
        """Where positions (n, width) lie, float64 (n,)."""
        if self.axis is None:
            return np.random.default_rng(len(places)).uniform(-0.5, 0.5, len(places))
        return self.axis.value(run.sliders.codes(places) if self.of_codes else places)


def axes_of(run: OpenedRun, places: np.ndarray) -> dict[str, MapAxis]:
    """All that can be an axis, by id, the usual ones first."""
    return run.keep("axes", lambda: _axes(run, places))


def _axes(run: OpenedRun, places: np.ndarray) -> dict[str, MapAxis]:
    found = [*_latents(run, places), *_attributes(run)]
    if run.est.latent_dim_ == 1:
        found.append(MapAxis(STRIP, "spread out", None))
    elif run.est.latent_dim_ == 2 and run.sliders.are_codes:
        found += _components(run, places)
    else:
        found = [*_components(run, places), *found]
    return {axis.id: axis for axis in found}


def _components(run: OpenedRun, places: np.ndarray) -> list[MapAxis]:
    principal, of_codes = principal_of(run, places), not run.sliders.are_codes
    total = principal.total_variance or 1.0
    return [
        MapAxis(
            f"pc{k}",
            f"component {k + 1}",
            Axis(direction, direction, float(direction @ principal.mean)),
            of_codes,
            float(principal.variance[k] / total),
        )
        for k, direction in enumerate(principal.components)
    ]


def _latents(run: OpenedRun, places: np.ndarray) -> list[MapAxis]:
    spread, names, width = spread_of(run, places), run.sliders.names(), run.sliders.width
    # As they are numbered where there are so few that one knows them by number.
    order = sorted(spread.shown) if width == 2 else spread.shown
    total = float((spread.sd**2).sum()) or 1.0
    return [
        MapAxis(f"z{i}", names[i], Axis(unit, unit, 0.0), share=float(spread.sd[i] ** 2 / total))
        for i in order
        for unit in [np.eye(1, width, i)[0]]
    ]


def _attributes(run: OpenedRun) -> list[MapAxis]:
    of_codes = not run.sliders.are_codes
    return [MapAxis(f"attribute:{name}", name, axis, of_codes) for name, axis in run.est.attributes_.items()]


def choose(axes: dict[str, MapAxis], x: str | None, y: str | None) -> tuple[MapAxis, MapAxis]:
    """The two axes that are asked for, or the usual ones.

    Raises
    ------
    Refusal
        With 422, for an axis that there is not, or twice the same.
    """
    usual = list(axes)
    x = x or next(name for name in usual if name != y)
    y = y or next(name for name in usual if name != x)
    for name in (x, y):
        if name not in axes:
            known = ", ".join(usual[:12])
            raise Refusal(422, f"there is no axis {one_sentence(name, 60)!r}; choose from {known}")
    if x == y:
        raise Refusal(422, "both axes of the map are the same; choose two that differ")
    return axes[x], axes[y]


def plane_of(run: OpenedRun, x: MapAxis, y: MapAxis, places: np.ndarray) -> dict[str, list[Any]] | None:
    """The plane through the mean that the map shows: a point (a, b) of it stands for origin + a·across + b·up.

    Where positions are not codes, and the axes are those of codes, it is a code; these can be told by their lengths.
    None where a point stands for nothing that could be decoded: for axes of codes and of positions at once, and for
    two that go the same way. A code z lies at weights · z − offsets.
    """
    pair = [axis for axis in (x, y) if axis.axis is not None]
    if len({axis.of_codes for axis in pair}) > 1:
        return None
    if pair[0].of_codes and run.sliders.width == run.est.latent_dim_:
        return None
    mean = principal_of(run, places).mean if pair[0].of_codes else spread_of(run, places).mean
    weights = np.stack([axis.axis.weights for axis in pair if axis.axis is not None])
    directions = np.stack([axis.axis.direction for axis in pair if axis.axis is not None])
    mixing = weights @ directions.T
    if abs(np.linalg.det(mixing)) < 1e-9:
        return None
    # Moving along one axis may change the value on the other as well: these are moves that do not.
    moves = np.linalg.solve(mixing.T, directions)
    at_mean = np.array([axis.axis.value(mean) for axis in pair if axis.axis is not None])
    origin = mean - at_mean @ moves
    across = moves[0] if x.axis is not None else np.zeros_like(mean)
    up = moves[-1] if y.axis is not None else np.zeros_like(mean)
    return {
        "origin": origin.tolist(),
        "across": across.tolist(),
        "up": up.tolist(),
        "weights": [(np.zeros_like(mean) if axis.axis is None else axis.axis.weights).tolist() for axis in (x, y)],
        "offsets": [0.0 if axis.axis is None else float(axis.axis.offset) for axis in (x, y)],
    }
