"""Figures of a search: how it went, what mattered, where the good values lie, and how trials were trained."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from isthmus.explore.style import (
    FIRST,
    INK,
    LABEL,
    MUTED,
    SECOND,
    TICK,
    WIDE,
    legend_above,
    new_figure,
    panels_of,
    plain,
    short,
    style_axes,
    whole_numbers,
)
from isthmus.sweep.metric import Metric
from isthmus.sweep.space import Choices, Dimension, Range, show
from isthmus.sweep.study import RUNGS
from isthmus.sweep.table import ranked, short_names

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Trials = Sequence[Mapping[str, Any]]

_DOT: dict[str, Any] = {"s": 22, "linewidths": 0, "color": FIRST, "alpha": 0.8}
_BEST: dict[str, Any] = {"s": 46, "linewidths": 0, "color": SECOND, "zorder": 4}
_MOST_NAMED, _MOST_LETTERS = 8, 20
_FEWEST_TICKS, _MOST_TICKS = 3, 5


def history_figure(trials: Trials, metric: Metric) -> Figure:
    """Value of every trial in the order of their numbers, and the best so far.

    Pruned trials are shown with what they had reached, failed ones as crosses at the worse edge, and trials far from
    all others as arrows there.
    """
    figure = new_figure(WIDE, 3.3)
    axes = figure.subplots()
    style_axes(axes, xlabel="trial", ylabel=metric.name)
    complete = [trial for trial in trials if trial["value"] is not None]
    frame = _frame([trial["value"] for trial in complete], metric)
    _dots(axes, [t["number"] for t in complete], [t["value"] for t in complete], frame, label="complete", **_DOT)
    pruned = [trial for trial in trials if trial["state"] == "pruned" and trial["curve"] and _same_unit(metric)]
    hollow = {"s": 20, "facecolors": "none", "edgecolors": MUTED, "linewidths": 1.0}
    reached = [trial["curve"][max(trial["curve"])] for trial in pruned]
    _dots(axes, [t["number"] for t in pruned], reached, frame, label="pruned, as far as it came", **hollow)
    failed = [trial["number"] for trial in trials if trial["state"] == "failed"]
    if failed:
        edge = [0.025 if metric.direction == "maximize" else 0.975] * len(failed)
        across = axes.get_xaxis_transform()
        axes.scatter(failed, edge, marker="x", s=24, color=MUTED, transform=across, label="failed")
    best = np.array([t["value"] for t in complete])
    best = np.maximum.accumulate(best) if metric.direction == "maximize" else np.minimum.accumulate(best)
    numbers = [t["number"] for t in complete]
    last = max(trial["number"] for trial in trials)
    axes.step([*numbers, last], [*best, best[-1]], where="post", color=SECOND, lw=1.8, label="best so far", zorder=3)
    axes.set_xlim(-0.02 * last - 0.5, 1.02 * last + 0.5)
    axes.set_ylim(*frame)
    whole_numbers(axes)
    legend_above(figure, axes, columns=4)
    return figure


def importance_figure(importances: Mapping[str, float]) -> Figure:
    """Share of each parameter in what makes a trial good, as bars, the largest at the top."""
    names = sorted(importances, key=lambda name: importances[name])
    figure = new_figure(6.4, 0.7 + 0.34 * len(names))
    axes = figure.subplots()
    style_axes(axes, xlabel="importance")
    axes.barh(range(len(names)), [importances[name] for name in names], color=FIRST, height=0.62)
    axes.set_yticks(range(len(names)), [plain(name) for name in names])
    axes.tick_params(axis="y", length=0, labelcolor=INK, labelsize=LABEL)
    for i, name in enumerate(names):
        axes.text(importances[name] + 0.01, i, f"{importances[name]:.2f}", va="center", fontsize=TICK, color=MUTED)
    axes.set_xlim(0, max(1.0, 1.12 * max(importances.values())))
    return figure


def slices_figure(trials: Trials, metric: Metric, space: Mapping[str, Dimension]) -> Figure:
    """One panel for each parameter: value of the complete trials against it, the best one marked."""
    order = ranked(trials, metric)  # pyright: ignore[reportArgumentType]
    names = [name for name in space if any(name in trial["params"] for trial in order)]
    titles = short_names(names)
    frame = _frame([trial["value"] for trial in order], metric)
    figure, panels = panels_of(len(names), 2.3, columns=3)
    for axes, name in zip(panels, names, strict=True):
        style_axes(axes, title=titles[name])
        shown = [trial for trial in order if name in trial["params"]]
        at = _places(axes, [trial["params"][name] for trial in shown], space[name])
        values = [trial["value"] for trial in shown]
        _dots(axes, at, values, frame, label="complete", **_DOT)
        _dots(axes, at[:1], values[:1], frame, label="best", **_BEST)
        axes.set_ylim(*frame)
        axes.locator_params(axis="y", nbins=4)
    figure.supylabel(metric.name, fontsize=LABEL, color=INK)
    legend_above(figure, panels[0])
    return figure


def curves_figure(trials: Trials, metric: Metric) -> Figure:
    """What was watched while the trials were trained, one line for each; those that end early were pruned."""
    figure = new_figure(WIDE, 3.3)
    axes = figure.subplots()
    style_axes(axes, xlabel="share of the training, in %", ylabel=metric.watched)
    order = ranked(trials, metric)  # pyright: ignore[reportArgumentType]
    groups = (
        ("pruned", [t for t in trials if t["state"] == "pruned"], {"color": MUTED, "lw": 0.9, "alpha": 0.8}),
        ("complete", order[1:], {"color": FIRST, "lw": 0.9, "alpha": 0.55}),
        ("best", order[:1], {"color": SECOND, "lw": 2.0}),
    )
    for label, group, style in groups:
        for i, trial in enumerate(group):
            steps = sorted(trial["curve"])
            at = [100 * step / RUNGS for step in steps]
            axes.plot(at, [trial["curve"][step] for step in steps], label=None if i else label, **style)
            if label == "pruned" and steps:
                axes.scatter(at[-1:], [trial["curve"][steps[-1]]], s=12, color=MUTED, linewidths=0, zorder=3)
    ends = [trial["curve"][max(trial["curve"])] for trial in order if trial["curve"]]
    starts = [trial["curve"][min(trial["curve"])] for trial in order if trial["curve"]]
    # From where the better half of the trials began.
    axes.set_ylim(*_frame([*ends, *starts], metric))
    axes.set_xlim(0, 101)
    legend_above(figure, axes)
    return figure


def has_curves(trials: Trials) -> bool:
    """Whether there is something to see: at least two points of some trial."""
    return any(trial["value"] is not None and len(trial["curve"]) > 1 for trial in trials)


def _same_unit(metric: Metric) -> bool:
    return metric.watched == metric.name


def _frame(values: Sequence[float], metric: Metric) -> tuple[float, float]:
    """Range of the better trials: the worst may be worse by orders of magnitude, and would flatten the rest."""
    array = np.asarray(values, dtype=float)
    best, worst = (array.max(), array.min()) if metric.direction == "maximize" else (array.min(), array.max())
    reach = 2 * np.quantile(abs(array - best), 0.8)
    if 0 < reach < abs(worst - best):
        worst = best - np.sign(best - worst) * reach
    pad = 0.07 * abs(best - worst) or 0.5
    return min(best, worst) - pad, max(best, worst) + pad


def _dots(
    axes: Axes, at: Any, values: Sequence[float], frame: tuple[float, float], *, label: str, **style: Any
) -> None:
    """Points; those outside the frame as arrows at its edge."""
    if not len(values):
        return
    at, values_ = np.asarray(at, dtype=float), np.asarray(values, dtype=float)
    inside = (values_ >= frame[0]) & (values_ <= frame[1])
    axes.scatter(at[inside], values_[inside], label=label, **style)
    for beyond, marker, share in ((values_ < frame[0], "v", 0.025), (values_ > frame[1], "^", 0.975)):
        if beyond.any():
            edge = [share] * int(beyond.sum())
            axes.scatter(at[beyond], edge, marker=marker, transform=axes.get_xaxis_transform(), **style)


def _places(axes: Axes, values: Sequence[Any], dimension: Dimension) -> Any:
    """Where values go on the x axis, which is made ready for them."""
    if isinstance(dimension, Choices):
        known = list(dict.fromkeys([*dimension.values, *values]))  # a study may have had other choices
        slanted = sum(len(show(value)) for value in known) > _MOST_LETTERS
        axes.set_xticks(
            range(len(known)),
            [plain(short(show(value), 14)) for value in known],
            rotation=35 if slanted else 0,
            ha="right" if slanted else "center",
            rotation_mode="anchor",
        )
        axes.set_xlim(-0.6, len(known) - 0.4)
        return np.array([known.index(value) for value in values])
    if dimension.log:
        axes.set_xscale("log")
        ticks = _round_numbers(dimension)
        axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
        axes.set_xticks([], minor=True)
    elif dimension.whole and dimension.high - dimension.low <= _MOST_NAMED:
        whole_numbers(axes)
    else:
        axes.locator_params(axis="x", nbins=4)
    return np.asarray(values, dtype=float)


def _round_numbers(dimension: Range) -> list[float]:
    """A few of 1, 2, 5 and their multiples by powers of ten inside a logarithmic range."""
    powers = range(math.floor(math.log10(dimension.low)), math.ceil(math.log10(dimension.high)) + 1)
    for mantissas in ((1,), (1, 3), (1, 2, 5)):
        found = [m * 10.0**p for p in powers for m in mantissas if dimension.low <= m * 10.0**p <= dimension.high]
        if len(found) >= _FEWEST_TICKS:
            break
    return found[:: -(-len(found) // _MOST_TICKS)] or [dimension.low, dimension.high]
