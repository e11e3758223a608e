"""What a section of a report is made of, and how its numbers and figures are written."""

from __future__ import annotations

import base64
import io
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from markupsafe import Markup, escape

from isthmus.explore.style import FIRST, GRID, INK, MUTED, PAPER, SECOND

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_PIXELS_PER_INCH = 104
_RASTER_DPI = 170
_PNG_DPI = 200
_THEME = {INK: "ink", MUTED: "muted", GRID: "line", PAPER: "paper", FIRST: "accent", SECOND: "second"}


@dataclass
class Plate:
    """A figure with its file name, its text alternative and its caption."""

    name: str
    figure: Figure
    alt: str
    caption: str = ""


@dataclass
class Table:
    """Rows of text under a header; the first column names the row."""

    caption: str
    header: list[str]
    rows: list[list[str]]
    layout: Literal["numbers", "numbers dense", "settings", "metrics"] = "numbers"


@dataclass
class Section:
    """One part of the page, in the order in which its pieces are shown."""

    slug: str
    title: str
    intro: str
    plates: list[Plate] = field(default_factory=list)
    tables: list[Table] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    code: list[tuple[str, str]] = field(default_factory=list)
    warnings: list[str] | None = None


def number(value: float, digits: int = 4) -> str:
    """A number for people: thousands separated, a true minus sign, no needless digits."""
    if value != value:
        return "not defined"
    text = f"{value:,.0f}" if abs(value) >= 10**digits - 0.5 or float(value).is_integer() else f"{value:,.{digits}g}"
    return text.replace("-", "−")


def settle(figure: Figure) -> None:
    """Place the parts of a figure once; to do so again for each format would take most of the time."""
    figure.draw_without_rendering()
    figure.set_layout_engine("none")


def to_png(figure: Figure) -> bytes:
    """The figure on white, for slides and papers."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=_PNG_DPI, facecolor="white")
    return buffer.getvalue()


def data_uri(webp: bytes) -> str:
    """A WebP picture as the address of itself, so that a page needs no other file."""
    return "data:image/webp;base64," + base64.b64encode(webp).decode()


def to_svg(plate: Plate) -> Markup:
    """The figure as an element of a page, in the page's colours, with ids that no other figure has."""
    buffer = io.StringIO()
    plate.figure.savefig(buffer, format="svg", dpi=_RASTER_DPI, metadata={"Date": None})
    text = buffer.getvalue()
    body = text[text.index(">", text.index("<svg")) + 1 :]
    # Comments repeat the texts, metadata names the software, and a style element would leak into the page.
    body = re.sub(r"<!--.*?-->|<metadata>.*?</metadata>|<style.*?</style>", "", body, flags=re.DOTALL)
    for color, variable in _THEME.items():
        body = body.replace(color, f"var(--{variable})")
    body = _rename_ids(body, plate.name)
    width, height = plate.figure.get_size_inches()
    pixels = round(width * _PIXELS_PER_INCH)
    opening = (
        f'<svg role="img" aria-label="{escape(plate.alt)}" viewBox="0 0 {72 * width:g} {72 * height:g}" '
        f'style="width:{pixels}px;min-width:{round(0.6 * pixels)}px">'
    )
    # Safe: these are matplotlib's own elements, and it draws every text as a path.
    return Markup(opening + body)


def _rename_ids(body: str, prefix: str) -> str:
    """Number the ids that are referred to and drop the others."""
    used = dict.fromkeys(re.findall(r'(?:url\(#|href="#)([^)"]+)', body))
    short = {old: f"{prefix}-{i}" for i, old in enumerate(used)}
    body = re.sub(r' id="([^"]+)"', lambda m: f' id="{short[m[1]]}"' if m[1] in short else "", body)
    return re.sub(r'(url\(#|href="#)([^)"]+)', lambda m: m[1] + short[m[2]], body)
