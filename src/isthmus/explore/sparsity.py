"""Figures of sparse codes: how many latents are active, how often each is, and what their atoms are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from isthmus.explore.style import (
    FIRST,
    INK,
    LABEL,
    MUTED,
    SECOND,
    TICK,
    WIDE,
    colorbar,
    new_figure,
    plain,
    short,
    style_axes,
    whole_numbers,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def activity(counts: np.ndarray, rates: np.ndarray) -> Figure:
    """How many latents the rows activate, and how often each latent is active.

    Parameters
    ----------
    counts : ndarray of shape (rows,)
        Active latents of each row.
    rates : ndarray of shape (latent_dim,)
        Share of the rows that activate the latent. Zeros are marked as dead.
    """
    figure = new_figure(WIDE, 3.0)
    left, right = figure.subplots(1, 2)
    _counts(left, counts)
    _rates(right, np.sort(rates)[::-1], len(counts))
    return figure


def _counts(axes: Axes, counts: np.ndarray) -> None:
    style_axes(axes, title="active latents of a row", xlabel="latents that are not zero", ylabel="share of the rows")
    low, high = int(counts.min()), int(counts.max())
    step = max(1, -(-(high - low + 1) // 40))
    edges = np.arange(low, high + step + 1, step) - 0.5
    heights = np.histogram(counts, edges)[0] / len(counts)
    axes.bar(edges[:-1] + step / 2, heights, width=0.86 * step, color=FIRST)
    mean = float(counts.mean())
    axes.axvline(mean, color=SECOND, lw=1.2, ls=(0, (4, 3)), label=f"mean {mean:.1f}")
    axes.set_xlim(min(low, mean) - 2.5 * step, max(high, mean) + 2.5 * step)
    axes.set_ylim(0, 1.14 * float(heights.max()))
    axes.legend(frameon=False, fontsize=TICK, labelcolor=INK, loc="upper right")
    whole_numbers(axes)


def _rates(axes: Axes, rates: np.ndarray, n_rows: int) -> None:
    style_axes(axes, title="firing rate of each latent", xlabel="latents, most used first", ylabel="share of the rows")
    alive = int((rates > 0).sum())
    at, lowest = np.arange(1, len(rates) + 1), 0.5 / n_rows
    axes.set_yscale("log")
    axes.minorticks_off()
    axes.fill_between(at[:alive], rates[:alive], lowest, color=FIRST, alpha=0.25, lw=0, step="mid")
    axes.plot(at[:alive], rates[:alive], color=FIRST, lw=1.8, drawstyle="steps-mid", label=f"{alive:,} alive")
    if alive < len(rates):
        dead = len(rates) - alive
        axes.plot(at[alive:], np.full(dead, lowest), color=SECOND, lw=4, solid_capstyle="butt", label=f"{dead:,} dead")
    axes.set_xlim(0.5, len(rates) + 0.5)
    axes.set_ylim(0.8 * lowest, 1.4)
    axes.legend(frameon=False, fontsize=TICK, labelcolor=INK, loc="upper right")
    whole_numbers(axes)


def atom_map(atoms: np.ndarray, latents: Sequence[str], names: Sequence[str]) -> Figure:
    """What each latent adds to each column: red above zero, blue below.

    Parameters
    ----------
    atoms : ndarray of shape (latents, features)
        In standard deviations of the feature.
    latents, names : sequence of str
        Latents (columns of the map) and features (rows of the map).
    """
    limit = float(np.clip(np.quantile(np.abs(atoms), 0.98), 0.1, None)) if atoms.size else 1.0
    width = min(WIDE, max(4.6, 2.4 + 0.32 * len(latents)))
    figure = new_figure(width, 1.1 + 0.26 * max(4, len(names)))
    axes = figure.subplots()
    style_axes(axes)
    image = axes.imshow(atoms.T, cmap="RdBu_r", vmin=-limit, vmax=limit, aspect="auto", interpolation="none")
    axes.spines[:].set_visible(False)
    axes.set_xticks(range(len(latents)), [plain(latent) for latent in latents], rotation=90)
    axes.set_yticks(range(len(names)), [plain(short(name)) for name in names])
    axes.tick_params(length=0)
    axes.set_xlabel("latents, most used first", fontsize=LABEL, color=INK)
    axes.set_xticks(np.arange(1, len(latents)) - 0.5, minor=True)
    axes.grid(which="minor", axis="x", color=MUTED, lw=0.4, alpha=0.4)
    axes.tick_params(which="minor", length=0)
    colorbar(figure, image, axes, "added by the latent, in sd")
    return figure
