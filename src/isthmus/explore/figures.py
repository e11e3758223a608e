"""Figures of training, codes and tables, each a plain matplotlib ``Figure`` to save or to show."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from isthmus.explore.style import (
    CLASSES,
    FIRST,
    INK,
    LABEL,
    MUTED,
    PAPER,
    SECOND,
    TICK,
    TITLE,
    WIDE,
    colorbar,
    legend_above,
    limits,
    new_figure,
    panels_of,
    plain,
    sequential,
    short,
    style_axes,
    whole_numbers,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from isthmus.report.labels import Labels

_DIVERGING = "RdBu_r"


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
    figure = new_figure(WIDE if n_columns > 1 else 6.4, 2.9 * n_rows)
    panels = figure.subplots(n_rows, n_columns, squeeze=False).ravel()
    for axes, term in zip(panels, terms, strict=False):
        _curves(axes, history, term, best_epoch)
    for axes in panels[len(terms) :]:
        axes.axis("off")
    legend_above(figure, panels[0])
    return figure


def stage_curves(histories: Mapping[str, Mapping[str, Sequence[float]]], best_epochs: Sequence[int]) -> Figure:
    """Loss over the epochs of several trainings, each in a panel with its own axis.

    Parameters
    ----------
    histories : mapping of str to mapping
        Title of each training and its history, as for `loss_curves`.
    best_epochs : sequence of int
        Marked in each.
    """
    figure, panels = panels_of(len(histories), 2.5)
    for axes, (title, history), best in zip(panels, histories.items(), best_epochs, strict=True):
        _curves(axes, history, "loss", 0)
        axes.axvline(best, color=MUTED, lw=0.9, ls=(0, (4, 3)), label="best epoch")
        axes.set_title(plain(title), loc="left", fontsize=TITLE, color=INK)
        axes.set_ylabel("")
    panels[0].set_ylabel("nats per sample", fontsize=LABEL, color=INK)
    legend_above(figure, panels[0])
    return figure


def loss_terms(history: Mapping[str, Sequence[float]]) -> list[str]:
    """Terms to draw: the loss first, and its parts where they are more than the loss itself."""
    terms = [name.removeprefix("train_") for name in history if name.startswith("train_")]
    parts = [term for term in terms if term != "loss"]
    same = len(parts) == 1 and list(history[f"train_{parts[0]}"]) == list(history["train_loss"])
    return ["loss"] if same else ["loss", *parts]


def _curves(axes: Axes, history: Mapping[str, Sequence[float]], term: str, best_epoch: int) -> None:
    epochs = np.asarray(history["epoch"])
    style_axes(axes, title={"nll": "reconstruction (nll)", "kl": "divergence (kl)"}.get(term, term), xlabel="epoch")
    marker = "o" if len(epochs) == 1 else None
    drawn = []
    for part, name, color in (("train", "training", FIRST), ("val", "validation", SECOND)):
        if f"{part}_{term}" in history:
            drawn.append(np.asarray(history[f"{part}_{term}"], dtype=float))
            axes.plot(epochs, drawn[-1], color=color, lw=1.6, marker=marker, label=name)
    if best_epoch:
        axes.axvline(best_epoch, color=MUTED, lw=0.9, ls=(0, (4, 3)), label=f"best epoch, {best_epoch}")
    if term == "loss":
        axes.set_ylabel("nats per sample", fontsize=LABEL, color=INK)
    whole_numbers(axes)
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
    figure = new_figure(6.4, 2.9)
    axes = figure.subplots()
    style_axes(axes, xlabel="component", ylabel="share of the variance")
    at = np.arange(1, len(ratio) + 1)
    axes.bar(at, ratio, color=FIRST, width=0.7, label="this component")
    axes.plot(at, np.cumsum(ratio), color=SECOND, lw=1.6, marker="o", ms=3.5, label="all so far")
    axes.set_ylim(0, 1.04)
    whole_numbers(axes)
    axes.legend(frameon=False, fontsize=TICK, labelcolor=INK)
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
    figure = new_figure(7.2, 5.0)
    axes = figure.subplots()
    style_axes(axes, xlabel=axis_labels[0], ylabel=axis_labels[1])
    spread = np.ptp(codes, axis=0)
    if spread.max() < 4 * spread.min():
        axes.set_aspect("equal", adjustable="datalim")
    points = draw_codes(axes, codes, labels)
    if points is not None:
        colorbar(figure, points, axes, label_name)
    if prior is not None:
        draw_prior(axes, *prior)
    if prior is not None or (labels is not None and labels.names):
        axes.legend(
            loc="center left",
            bbox_to_anchor=(1.0, 0.5),
            frameon=False,
            fontsize=LABEL,
            labelcolor=INK,
            markerscale=2.0,
        )
    return figure


def draw_codes(axes: Axes, codes: np.ndarray, labels: Labels | None = None, *, names: bool = True) -> Any:
    """Draw codes (n, 2) as points; returns what a colour bar needs if the labels are continuous.

    The ``names`` of classes are written where most of each lies.
    """
    dot: dict[str, Any] = {
        "s": 16 if len(codes) < 600 else 9,
        "alpha": 0.75,
        "linewidths": 0,
        "rasterized": True,
    }
    if labels is None:
        axes.scatter(*codes.T, color=FIRST, **dot)
        return None
    if labels.names:
        for i, name in enumerate(labels.names):
            points = codes[labels.values == i]
            axes.scatter(*points.T, color=CLASSES[i], label=plain(name), **dot)
            if names:
                _name_cloud(axes, points, name)
        return None
    missing = ~np.isfinite(labels.values)
    axes.scatter(*codes[missing].T, color=MUTED, **dot)
    return axes.scatter(*codes[~missing].T, c=labels.values[~missing], cmap=sequential(), **dot)


def _name_cloud(axes: Axes, points: np.ndarray, name: str) -> None:
    """Write a class where most of it lies, so that colour is not the only way to tell."""
    from matplotlib.patheffects import withStroke

    halo = [withStroke(linewidth=2.5, foreground=PAPER)]
    middle = np.median(points, axis=0)
    text = plain(short(name, 14))
    axes.text(
        middle[0],
        middle[1],
        text,
        ha="center",
        va="center",
        fontsize=LABEL,
        weight="bold",
        color=INK,
        path_effects=halo,
    )


def draw_prior(axes: Axes, mean: np.ndarray, sd: np.ndarray) -> None:
    """Rings at one and two standard deviations of the prior."""
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
    figure = new_figure(6.4, 3.0)
    axes = figure.subplots()
    style_axes(axes, xlabel="latent 0", ylabel="rows")
    edges = np.histogram_bin_edges(codes, bins=40)
    if labels is None or not labels.names:
        axes.hist(codes, bins=edges.tolist(), color=FIRST)
        return figure
    for i, name in enumerate(labels.names):
        part = codes[labels.values == i]
        axes.hist(part, bins=edges.tolist(), color=CLASSES[i], histtype="step", lw=1.8, label=plain(name))
    axes.legend(frameon=False, fontsize=TICK, labelcolor=INK, loc="center left", bbox_to_anchor=(1.0, 0.5))
    return figure


def latent_bars(values: np.ndarray, active: np.ndarray, ylabel: str) -> Figure:
    """One bar per latent, largest first; latents that are not ``active`` are grey."""
    order = np.argsort(values)[::-1]
    figure = new_figure(WIDE if len(values) > 8 else 5.6, 2.9)
    axes = figure.subplots()
    few = len(values) <= 32
    style_axes(axes, xlabel="latent" if few else "latents, largest first", ylabel=ylabel)
    for state, color, name in ((True, FIRST, "active"), (False, MUTED, "not active")):
        at = np.flatnonzero(active[order] == state)
        if len(at):
            axes.bar(at, values[order][at], color=color, width=0.7 if few else 1.0, label=name)
    if few:
        axes.set_xticks(range(len(values)), [str(i) for i in order])
    axes.set_xlim(-0.6, max(len(values), 4) - 0.4)
    if not active.all():
        axes.legend(frameon=False, fontsize=TICK, labelcolor=INK, loc="lower right", bbox_to_anchor=(1, 1), ncols=2)
    return figure


# ------------------------------------------------------------------ tables


def feature_scatter(original: np.ndarray, rebuilt: np.ndarray, names: Sequence[str], r2: Sequence[float]) -> Figure:
    """One panel per feature: reconstruction against original, with the line on which they agree."""
    figure, panels = panels_of(len(names), 1.95)
    for j, axes in enumerate(panels):
        style_axes(axes, title=short(names[j]))
        low, high = limits(original[:, j], rebuilt[:, j])
        axes.plot([low, high], [low, high], color=MUTED, lw=0.9)
        axes.scatter(original[:, j], rebuilt[:, j], s=7, color=FIRST, alpha=0.5, linewidths=0, rasterized=True)
        axes.set_xlim(low, high)
        axes.set_ylim(low, high)
        axes.locator_params(nbins=4)
        note = f"R² {r2[j]:.3f}" if np.isfinite(r2[j]) else "constant"
        axes.text(0.05, 0.95, note, transform=axes.transAxes, va="top", fontsize=TICK, color=INK)
    figure.supxlabel("original", fontsize=LABEL, color=INK)
    figure.supylabel("reconstruction", fontsize=LABEL, color=INK)
    return figure


def feature_histograms(data: np.ndarray, samples: np.ndarray, names: Sequence[str]) -> Figure:
    """One panel per feature: how the data (filled) and the model's samples (outline) are spread."""
    figure, panels = panels_of(len(names), 1.8)
    for j, axes in enumerate(panels):
        style_axes(axes, title=short(names[j]))
        edges = np.linspace(*limits(data[:, j], np.quantile(samples[:, j], [0.005, 0.995])), 31).tolist()
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
    legend_above(figure, panels[0])
    return figure


def response_maps(
    responses: np.ndarray,
    steps: np.ndarray,
    titles: Sequence[str],
    names: Sequence[str],
    xlabel: str = "move of the latent, in sd",
) -> Figure:
    """How features answer to each latent.

    Parameters
    ----------
    responses : ndarray of shape (latents, features, steps)
        Change of each feature from its value at the middle, in standard deviations of that feature.
    steps : ndarray of shape (steps,)
        Where the latent was moved to, in standard deviations of its code.
    titles, names : sequence of str
        Latents and features.
    xlabel : str
        What the steps are.
    """
    n_rows = -(-len(titles) // 4)
    n_columns = -(-len(titles) // n_rows)
    figure = new_figure(max(3.9, 1.2 + 1.8 * n_columns), n_rows * (1.1 + 0.21 * max(4, len(names))))
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
        style_axes(axes, title=titles[i])
        axes.spines[:].set_visible(False)
        axes.set_yticks(range(len(names)), [plain(short(name)) for name in names])
    figure.supxlabel(xlabel, fontsize=LABEL, color=INK)
    colorbar(figure, image, panels.ravel().tolist(), "change, in sd")
    return figure
