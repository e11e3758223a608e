"""The whole family explained by running it, as one page."""

from __future__ import annotations

import os
import shlex
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from isthmus.files import atomic_write, make_folder

if TYPE_CHECKING:
    from isthmus.tour.chapter import Chapter, Page
    from isthmus.tour.guide import Guide

__all__ = ["chapter_names", "write_tour"]


def chapter_names() -> list[str]:
    """Names of the chapters, in their order."""
    from isthmus.tour.chapters import CHAPTERS

    return [chapter.slug for chapter in CHAPTERS]


def write_tour(
    path: Path,
    *,
    chapters: Sequence[str] = (),
    quick: bool = False,
    data: str = "digits",
    resize: str | None = None,
    progress: Callable[[str], None] = lambda text: None,
) -> Path:
    """Train the models of the tour, measure what it claims, and write it all as one HTML file.

    Parameters
    ----------
    path : Path
        The file, which needs no other file and no network; an existing one is replaced once there is a page.
    chapters : sequence of str
        Names of the chapters to run, by default all; they keep their order.
    quick : bool
        Whether to train for half as long.
    data : str
        Pictures for the chapters that suit any, as for ``isthmus fit``. Chapters about faces always use drawn ones.
    resize : str, optional
        Size to bring these pictures to, such as "28x28".
    progress : callable
        Gets a line of text whenever a chapter begins, such as "1 of 19: An encoder and a decoder".

    Returns
    -------
    Path
        The page.

    Raises
    ------
    ParameterError
        There is no chapter of that name.
    DataError, DataSourceError
        The data are not pictures, are too large, or cannot be read.
    RunError
        The file cannot be written.
    KeyboardInterrupt
        After Ctrl-C. If chapters were finished they are in the file, and a note of the exception says so.
    """
    from isthmus.data import load
    from isthmus.errors import RunError
    from isthmus.tour.guide import Guide

    chosen = _choose(chapters)
    if path.is_dir():
        raise RunError(f"{path} is a folder; the page needs the name of a file")
    guide = Guide(load(data) if resize is None else load(data, resize=resize), quick)
    # Before the trainings, not after minutes of them.
    make_folder(path.parent)
    if not os.access(path.parent, os.W_OK):
        raise RunError(f"cannot write into {path.parent}; choose another place for the page")
    command = _command(chapters=",".join(chapters), quick=quick, data=data, resize=resize)
    started, pages = time.monotonic(), []

    def write() -> None:
        atomic_write(path, _render(pages, time.monotonic() - started, guide.name, command).encode())

    try:
        for position, chapter in enumerate(chosen, 1):
            progress(f"{position} of {len(chosen)}: {chapter.title}")
            pages.append((chapter, _run(chapter, guide)))
    except BaseException as error:
        if pages:
            write()
            error.add_note(f"{len(pages)} of {len(chosen)} chapters were finished, and are in {path}")
        raise
    write()
    return path


def _choose(names: Sequence[str]) -> list[Chapter]:
    from isthmus.errors import ParameterError
    from isthmus.tour.chapters import CHAPTERS

    unknown = [name for name in names if name not in chapter_names()]
    if unknown:
        raise ParameterError(f"there is no chapter {unknown[0]!r}; choose from {', '.join(chapter_names())}")
    return [chapter for chapter in CHAPTERS if not names or chapter.slug in names]


def _run(chapter: Chapter, guide: Guide) -> Page:
    from isthmus.errors import IsthmusError
    from isthmus.report.elements import settle
    from isthmus.tour.chapter import Page

    try:
        page = chapter.run(guide)
    except IsthmusError as error:
        return Page(text=f"This chapter was left out: {error}.", code="", claims=[])
    for plate in page.plates:
        settle(plate.figure)
    return page


def _command(**options: str | bool | None) -> str:
    """What to type for this page; what is as usual goes without saying."""
    words = ["isthmus", "tour"]
    for name, value in options.items():
        if value and (name, value) != ("data", "digits"):
            words += [f"--{name}"] if value is True else [f"--{name}", str(value)]
    return shlex.join(words)


def _render(pages: list[tuple[Chapter, Page]], seconds: float, data: str, command: str) -> str:
    import torch

    from isthmus.report.render import render

    threads = torch.get_num_threads()
    return render(
        "tour/page.html.j2",
        ("report/page.css", "tour/tour.css"),
        chapters=pages,
        took=f"made in {seconds / 60:.1f} minutes on {threads} thread{'s' if threads > 1 else ''}",
        data=data,
        command=command,
    )
