"""The page of a comparison, and the files beside it."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from isthmus.comparison import figures
from isthmus.comparison.table import as_csv, as_markdown, cells, header, legend
from isthmus.evaluate.catalogue import quantity
from isthmus.files import atomic_write
from isthmus.report.elements import Plate, Section, Table, number, settle, to_png
from isthmus.report.render import render

if TYPE_CHECKING:
    from isthmus.comparison.result import Comparison

PAGE, TABLE, MARKDOWN, EXTRACTOR = "compare.html", "table.csv", "table.md", "extractor"

_TITLES = {
    "model": ("Reconstruction and likelihood", "What the models make of rows that they are given."),
    "representation": ("What can be read off the code", "Simple classifiers and clusters on the codes."),
    "disentanglement": (
        "Single latents for single factors",
        "Whether a latent stands for one of the factors that the data were made from. The scores measure different "
        "things; a ranking that only one of them supports is weak.",
    ),
    "samples": (
        "Samples beside the data",
        "How close new data of the models are to real ones, by the features that are named below. The dashed lines, "
        "and the column of the data, are rows of the reference in place of samples: no model can be expected to do "
        "better.",
    ),
}
_TILES, _MOST_COLUMNS, _DRAWN = 12, 8, 500


def write_comparison(found: Comparison, folder: Path) -> Path:
    """Write the page, the tables, the figures and the extractor into a folder; returns the page."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        sections = _sections(found)
        plates = [plate for section in sections for plate in section.plates]
        for plate in plates:
            settle(plate.figure)
        page = render(
            "report/page.html.j2",
            ("report/page.css",),
            kind="Comparison",
            model=f"{len(found.models)} models",
            data=found.source,
            subtitle=f"{', '.join(found.models)}: the same rows, the same seeds, the same features.",
            key_figures=_key_figures(found),
            sections=sections,
        )
        for plate in plates:
            atomic_write(folder / "figures" / f"{plate.name}.png", to_png(plate.figure))
    atomic_write(folder / TABLE, as_csv(found).encode())
    atomic_write(folder / MARKDOWN, as_markdown(found).encode())
    if found.extractor is not None:
        found.extractor.save(folder / EXTRACTOR)
    atomic_write(folder / PAGE, page.encode())
    return folder / PAGE


def _key_figures(found: Comparison) -> list[tuple[str, str, str]]:
    """The best model by the numbers that say most, where one is ahead."""
    shown = []
    for key, label in (("elbo", "ELBO"), ("r2", "Reconstruction R²"), ("linear_probe", "Linear probe"), ("fid", "FID")):
        best = found.best.get(key)
        if best is not None:
            shown.append((label, number(found.table[best][key], 3), best))
    return [*shown, ("Rows", f"{len(found.rows):,}", "the same for all")]


def _sections(found: Comparison) -> list[Section]:
    sections = [_numbers(found, group, keys) for group, keys in found.groups.items()]
    sections += [_samples(found), _reconstructions(found)]
    plane = _plane(found)
    if plane is not None:
        sections.append(plane)
    notes = Section("notes", "Notes", "How to read this.", warnings=_notes(found))
    return [*sections, _models(found), _meanings(found), notes]


def _numbers(found: Comparison, group: str, keys: list[str]) -> Section:
    from markupsafe import Markup, escape

    title, intro = _TITLES[group]
    names = header(found, keys)
    rows = []
    for key in keys:
        values = cells(found, key, keys)
        marked = [
            Markup(f"<strong>{escape(v)}</strong>") if found.best[key] == name else v
            for v, name in zip(values, names, strict=True)
        ]
        rows.append([key, *marked])
    drawn = [key for key in keys if quantity(key).better or found.floor(key)]
    alt = f"{len(drawn)} numbers of {len(found.models)} models"
    section = Section(group, title, intro)
    section.plates.append(Plate(f"numbers_{group}", figures.bars_figure(found, drawn), alt))
    section.tables.append(
        Table("Values, with standard errors where they are known", ["", *names], rows, "numbers dense")
    )
    return section


def _samples(found: Comparison) -> Section:
    from isthmus.evaluate.extras import draw

    section = Section("samples_shown", "New data", "Drawn from each model, with the same seed.")
    info = next(iter(found.models.values())).info_
    names = list(found.models)
    if info.is_picture:
        drawn = [draw(model, _TILES, found.random_state) for model in found.models.values()]
        figure = _rows_of_tiles([found.rows[:_TILES], *drawn], ["data", *names], info.display_range)
        section.plates.append(Plate("samples", figure, f"Data, and samples of {', '.join(names)}"))
        return section
    drawn = {name: draw(model, _DRAWN, found.random_state) for name, model in found.models.items()}
    columns = _columns(found)
    figure = figures.histograms_figure(found.rows[:, : len(columns)].astype(np.float64), drawn, columns)
    section.intro += " How each column is spread, for the data (filled) and for each model."
    section.plates.append(Plate("samples", figure, f"Histograms of {len(columns)} columns"))
    return section


def _reconstructions(found: Comparison) -> Section:
    from isthmus.evaluate.sparsity import variance_explained
    from isthmus.models.inference import rebuild

    section = Section("reconstructions", "Reconstructions", "The same rows, through the code of each model and back.")
    info = next(iter(found.models.values())).info_
    names = list(found.models)
    if info.is_picture:
        rebuilt = [rebuild(model.module_, found.rows[:_TILES]) for model in found.models.values()]
        figure = _rows_of_tiles([found.rows[:_TILES], *rebuilt], ["data", *names], info.display_range)
        section.plates.append(Plate("reconstructions", figure, f"Data, and reconstructions of {', '.join(names)}"))
        return section
    columns = _columns(found)
    r2 = [variance_explained(found.rows, rebuild(model.module_, found.rows)) for model in found.models.values()]
    rows = [[column, *(number(float(values[j]), 3) for values in r2)] for j, column in enumerate(columns)]
    caption = f"R² of each column, the first {len(columns)}" if info.n_values > len(columns) else "R² of each column"
    section.tables.append(Table(caption, ["Column", *names], rows))
    return section


def _columns(found: Comparison) -> list[str]:
    model = next(iter(found.models.values()))
    names = getattr(model, "feature_names_in_", None)
    known = [str(name) for name in names] if names is not None else [f"column {j}" for j in range(model.info_.n_values)]
    return known[:_MOST_COLUMNS]


def _rows_of_tiles(rows: list[np.ndarray], labels: list[str], limits: tuple[float, float]):
    from isthmus.explore.pictures import picture_table, to_rgb
    from isthmus.explore.style import short

    n = min(len(pictures) for pictures in rows)
    tiles = np.stack([to_rgb(pictures[:n], *limits) for pictures in rows])
    return picture_table(tiles, row_labels=[short(label, 14) for label in labels])


def _plane(found: Comparison) -> Section | None:
    """Rate and distortion of the models whose code has a cost: a distribution, or tokens."""
    points = {
        name: (values["rate"], values.get("distortion", values["reconstruction_nll"]))
        for name, values in found.table.items()
        if "rate" in values
    }
    if not points:
        return None
    alt = ", ".join(f"{name}: rate {number(r)}, distortion {number(d)}" for name, (r, d) in points.items())
    section = Section(
        "plane",
        "Rate and distortion",
        "How many nats the code carries, and how many are then missing to describe a row. Together they are what the "
        "bound is short of 0: models on one dashed line have the same bound, and differ in how much they leave to the "
        "code (Alemi et al., 2018). Towards the lower left is better.",
        plates=[Plate("plane", figures.plane_figure(points), alt)],
    )
    left = [name for name in found.models if name not in points]
    if left:
        section.plates[0].caption = f"Without {', '.join(left)}, whose code has no rate."
    return section


def _models(found: Comparison) -> Section:
    rows = []
    for name, model in found.models.items():
        likelihood = type(model.module_.likelihood).__name__.removesuffix("Likelihood")
        epochs = f"{model.best_epoch_} of {len(model.history_['epoch'])}" if model.best_epoch_ else "none"
        rows.append(
            [name, type(model).__name__, f"{model.latent_dim_:,}", f"{model.n_parameters_:,}", likelihood, epochs]
        )
    columns = ["Name", "Class", "Latents", "Parameters", "Likelihood", "Best epoch"]
    return Section("models", "The models", "What was compared.", tables=[Table("Models", columns, rows)])


def _meanings(found: Comparison) -> Section:
    keys = [key for group in found.groups.values() for key in group]
    rows = [[key, quantity(key).better or "", quantity(key).meaning] for key in keys]
    table = Table("Numbers", ["Number", "Better", "Meaning"], rows, "metrics")
    return Section("meaning", "What the numbers mean", "Each with its protocol and its source.", tables=[table])


def _notes(found: Comparison) -> list[str]:
    notes = [line[0].upper() + line[1:] + "." for line in legend(found)]
    notes += found.notes
    if found.extractor is not None and found.extractor.accuracy is not None and found.extractor.accuracy < 0.8:
        notes.append(
            f"The classifier whose features were used is right for {100 * found.extractor.accuracy:.0f} % of the rows "
            "that it was not trained on; features of a poor classifier say little."
        )
    return notes
