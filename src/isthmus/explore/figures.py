"""Figures of data, codes and training, each a plain matplotlib ``Figure`` to save or to show.

They use matplotlib's objects only: no window is opened and no global style is changed. The background
is transparent, and lines and letters have a few colours of their own, so that a page can swap these for
those of its light or dark theme.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from isthmus.report.labels import Labels

INK, MUTED, GRID, PAPER = "#1c2733", "#6a7686", "#d8dee6", "#fdfdfe"
FIRST, SECOND = "#2b7bcb", "#d9700c"
# After the ten colours of Petroff (2021, arXiv:2107.02270), which stay apart under colour-vision deficiencies; the
# darkest and the palest are moved towards the middle, to be seen on a dark and on a light page.
CLASSES = (
    "#3f90da", "#ffa90e", "#d62f0f", "#94a4a2", "#9443c8",
    "#a96b59", "#e76300", "#b9ac70", "#717581", "#5cc4c9",
)  # fmt: skip
_DIVERGING = "RdBu_r"
_WIDE = 8.4
_TITLE, _LABEL, _TICK = 10.0, 9.5, 8.5
_MOST_SIDE = 96


# ------------------------------------------------------------------ pictures


def to_rgb(pictures: np.ndarray, low: float, high: float) -> np.ndarray:
    """Pictures (n, H, W) or (n, H, W, C) as colours (n, H, W, 3) in [0, 1], clipped to [low, high].

    Three or four channels give red, green and blue; any other number is shown as its mean, in grey.
    Pictures larger than 96 pixels are thinned: a tile on a page can show no more.
    """
    step = max(1, max(pictures.shape[1:3]) // _MOST_SIDE)
    values = (np.asarray(pictures[:, ::step, ::step], dtype=np.float64) - low) / max(high - low, 1e-12)
    values = np.clip(values, 0, 1)
    values = values[..., None] if values.ndim == 3 else values
    if values.shape[-1] in (3, 4):
        return values[..., :3]
    return np.repeat(values.mean(-1, keepdims=True), 3, axis=-1)


def difference_rgb(difference: np.ndarray, limit: float) -> np.ndarray:
    """Signed differences (n, H, W[, C]) as colours: blue at ``-limit``, white at 0, red at ``limit``."""
    import matplotlib

    step = max(1, max(difference.shape[1:3]) // _MOST_SIDE)
    values = np.asarray(difference[:, ::step, ::step], dtype=np.float64)
    values = values.mean(-1) if values.ndim == 4 else values
    return matplotlib.colormaps[_DIVERGING](0.5 + 0.5 * np.clip(values / max(limit, 1e-12), -1, 1))[..., :3]


def picture_table(
    tiles: np.ndarray,
    *,
    row_labels: Sequence[str] = (),
    column_labels: Sequence[str] = (),
    group: int | None = None,
) -> Figure:
    """Pictures in rows and columns.

    Parameters
    ----------
    tiles : ndarray of shape (rows, columns, H, W, 3)
        Colours in [0, 1]; NaN leaves a tile empty.
    row_labels, column_labels : sequence of str
        Written beside and above; a column label starts at the left of its column.
    group : int, optional
        Columns that belong together; a wider gap follows each such group.
    """
    n_rows, n_columns, height, width = tiles.shape[:4]
    gap = max(1, round(min(height, width) / 14))
    left = np.array([j * (width + gap) + (j // group if group else 0) * 3 * gap for j in range(n_columns)])
    size = (n_rows * (height + gap) - gap, int(left[-1]) + width)
    mosaic = np.zeros((*size, 4))
    for i in range(n_rows):
        for j in range(n_columns):
            tile = tiles[i, j]
            alpha = np.isfinite(tile[..., :1]).astype(float)
            part = np.concatenate([np.nan_to_num(tile), alpha], -1)
            mosaic[i * (height + gap) : i * (height + gap) + height, left[j] : left[j] + width] = part
    margin = (1.15 if row_labels else 0.02, 0.28 if column_labels else 0.02)
    scale = min((_WIDE - margin[0]) / size[1], 0.82 / max(height, width))
    figure = _figure(margin[0] + size[1] * scale + 0.02, margin[1] + size[0] * scale + 0.02, layout=None)
    whole = figure.get_size_inches()
    box = (margin[0] / whole[0], 0.02 / whole[1], size[1] * scale / whole[0], size[0] * scale / whole[1])
    axes = figure.add_axes(box)
    axes.imshow(mosaic, interpolation="none", extent=(0, size[1], size[0], 0), aspect="auto")
    axes.axis("off")
    for i, label in enumerate(row_labels):
        y = i * (height + gap) + height / 2
        axes.text(-0.1 / scale, y, _plain(label), ha="right", va="center", fontsize=_LABEL, color=INK)
    for j, label in enumerate(column_labels):
        axes.text(left[j], -0.08 / scale, _plain(label), ha="left", va="bottom", fontsize=_LABEL, color=INK)
    return figure


def picture_grid(tiles: np.ndarray, n_columns: int) -> Figure:
    """Pictures (n, H, W, 3) row by row."""
    n_columns = min(n_columns, len(tiles))
    n_rows = -(-len(tiles) // n_columns)
    filled = np.full((n_rows * n_columns, *tiles.shape[1:]), np.nan)
    filled[: len(tiles)] = tiles
    return picture_table(filled.reshape(n_rows, n_columns, *tiles.shape[1:]))


# ------------------------------------------------------------------ training


def loss_curves(history: Mapping[str, Sequence[float]], best_epoch: int = 0) -> Figure:
    """Every term of the loss over the epochs, in nats per sample, one panel per term.

    Parameters
    ----------
    history : mapping of str to sequence of float
        ``history_`` of an estimator: ``epoch``, ``train_<term>`` and perhaps ``val_<term>``.
    best_epoch : int
        Marked, if not 0.
    """
    terms = loss_terms(history)
    n_rows = -(-len(terms) // 3)
    n_columns = min(3, len(terms))
    figure = _figure(_WIDE if n_columns > 1 else 6.4, 2.9 * n_rows)
    panels = figure.subplots(n_rows, n_columns, squeeze=False).ravel()
    for axes, term in zip(panels, terms, strict=False):
        _curves(axes, history, term, best_epoch)
    for axes in panels[len(terms) :]:
        axes.axis("off")
    _legend_above(figure, panels[0])
    return figure


def loss_terms(history: Mapping[str, Sequence[float]]) -> list[str]:
    """Terms to draw: the loss first, and its parts where they are more than the loss itself."""
    terms = [name.removeprefix("train_") for name in history if name.startswith("train_")]
    parts = [term for term in terms if term != "loss"]
    same = len(parts) == 1 and list(history[f"train_{parts[0]}"]) == list(history["train_loss"])
    return ["loss"] if same else ["loss", *parts]


def _curves(axes: Axes, history: Mapping[str, Sequence[float]], term: str, best_epoch: int) -> None:
    epochs = np.asarray(history["epoch"])
    _style(axes, title={"nll": "reconstruction (nll)", "kl": "divergence (kl)"}.get(term, term), xlabel="epoch")
    marker = "o" if len(epochs) == 1 else None
    drawn = []
    for part, name, color in (("train", "training", FIRST), ("val", "validation", SECOND)):
        if f"{part}_{term}" in history:
            drawn.append(np.asarray(history[f"{part}_{term}"], dtype=float))
            axes.plot(epochs, drawn[-1], color=color, lw=1.6, marker=marker, label=name)
    if best_epoch:
        axes.axvline(best_epoch, color=MUTED, lw=0.9, ls=(0, (4, 3)), label=f"best epoch, {best_epoch}")
    if term == "loss":
        axes.set_ylabel("nats per sample", fontsize=_LABEL, color=INK)
    _whole_numbers(axes)
    if len(epochs) > 4:
        axes.set_ylim(*_robust_range(drawn, max(0, best_epoch - 1)))


def _robust_range(curves: Sequence[np.ndarray], best: int) -> tuple[float, float]:
    """Range without the first twentieth and the extremes, so that the start does not flatten the rest."""
    first = max(1, len(curves[0]) // 20)
    tails = np.concatenate([curve[first:] for curve in curves])
    kept = [
        *np.quantile(tails, [0.0 if len(tails) < 50 else 0.01, 0.97]),
        *(c[best] for c in curves),
        *(c[-1] for c in curves),
    ]
    low, high = min(kept), max(kept)
    pad = 0.08 * (high - low) or 1.0
    return low - pad, high + pad


def spectrum(ratio: np.ndarray) -> Figure:
    """Share of the variance that each component explains (bars), and all so far (line)."""
    figure = _figure(6.4, 2.9)
    axes = figure.subplots()
    _style(axes, xlabel="component", ylabel="share of the variance")
    at = np.arange(1, len(ratio) + 1)
    axes.bar(at, ratio, color=FIRST, width=0.7, label="this component")
    axes.plot(at, np.cumsum(ratio), color=SECOND, lw=1.6, marker="o", ms=3.5, label="all so far")
    axes.set_ylim(0, 1.04)
    _whole_numbers(axes)
    axes.legend(frameon=False, fontsize=_TICK, labelcolor=INK)
    return figure


# ------------------------------------------------------------------ codes


def latent_scatter(
    codes: np.ndarray,
    labels: Labels | None = None,
    *,
    axis_labels: tuple[str, str] = ("latent 0", "latent 1"),
    prior: tuple[np.ndarray, np.ndarray] | None = None,
    label_name: str = "label",
) -> Figure:
    """Codes of shape (n, 2) as points, coloured by label; a prior (mean, sd) is drawn as ellipses."""
    figure = _figure(7.2, 5.0)
    axes = figure.subplots()
    _style(axes, xlabel=axis_labels[0], ylabel=axis_labels[1])
    spread = np.ptp(codes, axis=0)
    if spread.max() < 4 * spread.min():
        axes.set_aspect("equal", adjustable="datalim")
    dot: dict[str, Any] = {
        "s": 16 if len(codes) < 600 else 9,
        "alpha": 0.75,
        "linewidths": 0,
        "rasterized": True,
    }
    if labels is None:
        axes.scatter(*codes.T, color=FIRST, **dot)
    elif labels.names:
        for i, name in enumerate(labels.names):
            points = codes[labels.values == i]
            axes.scatter(*points.T, color=CLASSES[i], label=_plain(name), **dot)
            _name_cloud(axes, points, name)
    else:
        missing = ~np.isfinite(labels.values)
        axes.scatter(*codes[missing].T, color=MUTED, **dot)
        points = axes.scatter(*codes[~missing].T, c=labels.values[~missing], cmap=_sequential(), **dot)
        _colorbar(figure, points, axes, label_name)
    if prior is not None:
        _ellipses(axes, *prior)
    if prior is not None or (labels is not None and labels.names):
        axes.legend(
            loc="center left",
            bbox_to_anchor=(1.0, 0.5),
            frameon=False,
            fontsize=_LABEL,
            labelcolor=INK,
            markerscale=2.0,
        )
    return figure


def _name_cloud(axes: Axes, points: np.ndarray, name: str) -> None:
    """Write a class where most of it lies, so that colour is not the only way to tell."""
    from matplotlib.patheffects import withStroke

    halo = [withStroke(linewidth=2.5, foreground=PAPER)]
    middle = np.median(points, axis=0)
    text = _plain(_short(name, 14))
    axes.text(
        middle[0],
        middle[1],
        text,
        ha="center",
        va="center",
        fontsize=_LABEL,
        weight="bold",
        color=INK,
        path_effects=halo,
    )


def _ellipses(axes: Axes, mean: np.ndarray, sd: np.ndarray) -> None:
    from matplotlib.patches import Ellipse

    for k, style in ((1, "-"), (2, "--")):
        ellipse = Ellipse(
            (mean[0], mean[1]),
            2 * k * sd[0],
            2 * k * sd[1],
            fill=False,
            ec=INK,
            lw=1.1,
            ls=style,
            label=f"prior, {k} sd",
        )
        axes.add_patch(ellipse)


def latent_histogram(codes: np.ndarray, labels: Labels | None = None) -> Figure:
    """Codes of shape (n,) as a histogram, one outline per class."""
    figure = _figure(6.4, 3.0)
    axes = figure.subplots()
    _style(axes, xlabel="latent 0", ylabel="rows")
    edges = np.histogram_bin_edges(codes, bins=40)
    if labels is None or not labels.names:
        axes.hist(codes, bins=edges.tolist(), color=FIRST)
        return figure
    for i, name in enumerate(labels.names):
        part = codes[labels.values == i]
        axes.hist(part, bins=edges.tolist(), color=CLASSES[i], histtype="step", lw=1.8, label=_plain(name))
    axes.legend(frameon=False, fontsize=_TICK, labelcolor=INK, loc="center left", bbox_to_anchor=(1.0, 0.5))
    return figure


def latent_bars(values: np.ndarray, active: np.ndarray, ylabel: str) -> Figure:
    """One bar per latent, largest first; latents that are not ``active`` are grey."""
    order = np.argsort(values)[::-1]
    figure = _figure(_WIDE if len(values) > 8 else 5.6, 2.9)
    axes = figure.subplots()
    few = len(values) <= 32
    _style(axes, xlabel="latent" if few else "latents, largest first", ylabel=ylabel)
    for state, color, name in ((True, FIRST, "active"), (False, MUTED, "not active")):
        at = np.flatnonzero(active[order] == state)
        if len(at):
            axes.bar(at, values[order][at], color=color, width=0.7 if few else 1.0, label=name)
    if few:
        axes.set_xticks(range(len(values)), [str(i) for i in order])
    axes.set_xlim(-0.6, max(len(values), 4) - 0.4)
    axes.legend(frameon=False, fontsize=_TICK, labelcolor=INK)
    return figure


# ------------------------------------------------------------------ tables


def feature_scatter(original: np.ndarray, rebuilt: np.ndarray, names: Sequence[str], r2: Sequence[float]) -> Figure:
    """One panel per feature: reconstruction against original, with the line on which they agree."""
    figure, panels = _panels(len(names), 1.95)
    for j, axes in enumerate(panels):
        _style(axes, title=_short(names[j]))
        low, high = _limits(original[:, j], rebuilt[:, j])
        axes.plot([low, high], [low, high], color=MUTED, lw=0.9)
        axes.scatter(original[:, j], rebuilt[:, j], s=7, color=FIRST, alpha=0.5, linewidths=0, rasterized=True)
        axes.set_xlim(low, high)
        axes.set_ylim(low, high)
        axes.locator_params(nbins=4)
        note = f"R² {r2[j]:.3f}" if np.isfinite(r2[j]) else "constant"
        axes.text(0.05, 0.95, note, transform=axes.transAxes, va="top", fontsize=_TICK, color=INK)
    figure.supxlabel("original", fontsize=_LABEL, color=INK)
    figure.supylabel("reconstruction", fontsize=_LABEL, color=INK)
    return figure


def feature_histograms(data: np.ndarray, samples: np.ndarray, names: Sequence[str]) -> Figure:
    """One panel per feature: how the data (filled) and the model's samples (outline) are spread."""
    figure, panels = _panels(len(names), 1.8)
    for j, axes in enumerate(panels):
        _style(axes, title=_short(names[j]))
        edges = np.linspace(*_limits(data[:, j], np.quantile(samples[:, j], [0.005, 0.995])), 31).tolist()
        weight = [np.full(len(part), 1 / len(part)) for part in (data, samples)]
        axes.hist(data[:, j], bins=edges, weights=weight[0], color=FIRST, alpha=0.55, label="data")
        axes.hist(
            samples[:, j],
            bins=edges,
            weights=weight[1],
            color=SECOND,
            histtype="step",
            lw=1.6,
            label="samples",
        )
        axes.set_yticks([])
        axes.spines["left"].set_visible(False)
        axes.locator_params(axis="x", nbins=4)
    _legend_above(figure, panels[0])
    return figure


def response_maps(responses: np.ndarray, steps: np.ndarray, titles: Sequence[str], names: Sequence[str]) -> Figure:
    """How features answer to each latent.

    Parameters
    ----------
    responses : ndarray of shape (latents, features, steps)
        Change of each feature from its value at the middle, in standard deviations of that feature.
    steps : ndarray of shape (steps,)
        Where the latent was moved to, in standard deviations of its code.
    titles, names : sequence of str
        Latents and features.
    """
    n_rows = -(-len(titles) // 4)
    n_columns = -(-len(titles) // n_rows)
    figure = _figure(max(3.9, 1.2 + 1.8 * n_columns), n_rows * (1.1 + 0.21 * max(4, len(names))))
    panels = figure.subplots(n_rows, n_columns, squeeze=False, sharey=True)
    limit = float(np.clip(np.abs(responses).max(initial=0), 0.1, 3))
    image = None
    for i, axes in enumerate(panels.ravel()):
        if i >= len(titles):
            axes.axis("off")
            continue
        extent = (steps[0], steps[-1], len(names) - 0.5, -0.5)
        image = axes.imshow(
            responses[i],
            cmap=_DIVERGING,
            vmin=-limit,
            vmax=limit,
            aspect="auto",
            interpolation="none",
            extent=extent,
        )
        _style(axes, title=titles[i])
        axes.spines[:].set_visible(False)
        axes.set_yticks(range(len(names)), [_plain(_short(name)) for name in names])
    figure.supxlabel("move of the latent, in sd", fontsize=_LABEL, color=INK)
    _colorbar(figure, image, panels.ravel().tolist(), "change, in sd")
    return figure


# ------------------------------------------------------------------ style


def _figure(width: float, height: float, layout: Any = "constrained") -> Figure:
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout=layout, facecolor="none")


def _panels(n: int, height: float) -> tuple[Figure, list[Axes]]:
    """Small multiples, at most four to a row."""
    n_rows = -(-n // 4)
    n_columns = -(-n // n_rows)
    figure = _figure(max(3.4, _WIDE * n_columns / 4), height * n_rows + 0.3)
    panels = figure.subplots(n_rows, n_columns, squeeze=False).ravel().tolist()
    for axes in panels[n:]:
        axes.axis("off")
    return figure, panels[:n]


def _style(axes: Axes, title: str = "", xlabel: str = "", ylabel: str = "") -> None:
    axes.set_facecolor("none")
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(GRID)
    axes.tick_params(colors=GRID, labelcolor=MUTED, labelsize=_TICK, length=3)
    axes.set_title(_plain(title), loc="left", fontsize=_TITLE, color=INK)
    axes.set_xlabel(_plain(xlabel), fontsize=_LABEL, color=INK)
    axes.set_ylabel(_plain(ylabel), fontsize=_LABEL, color=INK)


def _legend_above(figure: Figure, axes: Axes) -> None:
    handles, names = axes.get_legend_handles_labels()
    place: Any = "outside upper right"
    figure.legend(handles, names, loc=place, ncols=3, frameon=False, fontsize=_TICK, labelcolor=INK)


def _whole_numbers(axes: Axes) -> None:
    from matplotlib.ticker import MaxNLocator

    axes.xaxis.set_major_locator(MaxNLocator("auto", integer=True))


def _colorbar(figure: Figure, mappable: Any, axes: Any, label: str) -> None:
    bar = figure.colorbar(mappable, ax=axes, shrink=0.9, aspect=24)
    bar.outline.set_visible(False)  # pyright: ignore[reportCallIssue]
    bar.ax.tick_params(colors=GRID, labelcolor=MUTED, labelsize=_TICK, length=3)
    bar.set_label(_plain(label), fontsize=_LABEL, color=INK)


def _sequential() -> Any:
    """Viridis without its ends, which would vanish on a dark or on a light page."""
    import matplotlib
    from matplotlib.colors import ListedColormap

    return ListedColormap(matplotlib.colormaps["viridis"](np.linspace(0.15, 0.92, 256)))


def _limits(*values: np.ndarray) -> tuple[float, float]:
    low, high = min(float(v.min()) for v in values), max(float(v.max()) for v in values)
    pad = 0.04 * (high - low) or 0.5
    return low - pad, high + pad


def _short(text: str, most: int = 20) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"


def _plain(text: str) -> str:
    """Text that matplotlib shows as it is: a dollar sign would start a formula."""
    return " ".join(_short(str(text), 60).replace("$", r"\$").split())
