"""The figure of an attribute as a distribution: is the Mona Lisa smiling?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from isthmus.explore.pictures import to_rgb
from isthmus.explore.style import FIRST, INK, LABEL, MUTED, PAPER, TICK, new_figure, plain, style_axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from isthmus.explore.attributes import AttributePosterior
    from isthmus.models.base import BaseAutoencoder

_POINTS = 400
_ROW = 0.85


def attribute_figure(
    est: BaseAutoencoder, name: str, X: Any, *, labels: Sequence[str] = (), order: bool = False
) -> Figure:
    """One row for each sample: the picture, how its attribute is distributed, and the probability that it has it.

    All curves have the same height, so that their widths can be compared: a narrow one means that the encoder is sure.
    A deterministic code gives no width, and a line.

    Parameters
    ----------
    est : fitted estimator
        With an attribute of this name.
    name : str
        Of the attribute.
    X : array-like
        A few samples.
    labels : sequence of str
        What to write beside them.
    order : bool
        Whether to put the samples in the order of their means, the lowest first.
    """
    from isthmus.models.inputs import read_samples

    found, samples = est.attribute(name, X), np.asarray(read_samples(est, X, fitting=False))
    rows = np.argsort(found.mean, kind="stable").tolist() if order else list(range(len(samples)))
    pictures = to_rgb(samples, *est.info_.display_range) if est.info_.is_picture else None
    wide = 1.3 if labels else 0.1
    figure = new_figure(wide + 5.6, _ROW * len(rows) + 0.9)
    ratios = [wide + 0.1, _ROW, 4.6]
    panels = figure.subplots(len(rows), 3, squeeze=False, width_ratios=ratios, sharex="col")
    line = np.linspace(*_limits(found), _POINTS)
    for row, (beside, tile, axes) in zip(rows, panels, strict=True):
        _write(beside, labels[row] if labels else "")
        tile.axis("off")
        if pictures is not None:
            tile.imshow(pictures[row], interpolation="none")
        last = row == rows[-1]
        style_axes(axes, xlabel=f"{name}: −1 and 1 are the examples without and with it" if last else "")
        _density(axes, line, float(found.mean[row]), float(found.std[row]))
        text = f"{100 * found.probability()[row]:.0f} %"
        axes.text(1.0, 0.55, text, transform=axes.transAxes, ha="right", va="center", fontsize=LABEL, color=INK)
        axes.tick_params(labelbottom=bool(last))
    panels[0, 2].set_title("probability of having it", loc="right", fontsize=TICK, color=MUTED)
    return figure


def _limits(found: AttributePosterior) -> tuple[float, float]:
    low, high = found.mean - 3 * found.std, found.mean + 3 * found.std
    return min(-1.6, float(low.min())), max(1.6, float(high.max()))


def _density(axes: Axes, line: np.ndarray, mean: float, sd: float) -> None:
    for mark in (-1, 0, 1):
        axes.axvline(mark, color=MUTED, lw=0.8, ls="-" if mark == 0 else (0, (2, 3)), zorder=0)
    axes.set_xlim(line[0], line[-1] + 0.18 * (line[-1] - line[0]))
    axes.set_ylim(0, 1.15)
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    if sd == 0:
        axes.axvline(mean, ymax=1 / 1.15, color=FIRST, lw=2.2)
        return
    # Finer where the curve is than a common grid would be.
    at = np.union1d(line, mean + sd * np.linspace(-4, 4, _POINTS))
    curve = np.exp(-0.5 * ((at - mean) / sd) ** 2)
    axes.fill_between(at, curve, color=FIRST, alpha=0.25, lw=0)
    axes.plot(at, curve, color=FIRST, lw=1.6)
    axes.plot([mean - sd, mean + sd], [0.06, 0.06], color=INK, lw=2.0, solid_capstyle="butt")
    axes.plot([mean], [0.06], "o", color=PAPER, mec=INK, mew=1.2, ms=5)


def _write(axes: Axes, text: str) -> None:
    axes.axis("off")
    axes.text(1.0, 0.5, plain(text), ha="right", va="center", fontsize=LABEL, color=INK, transform=axes.transAxes)
