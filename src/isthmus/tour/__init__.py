"""The whole family explained by running it, as one page."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from isthmus.files import atomic_write

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
        The file, which needs no other file and no network; an existing one is replaced once the new one is whole.
    chapters : sequence of str
        Names of the chapters to run, by default all; they keep their order.
    quick : bool
        Whether to train for half as long.
    data : str
        Pictures for the chapters that suit any, as for ``isthmus fit``. Chapters about faces always use drawn ones.
    resize : str, optional
        Size to bring these pictures to, such as "28x28".
    progress : callable
        Gets a line of text whenever a chapter begins.

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
    KeyboardInterrupt
        After Ctrl-C; the page holds the chapters that were finished.
    """
    from isthmus.data import load
    from isthmus.tour.guide import Guide

    chosen = _choose(chapters)
    guide = Guide(load(data) if resize is None else load(data, resize=resize), quick)
    started, pages = time.monotonic(), []
    try:
        for position, chapter in enumerate(chosen, 1):
            progress(f"{position} of {len(chosen)}: {chapter.title}")
            pages.append((chapter, _run(chapter, guide)))
    finally:
        if pages:
            command = " ".join(["isthmus tour", *(["--quick"] if quick else [])])
            atomic_write(path, _render(pages, time.monotonic() - started, command).encode())
    return path


def _choose(names: Sequence[str]) -> list[Chapter]:
    from isthmus.errors import ParameterError
    from isthmus.tour.chapters import CHAPTERS

    unknown = [name for name in names if name not in chapter_names()]
    if unknown:
        raise ParameterError(f"there is no chapter {unknown[0]!r}; choose from {', '.join(chapter_names())}")
    return [chapter for chapter in CHAPTERS if not names or chapter.slug in names]


def _run(chapter: Chapter, guide: Guide) -> Page:
    from isthmus.errors import MissingExtraError
    from isthmus.report.elements import settle
    from isthmus.tour.chapter import Page

    try:
        page = chapter.run(guide)
    except MissingExtraError as error:
        return Page(text=f"This chapter was left out: {error}.", code="", claims=[])
    for plate in page.plates:
        settle(plate.figure)
    return page


def _render(pages: list[tuple[Chapter, Page]], seconds: float, command: str) -> str:
    import os

    from isthmus.report.render import render

    minutes = f"made in {seconds / 60:.1f} minutes on {os.cpu_count()} cores"
    return render(
        "tour/page.html.j2", ("report/page.css", "tour/tour.css"), chapters=pages, took=minutes, command=command
    )
