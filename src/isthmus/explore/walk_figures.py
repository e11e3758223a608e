"""Figures of walks through the code: rows of pictures, or for tables maps of how the columns answer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from isthmus.explore.axes import REACH, Along, name_of
from isthmus.explore.figures import response_maps
from isthmus.explore.pictures import picture_table, to_rgb
from isthmus.explore.style import INK, LABEL, colorbar, panels_of, short, style_axes
from isthmus.explore.walks import interpolate, latent_grid, places, traverse

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from isthmus.models.base import BaseAutoencoder

MOST_FEATURES = 12
_DIVERGING = "RdBu_r"


def traversal_figure(
    est: BaseAutoencoder,
    along: Sequence[Along],
    *,
    X: Any = None,
    start: Any = None,
    reach: float = REACH,
    steps: int = 11,
    labels: Sequence[str] = (),
) -> Figure:
    """Rows of traversals, one for each of several latents, directions or attributes.

    Parameters
    ----------
    est, X, start, reach, steps
        As for `isthmus.explore.traverse`.
    along : sequence
        What each row goes along.
    labels : sequence of str
        Names of the rows; by default made from ``along``.
    """
    walks = np.stack([traverse(est, way, X=X, start=start, reach=reach, steps=steps) for way in along])
    names = list(labels) or [name_of(way) for way in along]
    at = places(reach, steps)
    marks = place_marks(at, middle="mean" if start is None else "0")
    return draw_walks(est, walks, names, at, marks=marks, feature_sd=_feature_sd(est, X))


def interpolation_figure(
    est: BaseAutoencoder,
    pairs: Sequence[tuple[Any, Any]],
    *,
    steps: int = 9,
    kind: Literal["linear", "spherical"] = "linear",
    labels: Sequence[str] = (),
) -> Figure:
    """Rows of interpolations, one for each pair of samples or codes, as of `isthmus.explore.interpolate`."""
    walks = np.stack([interpolate(est, a, b, steps=steps, kind=kind) for a, b in pairs])
    names = list(labels) or [f"pair {i}" for i in range(len(pairs))]
    at, marks = np.linspace(0, 1, steps), ["start", *[""] * (steps - 2), "end"]
    units = _feature_sd(est, None)
    return draw_walks(est, walks, names, at, marks=marks, xlabel="share of the way", reference=0, feature_sd=units)


def draw_walks(
    est: BaseAutoencoder,
    walks: np.ndarray,
    labels: Sequence[str],
    at: np.ndarray,
    *,
    marks: Sequence[str] = (),
    reference: int | None = None,
    feature_sd: np.ndarray,
    feature_names: Sequence[str] | None = None,
    xlabel: str = "move of the latent, in sd",
) -> Figure:
    """Decoded walks as rows of pictures; for tables, as maps of the twelve columns that answer most.

    Parameters
    ----------
    est : fitted estimator
        Says what a sample is.
    walks : ndarray of shape (n, steps, *shape of a sample)
        Decoded.
    labels : sequence of str
        Names of the walks.
    at : ndarray of shape (steps,)
        Where each step lies.
    marks : sequence of str
        Written over the steps of pictures.
    reference : int, optional
        Step from which tables show the change; by default the middle.
    feature_sd : ndarray of shape (n_features,)
        Units of that change.
    feature_names : sequence of str, optional
        Columns of a table; by default those that the model was fitted on.
    xlabel : str
        What ``at`` means, for tables.
    """
    n, steps = walks.shape[:2]
    if est.info_.is_picture:
        tiles = to_rgb(walks.reshape(n * steps, *est.info_.shape), *est.info_.display_range)
        tiles = tiles.reshape(n, steps, *tiles.shape[1:])
        return picture_table(tiles, row_labels=labels, column_labels=marks)
    responses = walks.reshape(n, steps, -1)
    base = responses[:, steps // 2 if reference is None else reference, None]
    responses = (responses - base) / feature_sd
    chosen = strongest_features(responses)
    names = list(feature_names) if feature_names is not None else _feature_names(est)
    return response_maps(responses[:, :, chosen].transpose(0, 2, 1), at, labels, [names[j] for j in chosen], xlabel)


def strongest_features(responses: np.ndarray) -> np.ndarray:
    """At most twelve columns that answer most, in their own order, of responses (n, steps, n_features)."""
    return np.sort(np.argsort(np.abs(responses).max((0, 1)), kind="stable")[::-1][:MOST_FEATURES])


def grid_figure(
    est: BaseAutoencoder,
    *,
    along: tuple[Along, Along] | None = None,
    X: Any = None,
    start: Any = None,
    steps: int = 10,
) -> Figure:
    """The grid of `isthmus.explore.latent_grid`: pictures side by side, or one map for each column of a table."""
    grid = latent_grid(est, along=along, X=X, start=start, steps=steps)
    if est.info_.is_picture:
        tiles = to_rgb(grid.reshape(-1, *est.info_.shape), *est.info_.display_range)
        return picture_table(tiles.reshape(steps, steps, *tiles.shape[1:]))
    values = grid.reshape(steps, steps, -1)
    values = (values - values.mean((0, 1))) / _feature_sd(est, X)
    chosen = strongest_features(values)
    names = _feature_names(est)
    figure, panels = panels_of(len(chosen), 2.0)
    limit = float(np.clip(np.abs(values).max(initial=0), 0.1, 3))
    image = None
    for j, axes in zip(chosen, panels, strict=True):
        image = axes.imshow(values[..., j], cmap=_DIVERGING, vmin=-limit, vmax=limit, interpolation="none")
        style_axes(axes, title=short(names[j]))
        axes.spines[:].set_visible(False)
        axes.set_xticks([])
        axes.set_yticks([])
    directions = (0, 1) if est.latent_dim_ == 2 else ("first direction", "second direction")
    horizontal, vertical = (name_of(way) for way in along or directions)
    figure.supxlabel(horizontal, fontsize=LABEL, color=INK)
    figure.supylabel(vertical, fontsize=LABEL, color=INK)
    colorbar(figure, image, panels, "from the mean, in sd")
    return figure


def place_marks(at: np.ndarray, middle: str) -> list[str]:
    """What is written over the steps of a walk: numbers, as far as there is room for them, and the middle by name."""
    every = 5 if len(at) > 7 else max(1, len(at) // 2)
    marks = [f"{value:+.1f}".replace("-", "−") if j % every == 0 else "" for j, value in enumerate(at)]
    if len(at) % 2:
        marks[len(at) // 2] = middle
    return marks


def _feature_sd(est: BaseAutoencoder, X: Any) -> np.ndarray:
    """Spread of every column over X, else over samples of the model; 1 where it is constant."""
    from isthmus.models.inputs import read_samples

    rows = est.sample(1000, random_state=0) if X is None else np.asarray(read_samples(est, X, fitting=False))
    sd = rows.reshape(len(rows), -1).std(0, dtype=np.float64)
    return np.where(sd > 0, sd, 1.0)


def _feature_names(est: BaseAutoencoder) -> list[str]:
    names = getattr(est, "feature_names_in_", None)
    return [str(name) for name in names] if names is not None else [f"column {j}" for j in range(est.info_.n_values)]
