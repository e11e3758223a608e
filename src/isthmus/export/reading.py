"""Opening a run the way that the studio does, with the samples that a page is to have."""

from __future__ import annotations

from pathlib import Path

from isthmus.errors import DataSourceError, RunError
from isthmus.files import PARAMS
from isthmus.studio.library import Library, RunSummary
from isthmus.studio.opened import OpenedRun
from isthmus.studio.settings import Limits


class WithoutData(OpenedRun):
    """A run that is looked at without any data."""

    given = None  # pyright: ignore[reportAssignmentType]


def open_run(folder: Path, data: str | None, n_samples: int, name: str | None) -> tuple[OpenedRun, RunSummary]:
    """The run with at most ``n_samples`` of its data, or none of them.

    Raises
    ------
    RunError
        There is no run, or it cannot be read.
    DataSourceError
        The data cannot be read, or do not fit the model.
    """
    from isthmus.runs import run_source

    if not (folder / PARAMS).is_file():
        raise RunError(f"there is no run folder {folder}" if not folder.is_dir() else f"{folder} is not a run folder")
    (summary,) = Library((folder,)).list()
    if summary.problem:
        raise RunError(f"{folder}: {summary.problem}")
    name = name or folder.resolve().name
    limits = Limits(points=max(1, n_samples))
    if n_samples and (data is not None or run_source(folder) is not None):
        opened = OpenedRun(name, folder, data, limits)
        if opened.given is None:
            raise DataSourceError(
                f"{opened.data_problem}; name other data, or leave them out of the page with --samples 0"
            )
        return opened, summary
    opened = WithoutData(name, folder, None, limits)
    opened.data_problem = (
        "no data are part of this page" if n_samples == 0 else "the run does not say what its data were"
    )
    return opened, summary
