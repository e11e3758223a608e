"""Putting the page together."""

from __future__ import annotations

import warnings
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from isthmus.files import atomic_write

if TYPE_CHECKING:
    from isthmus.data.samples import Samples
    from isthmus.models.base import BaseAutoencoder
    from isthmus.report.elements import Section
    from isthmus.report.view import View


def write_report(estimator: BaseAutoencoder, samples: Samples, folder: Path, *, run: str | None = None) -> Path:
    """Write a page about a fitted model: its data, training, reconstructions, code, samples and numbers.

    Everything is computed from at most 2,000 rows, chosen with a fixed seed.

    Parameters
    ----------
    estimator : BaseAutoencoder
        Fitted.
    samples : Samples
        Data of the shape that the estimator was fitted on; labels, if there are any, colour the figures.
    folder : Path
        Where to write ``report.html``, which needs no other file and no network, and ``figures/*.png``, the
        same figures for reuse. Existing files of those names are replaced.
    run : str, optional
        The run's folder as the user would type it, for the commands that the page ends with.

    Returns
    -------
    Path
        The page.

    Raises
    ------
    DataError
        The data do not fit the estimator, or there is not one label per row.
    """
    from sklearn.utils.validation import check_is_fitted

    from isthmus.report.elements import settle, to_png
    from isthmus.report.view import View

    check_is_fitted(estimator)
    folder = Path(folder)
    with warnings.catch_warnings():
        # The rows are an array even if the model was fitted on a DataFrame; an exotic letter in a name becomes a box.
        warnings.filterwarnings("ignore", message="X does not have valid feature names")
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        view = View(estimator, samples)
        sections = _sections(view, run)
        for section in sections:
            for plate in section.plates:
                settle(plate.figure)
        page = _render(view, sections)
        for section in sections:
            for plate in section.plates:
                atomic_write(folder / "figures" / f"{plate.name}.png", to_png(plate.figure))
    path = folder / "report.html"
    atomic_write(path, page.encode())
    return path


def _sections(view: View, run: str | None) -> list[Section]:
    from isthmus.report import results, sections

    own = [name.split(":") for name in view.estimator.report_sections]
    return [
        sections.data(view),
        sections.choices(view),
        sections.training(view),
        results.reconstructions(view),
        *(getattr(import_module(f"isthmus.report.{module}"), function)(view) for module, function in own),
        *(section(view) for section in ((results.no_code,) if view.restores else results.OF_THE_CODE)),
        results.numbers(view),
        results.warnings(view),
        results.next_steps(view, run),
    ]


def _render(view: View, sections: list[Section]) -> str:
    from isthmus.report.render import render
    from isthmus.report.sections import key_figures, subtitle

    return render(
        "report/page.html.j2",
        ("report/page.css",),
        kind="Model report",
        model=view.title,
        data=view.samples.name,
        subtitle=subtitle(view),
        key_figures=key_figures(view),
        sections=sections,
    )
