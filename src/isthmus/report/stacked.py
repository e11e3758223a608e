"""The section of a report about the stages of a stacked autoencoder."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from isthmus.explore import figures, pictures
from isthmus.report.elements import Plate, Section, Table, number

if TYPE_CHECKING:
    from isthmus.report.view import View

_MOST_PICTURES = 10


def stages(view: View) -> Section:
    """Loss of each stage, and what is left of the data after it."""
    estimator = view.estimator
    section = Section("stages", "Stage by stage", "This network was trained as one, from scratch, without its stages.")
    if not estimator.stages_:
        return section
    section.intro = (
        "The network is an autoencoder inside an autoencoder. Each stage was first trained by itself, to rebuild what "
        "the one before it made of the data."
    )
    if estimator.fine_tuning:
        section.intro += (
            " Then the whole was trained, which makes up for part of what the stages lost one by one: the outer ones "
            "learn to serve the inner ones. The last row of the table is this finished model."
        )
    section.plates.append(_curves(view))
    if view.info.is_picture and not estimator.fine_tuning:
        section.plates.append(_depths(view))
    section.tables.append(_table(view))
    return section


def _curves(view: View) -> Plate:
    trained = view.estimator.stages_
    histories = {f"stage {i}: {stage.n_in:,} to {stage.n_out:,}": stage.history for i, stage in enumerate(trained, 1)}
    figure = figures.stage_curves(histories, [stage.best_epoch for stage in trained])
    alt = f"Loss of {len(trained)} stages over their epochs"
    caption = "The titles say how many values a stage sees and makes. Losses of different stages are of different data."
    return Plate("stages", figure, alt, caption)


def _depths(view: View) -> Plate:
    trained, shown = view.estimator.stages_, view.rows[:_MOST_PICTURES]
    rebuilt = [
        view.estimator.reconstruct(shown, stage=i + 1).reshape(-1, *view.info.shape) for i in range(len(trained))
    ]
    tiles = [view.colours(events) for events in (view.events[:_MOST_PICTURES], *rebuilt)]
    labels = ["original", *(f"{stage.n_out:,} values" for stage in trained)]
    figure = pictures.picture_table(np.stack(tiles), row_labels=labels)
    alt = f"Pictures rebuilt after each of {len(trained)} stages"
    return Plate("depths", figure, alt, "Pictures chosen at random, rebuilt from what each stage leaves of them.")


def _table(view: View) -> Table:
    estimator = view.estimator
    rows = [
        [
            str(i),
            f"{stage.n_in:,} to {stage.n_out:,}",
            str(stage.n_epochs),
            number(min(stage.losses)),
            f"{stage.r2:.3f}",
        ]
        for i, stage in enumerate(estimator.stages_, start=1)
    ]
    if estimator.fine_tuning:
        epochs, best = len(estimator.history_["epoch"]), estimator.best_epoch_
        loss = estimator.history_.get("val_loss", estimator.history_["train_loss"])[best - 1]
        widths = f"{view.info.n_values:,} to {estimator.latent_dim_:,}"
        rows.append(["all", widths, str(epochs), number(loss), f"{view.metrics['r2']:.3f}"])
    caption = (
        "R²: share of the variance of the data that survives the way through this stage and those above it and back"
    )
    return Table(caption, ["Stage", "Values", "Epochs", "Loss", "R²"], rows)
