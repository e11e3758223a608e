"""Figures of Markov chains: traces, ranks, and a chain of pictures step by step."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from isthmus.explore.style import (
    CLASSES,
    GRID,
    INK,
    LABEL,
    MUTED,
    colorbar,
    legend_above,
    panels_of,
    style_axes,
    whole_numbers,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from isthmus.evaluate.convergence import Reference

_MOST_POINTS = 500
_BINS = 20


def trace_plot(statistics: Mapping[str, np.ndarray], data: Mapping[str, Reference] | None = None) -> Figure:
    """One panel per statistic: its value along the chains, a line for each chain.

    Chains that have converged look alike, from the first draw to the last, and cross all the time.

    Parameters
    ----------
    statistics : mapping of str to ndarray of shape (chains, draws)
        Of every recorded state.
    data : mapping of str to Reference, optional
        The same statistics over data: their mean is a line, and mean ± 2 sd a band.
    """
    figure, panels = panels_of(len(statistics), 1.9, columns=3)
    for axes, (name, values) in zip(panels, statistics.items(), strict=True):
        style_axes(axes, title=name)
        at = np.arange(0, values.shape[1], -(-values.shape[1] // _MOST_POINTS))
        for i, chain in enumerate(values):
            axes.plot(at + 1, chain[at], color=CLASSES[i % len(CLASSES)], lw=0.7, alpha=0.75, rasterized=True)
        if data and name in data:
            mean, sd = data[name].mean, data[name].sd
            axes.axhspan(mean - 2 * sd, mean + 2 * sd, color=MUTED, alpha=0.14, lw=0, label="data: mean ± 2 sd")
            axes.axhline(mean, color=INK, lw=0.9, ls=(0, (4, 3)), label="data: mean")
        whole_numbers(axes)
        axes.locator_params(axis="y", nbins=5)
    figure.supxlabel("recorded draw", fontsize=LABEL, color=INK)
    if data:
        legend_above(figure, panels[0])
    return figure


def rank_plot(statistics: Mapping[str, np.ndarray]) -> Figure:
    """One panel per statistic: a histogram of the ranks of each chain, as a row of colours.

    Of all draws of all chains together the smallest has rank 1. Chains that explore the same distribution have ranks
    that are spread evenly, so that every row is pale; a chain that stays among the small values is red on the left
    (Vehtari et al., 2021, section 5.2).

    Parameters
    ----------
    statistics : mapping of str to ndarray of shape (chains, draws)
        Of every recorded state.
    """
    from scipy.stats import rankdata

    figure, panels = panels_of(len(statistics), 1.9, columns=3)
    image = None
    for axes, (name, values) in zip(panels, statistics.items(), strict=True):
        ranks = (rankdata(values, nan_policy="omit").reshape(values.shape) - 0.5) / values.size
        bins = min(_BINS, max(1, values.shape[1] // 5))
        counts = np.stack([np.histogram(chain, bins, (0, 1))[0] for chain in ranks])
        share = counts / (values.shape[1] / bins)
        image = axes.imshow(
            share,
            cmap="RdBu_r",
            vmin=0,
            vmax=2,
            aspect="auto",
            interpolation="none",
            extent=(0, values.size, len(values) + 0.5, 0.5),
        )
        style_axes(axes, title=name)
        axes.spines[:].set_color(GRID)
        axes.set_xticks([0, values.size], ["lowest", "highest"])
        axes.set_yticks([1, len(values)] if len(values) > 1 else [1])
    figure.supxlabel("rank among the draws of all chains", fontsize=LABEL, color=INK)
    figure.supylabel("chain", fontsize=LABEL, color=INK)
    colorbar(figure, image, panels, "share of its draws; even: 1")
    return figure
