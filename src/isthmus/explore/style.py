"""What all figures share: colours, sizes, axes.

They use matplotlib's objects only: no window is opened and no global style is changed. The background
is transparent, and lines and letters have a few colours of their own, so that a page can swap these for
those of its light or dark theme.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK, MUTED, GRID, PAPER = "#1c2733", "#6a7686", "#d8dee6", "#fdfdfe"
FIRST, SECOND = "#2b7bcb", "#d9700c"
# After the ten colours of Petroff (2021, arXiv:2107.02270), which stay apart under colour-vision deficiencies; the
# darkest and the palest are moved towards the middle, to be seen on a dark and on a light page.
CLASSES = (
    "#3f90da", "#ffa90e", "#d62f0f", "#94a4a2", "#9443c8",
    "#a96b59", "#e76300", "#b9ac70", "#717581", "#5cc4c9",
)  # fmt: skip
WIDE = 8.4
TITLE, LABEL, TICK = 10.0, 9.5, 8.5


def new_figure(width: float, height: float, layout: Any = "constrained") -> Figure:
    """Empty transparent figure of this size in inches."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout=layout, facecolor="none")


def panels_of(n: int, height: float, columns: int = 4) -> tuple[Figure, list[Axes]]:
    """Small multiples, at most so many to a row."""
    n_rows = -(-n // columns)
    n_columns = -(-n // n_rows)
    figure = new_figure(max(3.4, WIDE * n_columns / columns), height * n_rows + 0.3)
    panels = figure.subplots(n_rows, n_columns, squeeze=False).ravel().tolist()
    for axes in panels[n:]:
        axes.axis("off")
    return figure, panels[:n]


def style_axes(axes: Axes, title: str = "", xlabel: str = "", ylabel: str = "") -> None:
    """Plain axes: no box, thin lines, quiet ticks."""
    axes.set_facecolor("none")
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(GRID)
    axes.tick_params(colors=GRID, labelcolor=MUTED, labelsize=TICK, length=3)
    axes.set_title(plain(title), loc="left", fontsize=TITLE, color=INK)
    axes.set_xlabel(plain(xlabel), fontsize=LABEL, color=INK)
    axes.set_ylabel(plain(ylabel), fontsize=LABEL, color=INK)


def legend_above(figure: Figure, axes: Axes, columns: int = 3) -> None:
    """Legend above the axes, in one line if it has no more entries than ``columns``."""
    handles, names = axes.get_legend_handles_labels()
    place: Any = "outside upper right"
    figure.legend(handles, names, loc=place, ncols=columns, frameon=False, fontsize=TICK, labelcolor=INK)


def whole_numbers(axes: Axes) -> None:
    """Ticks at whole numbers only."""
    from matplotlib.ticker import MaxNLocator

    axes.xaxis.set_major_locator(MaxNLocator("auto", integer=True))


def colorbar(figure: Figure, mappable: Any, axes: Any, label: str) -> None:
    """Scale of colours beside the axes."""
    bar = figure.colorbar(mappable, ax=axes, shrink=0.9, aspect=24)
    bar.outline.set_visible(False)  # pyright: ignore[reportCallIssue]
    bar.ax.tick_params(colors=GRID, labelcolor=MUTED, labelsize=TICK, length=3)
    bar.set_label(plain(label), fontsize=LABEL, color=INK)


def sequential() -> Any:
    """Viridis without its ends, which would vanish on a dark or on a light page."""
    import matplotlib
    from matplotlib.colors import ListedColormap

    return ListedColormap(matplotlib.colormaps["viridis"](np.linspace(0.15, 0.92, 256)))


def limits(*values: np.ndarray) -> tuple[float, float]:
    """Range of all values, with a small margin."""
    low, high = min(float(v.min()) for v in values), max(float(v.max()) for v in values)
    pad = 0.04 * (high - low) or 0.5
    return low - pad, high + pad


def short(text: str, most: int = 20) -> str:
    """Text cut to a length."""
    return text if len(text) <= most else text[: most - 1] + "…"


def plain(text: str) -> str:
    """Text that matplotlib shows as it is: a dollar sign would start a formula."""
    return " ".join(short(str(text), 60).replace("$", r"\$").split())
