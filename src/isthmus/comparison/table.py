"""A comparison as text, Markdown and CSV."""

from __future__ import annotations

import csv
import io
import math
from typing import TYPE_CHECKING

from isthmus.evaluate.catalogue import grouped, quantity
from isthmus.report.elements import number

if TYPE_CHECKING:
    from isthmus.comparison.result import Comparison

DATA = "data"
"""Name of the column of what reference rows get in place of samples."""

_ARROWS = {"higher": "↑", "lower": "↓", None: ""}


def cell(value: float | None, error: float | None) -> str:
    """A number, with its standard error to two digits and no more digits than that supports."""
    if value is None:
        return "–"
    if error is None or not math.isfinite(error) or error <= 0 or not math.isfinite(value):
        return number(value)
    places = max(0, 1 - math.floor(math.log10(error)))
    return f"{value:,.{places}f} ± {error:,.{places}f}".replace("-", "−")


def header(found: Comparison, keys: list[str]) -> list[str]:
    """Names of the columns: the models, and the data if some of the keys have a floor."""
    return [*found.table, *([DATA] if any(found.floor(key) for key in keys) else [])]


def cells(found: Comparison, key: str, keys: list[str]) -> list[str]:
    """Values of a key in these columns."""
    values = [cell(found.table[name].get(key), found.errors[name].get(key)) for name in found.table]
    floor = found.floor(key)
    if len(header(found, keys)) > len(values):
        values.append("" if floor is None else cell(*floor))
    return values


def as_text(found: Comparison) -> str:
    """For a terminal: a line for each number, a column for each model; a star marks the best."""
    keys = [key for group in found.groups.values() for key in group]
    lines = [["", *header(found, keys)]]
    for key in keys:
        values = cells(found, key, keys)
        stars = [" *" if found.best[key] == name else "  " for name in found.table]
        marked = [v + star for v, star in zip(values, [*stars, "  "], strict=False)]
        lines.append([f"{key} {_ARROWS[quantity(key).better]}".rstrip(), *marked])
    lines[0] = [lines[0][0], *(name + "  " for name in lines[0][1:])]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    text = [
        "  ".join([line[0].ljust(widths[0]), *(c.rjust(w) for c, w in zip(line[1:], widths[1:], strict=True))]).rstrip()
        for line in lines
    ]
    return "\n".join([*text, "", *legend(found), *found.notes])


def legend(found: Comparison) -> list[str]:
    """What the marks mean."""
    text = [
        f"{len(found.rows):,} rows of {found.source}; ↑ higher is better, ↓ lower is better; the best is marked "
        "where it leads by more than twice the standard error of the difference, and that is known"
    ]
    if found.extractor is not None:
        n = next(iter(found.table.values()))["n_generated"]
        text.append(
            f"samples: {n:,.0f} of each model, by features of {found.extractor.label}; {DATA}: rows of the reference "
            "in their place"
        )
    return text


def as_markdown(found: Comparison) -> str:
    """A table for each group, with the best in bold."""
    parts = []
    for group, keys in found.groups.items():
        names = header(found, keys)
        lines = [f"**{group}**", "", _line(["", *names]), _line(["---", *("---:" for _ in names)])]
        for key in keys:
            values = cells(found, key, keys)
            bold = [f"**{v}**" if found.best[key] == name else v for v, name in zip(values, names, strict=True)]
            lines.append(_line([f"{key} {_ARROWS[quantity(key).better]}".rstrip(), *bold]))
        parts.append("\n".join(lines))
    return "\n\n".join([*parts, *legend(found), *found.notes]) + "\n"


def _line(values: list[str]) -> str:
    return "| " + " | ".join(value.replace("|", "\\|") for value in values) + " |"


def as_csv(found: Comparison) -> str:
    """One line for each number: its value and standard error for each model, the floor, and the meaning."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    columns = [column for name in found.table for column in (name, f"{name} error")]
    writer.writerow(["metric", "group", "better", "best", *columns, DATA, f"{DATA} error", "meaning"])
    for group, keys in grouped(found.keys).items():
        for key in keys:
            values = [v for name in found.table for v in (found.table[name].get(key), found.errors[name].get(key))]
            known, floor = quantity(key), found.floor(key) or (None, None)
            writer.writerow([key, group, known.better, found.best[key], *values, *floor, known.meaning])
    return text.getvalue()
