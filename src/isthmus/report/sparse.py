"""The sections of a report about a sparse code and its dictionary."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from isthmus.evaluate.sparsity import firing
from isthmus.explore import pictures
from isthmus.explore import sparsity as figures
from isthmus.report.elements import Plate, Section, Table, number

if TYPE_CHECKING:
    from isthmus.report.view import View

MOST_ATOMS, PER_ROW = 60, 12
MOST_BARS, MOST_COLUMNS = 24, 20
MOST_EXAMPLES, MOST_INPUTS = 6, 8
_FEWEST = 3


def sparsity(view: View) -> Section:
    """How many latents a row activates, and how often each latent is active."""
    width = view.estimator.latent_dim_
    counts, rates = firing(view.estimator.module_, view.events)
    dead = int((rates == 0).sum())
    low, high = np.quantile(counts, [0.05, 0.95])
    middle = "nine in ten" if low < high else "nearly all" if counts.std() else "all"
    span = f"{low:.0f}" if low == high else f"{low:.0f} to {high:.0f}"
    caption = (
        f"Left: {middle} of the {len(counts):,} rows activate {span} of {width:,} latents, "
        f"{counts.mean():.3g} on average. Right: on a logarithmic scale, the latents by how often they are active; "
        f"{dead:,} {'is' if dead == 1 else 'are'} active for none of these rows."
    )
    plate = Plate("sparsity", figures.activity(counts, rates), f"Active latents of {len(counts):,} rows", caption)
    intro = (
        "A sparse code explains each row with a few of its many latents. Rows that use many are the complicated ones. "
        "A latent that is active everywhere says little; one that is never active is dead and says nothing."
    )
    return Section("sparsity", "How sparse the code is", intro, plates=[plate])


def dictionary(view: View) -> Section:
    """What the latents stand for."""
    used = _most_used(view)
    intro = (
        "What each latent adds to a row when it is active at its usual strength and all others are off: the parts that "
        "the data are made of. Parts that can be named are a good sign; parts that look like whole rows, or like "
        "noise, are a sign of too few rows or too few active latents."
    )
    section = Section("dictionary", "The dictionary", intro)
    if not len(used):
        section.intro = "No latent is active for any of these rows, so there is nothing to show."
        return section
    parts = _parts(view, used[:MOST_ATOMS])
    examples = _spread(used, view)
    if view.info.is_picture:
        section.plates += [_atoms(view, parts), _inputs(view, examples)]
    else:
        section.plates.append(_map(view, used, parts))
        section.tables.append(_strongest(view, examples))
    return section


def _most_used(view: View) -> np.ndarray:
    """Latents that are active at all, the most used first."""
    rates = (view.codes != 0).mean(0)
    order = np.argsort(-rates, kind="stable")
    return order[rates[order] > 0]


def _parts(view: View, latents: np.ndarray) -> np.ndarray:
    """What each latent adds, at the mean of its values where it is active, in the data's own units."""
    sums, counts = view.codes[:, latents].sum(0), (view.codes[:, latents] != 0).sum(0)
    alone = np.zeros((len(latents) + 1, view.codes.shape[1]), np.float32)
    alone[np.arange(len(latents)), latents] = sums / counts
    decoded = view.decode(alone).astype(np.float64)
    return decoded[:-1] - decoded[-1]


def _spread(used: np.ndarray, view: View) -> np.ndarray:
    """A few latents, from the most to the least used of those that are active more than once or twice."""
    often = used[(view.codes[:, used] != 0).sum(0) >= min(_FEWEST, len(view.codes))]
    often = often if len(often) else used
    return often[np.unique(np.linspace(0, len(often) - 1, MOST_EXAMPLES).round().astype(int))]


def _atoms(view: View, parts: np.ndarray) -> Plate:
    limit = float(np.quantile(np.abs(parts), 0.995)) or 1.0
    figure = pictures.picture_grid(pictures.difference_rgb(parts, limit), PER_ROW)
    caption = (
        f"The {len(parts)} latents that are used most, in the order of their use. Red: the latent makes the pixel "
        f"brighter; blue: darker; full colour at {number(limit, 2)}."
    )
    return Plate("dictionary", figure, f"Atoms of {len(parts)} latents as pictures", caption)


def _inputs(view: View, latents: np.ndarray) -> Plate:
    parts = _parts(view, latents)
    limit = float(np.quantile(np.abs(parts), 0.995)) or 1.0
    n = min(MOST_INPUTS, len(view.codes))
    tiles = np.full((len(latents), n + 1, *pictures.difference_rgb(parts[:1], limit).shape[1:]), np.nan)
    tiles[:, 0] = pictures.difference_rgb(parts, limit)
    for i, latent in enumerate(latents):
        rows = _top_rows(view, latent, n)
        tiles[i, 1 : len(rows) + 1] = view.colours(view.events[rows])
    labels = [f"{latent} ({_share(view, latent)})" for latent in latents]
    columns = ["adds", "strongest for", *[""] * (n - 1)]
    figure = pictures.picture_table(tiles, row_labels=labels, column_labels=columns)
    caption = (
        f"{len(latents)} latents by their numbers, from the most to the least used, with what each adds and the rows "
        "for which it is strongest. In brackets: how many of the rows activate it."
    )
    return Plate("top-inputs", figure, f"Rows that activate {len(latents)} latents most", caption)


def _map(view: View, used: np.ndarray, parts: np.ndarray) -> Plate:
    shown = (parts / view.feature_sd)[:MOST_BARS]
    columns = np.sort(np.argsort(-np.abs(shown).max(0), kind="stable")[:MOST_COLUMNS])
    names = [view.feature_names[j] for j in columns]
    figure = figures.atom_map(shown[:, columns], [str(latent) for latent in used[: len(shown)]], names)
    caption = f"The {len(shown)} latents that are used most."
    if len(columns) < view.info.n_values:
        caption += f" The {len(columns)} of {view.info.n_values:,} columns that answer most."
    return Plate("dictionary", figure, f"What {len(shown)} latents add to {len(columns)} columns", caption)


def _strongest(view: View, latents: np.ndarray) -> Table:
    rows = []
    for latent, part in zip(latents, _parts(view, latents) / view.feature_sd, strict=True):
        strongest = np.argsort(-np.abs(part), kind="stable")[:3]
        moved = ", ".join(f"{view.feature_names[j]} {part[j]:+.1f}".replace("-", "−") for j in strongest)
        top = ", ".join(f"{view.row_numbers[row]:,}" for row in _top_rows(view, latent, 5))
        rows.append([f"latent {latent}", _share(view, latent), moved, top])
    caption = "A few latents, from the most to the least used"
    return Table(caption, ["", "Active for", "Adds most to (sd)", "Strongest rows (from 0)"], rows, "settings")


def _top_rows(view: View, latent: int, n: int) -> np.ndarray:
    order = np.argsort(-view.codes[:, latent], kind="stable")[:n]
    return order[view.codes[order, latent] > 0]


def _share(view: View, latent: int) -> str:
    return f"{100 * float((view.codes[:, latent] != 0).mean()):.2g} %"
