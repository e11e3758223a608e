"""What a chapter of the tour is made of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from isthmus.report.elements import Plate, Table

if TYPE_CHECKING:
    from isthmus.tour.guide import Guide


@dataclass(frozen=True)
class Claim:
    """One measured number and the sentence that it belongs to."""

    value: str
    text: str


@dataclass(frozen=True)
class Film:
    """A moving picture as the bytes of a file, with a still one for those who want nothing to move."""

    webp: bytes
    still: bytes
    width: int
    alt: str
    caption: str = ""


@dataclass
class Page:
    """What a chapter shows: its sentences, the code a user would type, its pictures, and what was measured."""

    text: str
    code: str
    claims: list[Claim]
    plates: list[Plate] = field(default_factory=list)
    films: list[Film] = field(default_factory=list)
    tables: list[Table] = field(default_factory=list)


@dataclass(frozen=True)
class Chapter:
    """A chapter that has yet to be run.

    Parameters
    ----------
    slug : str
        Name on the command line and in links.
    title : str
        Heading.
    run : callable
        From `Guide` to `Page`.
    """

    slug: str
    title: str
    run: Callable[[Guide], Page]
