"""The sections of a report about the data and the training; `results` has those about the model."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING

import numpy as np

from isthmus.data.info import describe_data
from isthmus.data.streams import Rows
from isthmus.explore import figures, pictures
from isthmus.report.elements import Plate, Section, Table, number
from isthmus.report.labels import count_classes, is_continuous

if TYPE_CHECKING:
    from isthmus.report.view import View

MOST_COLUMNS = 20


def subtitle(view: View) -> str:
    """What kind of model it is, in the words of its class."""
    text = inspect.getdoc(type(view.estimator)) or ""
    return text.partition("\n\n")[0].replace("\n", " ")


def key_figures(view: View) -> list[tuple[str, str, str]]:
    """The few numbers to look at first: (label, value, unit or remark)."""
    metrics, estimator = view.metrics, view.estimator
    found = []
    for key, label in (
        ("log_likelihood", "Log-likelihood"),
        ("elbo", "ELBO"),
        ("reconstruction_nll", "Reconstruction NLL"),
    ):
        if key in metrics:
            found.append((label, number(metrics[key]), "nats per sample"))
            break
    found.append(("Bits per dimension", number(metrics["bits_per_dim"], 3), "lower is better"))
    r2 = "> 0.999" if 0.9995 < metrics["r2"] < 1 else number(metrics["r2"], 3)
    found.append(("Reconstruction R²", r2, "1 is perfect"))
    if "psnr" in metrics:
        found.append(("PSNR", number(metrics["psnr"], 3), "decibels"))
    if "l0" in metrics:
        found.append(("Active latents", number(metrics["l0"], 3), f"per row, of {estimator.latent_dim_:,}"))
    elif not view.restores:
        found.append(("Active units", number(metrics["active_units"]), f"of {estimator.latent_dim_:,} latents"))
    found.append(("Parameters", f"{estimator.n_parameters_:,}", "trained numbers"))
    if estimator.best_epoch_:
        found.append(("Best epoch", str(estimator.best_epoch_), f"of {len(estimator.history_['epoch'])}"))
    return found


def data(view: View) -> Section:
    """What the data are."""
    X, info = view.samples.X, view.info
    size = " × ".join(map(str, info.shape))
    facts = [
        ["Rows", f"{len(X):,}"],
        ["Rows trained on", f"{info.n_samples:,}"],
        ["One sample", f"{size} pixels" if info.is_picture else f"{size} columns"],
        ["Type", str(X.dtype)],
        ["Range in training", f"{number(info.low)} to {number(info.high)}"],
    ]
    if len(view.rows) < len(X):
        facts.append(["Rows in this report", f"{len(view.rows):,}, chosen at random"])
    section = Section(
        "data",
        "The data",
        "What the model was given. Check that size, type and range are what you expect: most surprises further "
        "down start here.",
        tables=[Table("The data at a glance", ["What", "Value"], facts)],
    )
    if info.is_picture:
        section.plates.append(_some_pictures(view))
    else:
        section.tables.append(_columns(view))
    if view.samples.y is not None:
        section.tables.append(_classes(np.asarray(view.samples.y)))
    return section


def _some_pictures(view: View) -> Plate:
    shown = view.events[:20]
    figure = pictures.picture_grid(view.colours(shown), 10)
    return Plate("data", figure, f"{len(shown)} pictures of {view.samples.name}", "Pictures chosen at random.")


def _columns(view: View) -> Table:
    X = view.samples.X
    info = describe_data(X if isinstance(X, Rows) else X.reshape(len(X), -1)[:, :MOST_COLUMNS])
    moments = (values.reshape(-1)[:MOST_COLUMNS] for values in (info.mean, info.std, info.minimum, info.maximum))
    rows = [
        [name, *(number(float(v)) for v in values)]
        for name, values in zip(view.feature_names, zip(*moments, strict=True), strict=False)
    ]
    left = view.info.n_values - len(rows)
    caption = "Columns" + (f", the first {len(rows)}; {left:,} more are not listed" if left else "")
    return Table(caption, ["Column", "Mean", "SD", "Min", "Max"], rows)


def _classes(y: np.ndarray) -> Table:
    if is_continuous(y):
        known = y[np.isfinite(y)].astype(float)
        values = [known.mean(), known.std(), known.min(), known.max()]
        return Table("Labels", ["", "Mean", "SD", "Min", "Max"], [["Label", *(number(float(v)) for v in values)]])
    counts = count_classes(y)
    shown = list(counts.items())[:MOST_COLUMNS]
    left = len(counts) - len(shown)
    rows = [[name, f"{count:,}", f"{100 * count / len(y):.1f} %"] for name, count in shown]
    return Table("Labels" + (f"; {left:,} more are not listed" if left else ""), ["Class", "Rows", "Share"], rows)


def choices(view: View) -> Section:
    """What "auto" decided."""
    rows = [[name, choice.value, choice.reason] for name, choice in view.estimator.choices_.items()]
    return Section(
        "choices",
        "What was chosen, and why",
        "Every setting with the value it came to. “As asked” means that you set it; the others were decided from "
        "the data, and can be set by their name.",
        tables=[Table("Settings of the model", ["Setting", "Value", "Reason"], rows, "settings")],
    )


def training(view: View) -> Section:
    """Loss curves, the spectrum of a closed-form model, or both."""
    estimator = view.estimator
    ratio = getattr(estimator, "explained_variance_ratio_", None)
    section = Section("training", "Training", "This model was not trained in epochs, so there are no loss curves.")
    if estimator.history_:
        section.intro = (
            "Costs in nats per sample over the passes through the data; lower is better. Both curves should fall and "
            "level off. Validation rows are never trained on: where their curve turns up while training still "
            "falls, the model learns its rows by heart. The weights of the best epoch are kept."
        )
        section.plates.append(_curves(view))
    elif ratio is not None:
        section.intro = "This model was solved in closed form, so there are no loss curves to read."
    if ratio is not None:
        figure = figures.spectrum(np.asarray(ratio))
        share = f"{100 * float(np.sum(ratio)):.1f} %"
        alt = f"Explained variance of {len(ratio)} components, {share} in all"
        caption = (
            f"Share of the variance that each component explains; all of them together explain {share}. "
            "Where the bars become flat, further components add little."
        )
        section.plates.append(Plate("spectrum", figure, alt, caption))
    return section


def _curves(view: View) -> Plate:
    history, best = view.estimator.history_, view.estimator.best_epoch_
    alt = f"Loss over {len(history['epoch'])} epochs, best epoch {best}"
    last = {part: history[f"{part}_loss"][best - 1] for part in ("train", "val") if f"{part}_loss" in history}
    names = {"train": "training", "val": "validation"}
    losses = " and ".join(f"{names[part]} {number(value)}" for part, value in last.items())
    caption = f"Loss at the best epoch, {best}: {losses} nats per sample."
    if len(history["epoch"]) > 4:
        caption += " The first epochs may lie outside the frame, so that the later ones can be read."
    return Plate("loss", figures.loss_curves(history, best), alt, caption)
