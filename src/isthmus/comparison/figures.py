"""Figures of a comparison: numbers, and rate against distortion."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from isthmus.evaluate.catalogue import quantity
from isthmus.explore.style import (
    CLASSES,
    FIRST,
    GRID,
    INK,
    LABEL,
    MUTED,
    SECOND,
    TICK,
    legend_above,
    limits,
    new_figure,
    panels_of,
    plain,
    short,
    style_axes,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from isthmus.comparison.result import Comparison

_COLUMNS, _MOST_LETTERS = 3, 22
# Their zero says nothing, so a bar from it would not either.
_WITHOUT_ZERO = ("elbo", "reconstruction_nll", "bits_per_dim", "discrete_bound", "log_likelihood", "psnr")
_ARROWS = {"higher": "higher is better", "lower": "lower is better", None: ""}


def bars_figure(found: Comparison, keys: Sequence[str]) -> Figure:
    """A panel for each number, a bar for each model, or a dot where zero has no meaning, with standard errors.

    What is marked as the best is in another colour; a dashed line is what rows of the reference get.
    """
    names = list(found.table)
    figure, panels = panels_of(len(keys), 0.85 + 0.27 * len(names), _COLUMNS)
    for number, (axes, key) in enumerate(zip(panels, keys, strict=True)):
        style_axes(axes, title=key, xlabel=_ARROWS[quantity(key).better])
        axes.xaxis.label.set_color(MUTED)
        axes.xaxis.label.set_fontsize(TICK)
        _bars(axes, found, key)
        axes.set_ylim(len(names) - 0.4, -0.6)
        first = number % _columns_of(len(keys)) == 0
        axes.set_yticks(range(len(names)), [plain(short(n, _MOST_LETTERS)) for n in names] if first else [])
        axes.tick_params(axis="y", length=0, labelcolor=INK, labelsize=LABEL)
        axes.locator_params(axis="x", nbins=4)
    return figure


def _columns_of(n: int) -> int:
    """Columns that `panels_of` makes."""
    return -(-n // -(-n // _COLUMNS))


def _bars(axes: Axes, found: Comparison, key: str) -> None:
    at = [i for i, name in enumerate(found.table) if key in found.table[name]]
    names = [name for name in found.table if key in found.table[name]]
    values = np.array([found.table[name][key] for name in names])
    errors = np.array([found.errors[name].get(key, 0.0) for name in names])
    colours = [SECOND if found.best[key] == name else FIRST for name in names]
    if key in _WITHOUT_ZERO:
        for y, value, error, colour in zip(at, values, errors, colours, strict=True):
            axes.errorbar(value, y, xerr=error, fmt="o", ms=6, color=colour, elinewidth=1.4)
        axes.grid(axis="x", color=GRID, lw=0.7)
        axes.set_axisbelow(True)
        axes.set_xlim(*limits(values - errors, values + errors))
    else:
        axes.barh(at, values, color=colours, height=0.62)
        axes.errorbar(values, at, xerr=errors, fmt="none", ecolor=INK, elinewidth=1.0)
    floor = found.floor(key)
    if floor is not None:
        axes.axvline(floor[0], color=INK, lw=1.0, ls=(0, (4, 3)))


def plane_figure(points: dict[str, tuple[float, float]]) -> Figure:
    """Distortion against rate (Alemi et al., 2018), in nats per sample, with lines of equal bound.

    Parameters
    ----------
    points : dict of str to (float, float)
        Rate and distortion by model.
    """
    figure = new_figure(6.4, 4.0)
    axes = figure.subplots()
    style_axes(axes, xlabel="rate, nats per sample", ylabel="distortion: −log p(x|z), nats per sample")
    rates, distortions = (np.array(values) for values in zip(*points.values(), strict=True))
    pads = (0.12 * (np.ptp(v) or max(1.0, 0.1 * abs(v[0]))) for v in (rates, distortions))
    (low, high), (bottom, top) = ((v.min() - p, v.max() + p) for v, p in zip((rates, distortions), pads, strict=True))
    low = max(0.0, low)
    axes.set_xlim(low, high)
    axes.set_ylim(bottom, top)
    for i, (name, (rate, distortion)) in enumerate(points.items()):
        colour = CLASSES[i % len(CLASSES)]
        line = np.array([low, high])
        axes.plot(line, rate + distortion - line, color=colour, lw=0.9, ls=(0, (4, 3)), alpha=0.7)
        axes.scatter([rate], [distortion], s=52, color=colour, linewidths=0, label=plain(short(name, 30)), zorder=3)
    legend_above(figure, axes)
    return figure


def histograms_figure(data: np.ndarray, samples: dict[str, np.ndarray], names: Sequence[str]) -> Figure:
    """A panel for each column of a table: the data filled, the samples of each model as an outline."""
    figure, panels = panels_of(len(names), 1.8)
    for j, axes in enumerate(panels):
        style_axes(axes, title=short(names[j]))
        reach = [np.quantile(made[:, j], [0.005, 0.995]) for made in samples.values()]
        edges = np.linspace(*limits(data[:, j], *reach), 31).tolist()
        axes.hist(data[:, j], bins=edges, weights=_shares(data), color=MUTED, alpha=0.35, label="data")
        for i, (name, made) in enumerate(samples.items()):
            style = {"color": CLASSES[i % len(CLASSES)], "histtype": "step", "lw": 1.5, "label": plain(short(name, 30))}
            axes.hist(made[:, j], bins=edges, weights=_shares(made), **style)
        axes.set_yticks([])
        axes.spines["left"].set_visible(False)
        axes.locator_params(axis="x", nbins=4)
    legend_above(figure, panels[0], columns=4)
    return figure


def _shares(rows: np.ndarray) -> np.ndarray:
    return np.full(len(rows), 1 / len(rows))
