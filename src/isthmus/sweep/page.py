"""The page of a search."""

from __future__ import annotations

import math
import warnings
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from isthmus.evaluate.metrics import METRICS
from isthmus.files import atomic_write
from isthmus.report.elements import Plate, Section, Table, number, settle, to_png
from isthmus.report.render import render
from isthmus.sweep import figures
from isthmus.sweep.metric import Metric
from isthmus.sweep.space import Choices, Dimension, Range, show
from isthmus.sweep.table import TABLE, census, ranked, top

if TYPE_CHECKING:
    from optuna import Study

PAGE = "sweep.html"
_MOST_ROWS = 20
_FEW, _FEWEST = 30, 10
"""Complete trials below which importances are uncertain, and below which there are none."""
_EDGE = 0.05


@dataclass(frozen=True)
class Findings:
    """What a page tells.

    Parameters
    ----------
    model, data : str
        What was searched, on what.
    trials : list of dict
        As `read_trials` gives them.
    metric : Metric
        What was compared.
    space : dict of str to Dimension
        What was searched.
    importances : dict of str to float
        Empty if there are too few trials.
    code : list of (str, str)
        What to do next: a label and its commands.
    """

    model: str
    data: str
    trials: list[dict[str, Any]]
    metric: Metric
    space: dict[str, Dimension]
    importances: dict[str, float]
    code: list[tuple[str, str]]


def importances_of(study: Study, trials: list[dict[str, Any]]) -> dict[str, float]:
    """Optuna's importance of each parameter; empty where there are too few trials to tell, or one parameter."""
    import optuna

    values = [trial["value"] for trial in trials if trial["value"] is not None]
    if len(values) < _FEWEST or len(set(values)) < 2:
        return {}
    found = optuna.importance.get_param_importances(study)
    return {name: float(share) for name, share in found.items()} if len(found) > 1 else {}


def write_page(found: Findings, folder: Path) -> Path:
    """Write ``sweep.html`` and ``figures/*.png`` into the folder; there must be a complete trial."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        sections = [section for section in _sections(found) if section is not None]
        plates = [plate for section in sections for plate in section.plates]
        for plate in plates:
            settle(plate.figure)
        page = render(
            "report/page.html.j2",
            ("report/page.css",),
            kind="Search",
            model=found.model,
            data=found.data,
            subtitle=f"{len(found.trials)} trials, compared by {found.metric.name}: {found.metric.meaning}.",
            key_figures=_key_figures(found),
            sections=sections,
        )
        for plate in plates:
            atomic_write(folder / "figures" / f"{plate.name}.png", to_png(plate.figure))
    path = folder / PAGE
    atomic_write(path, page.encode())
    return path


def _key_figures(found: Findings) -> list[tuple[str, str, str]]:
    best = ranked(found.trials, found.metric)[0]
    better = "higher" if found.metric.direction == "maximize" else "lower"
    seconds = sum(trial["seconds"] or 0.0 for trial in found.trials)
    return [
        (f"Best {found.metric.name}", number(best["value"], 5), f"{better} is better"),
        ("Best trial", str(best["number"]), f"of {len(found.trials)}"),
        ("Complete", str(sum(trial["state"] == "complete" for trial in found.trials)), _others(found)),
        ("Time", _duration(seconds), "of all workers together"),
    ]


def _others(found: Findings) -> str:
    others = [trial for trial in found.trials if trial["state"] != "complete"]
    return census(others) or "none pruned or failed"


def _duration(seconds: float) -> str:
    for unit, length in (("h", 3600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.1f} {unit}"
    return f"{seconds:.0f} s"


def _sections(found: Findings) -> list[Section | None]:
    return [
        _best(found),
        _history(found),
        _importance(found),
        _slices(found),
        _curves(found),
        _trials(found),
        _failures(found),
        _notes(found),
        _next(found),
    ]


def _best(found: Findings) -> Section:
    best = ranked(found.trials, found.metric)[0]
    params = [[name, show(value), _place(found.space.get(name))] for name, value in best["params"].items()]
    metrics = [[name, number(value), METRICS[name]] for name, value in best["metrics"].items() if name in METRICS]
    return Section(
        "best",
        "The best trial",
        "What it was given. The numbers below are of rows that it was not trained on, but by which its best epoch and "
        "the trial itself were chosen, so they are a little too good: for a claim, keep a test set aside.",
        tables=[
            Table("Searched parameters", ["Parameter", "Value", "Searched"], params, "settings"),
            Table("On the held-out rows", ["Metric", "Value", "Meaning"], metrics, "metrics"),
        ],
    )


def _place(dimension: Dimension | None) -> str:
    if isinstance(dimension, Range):
        return f"{show(dimension.low)} to {show(dimension.high)}" + (", logarithmic" if dimension.log else "")
    return "" if dimension is None else "one of " + ", ".join(show(value) for value in dimension.values)


def _history(found: Findings) -> Section:
    alt = f"{found.metric.name} of {len(found.trials)} trials and the best so far"
    plate = Plate("history", figures.history_figure(found.trials, found.metric), alt)
    return Section(
        "history",
        "How the search went",
        "Each point is a trial. Where the line of the best has been flat for long, more trials will add little. Points "
        "far worse than the others are arrows at the edge.",
        plates=[plate],
    )


def _importance(found: Findings) -> Section:
    section = Section(
        "importance",
        "What mattered",
        f"With fewer than {_FEWEST} complete trials, or a single parameter, nothing can be said about importance.",
    )
    if not found.importances:
        return section
    section.intro = (
        "How much each parameter has to do with whether a trial is among the best: the PED-ANOVA importance of Optuna "
        "(Watanabe et al., 2023), as shares of 1. Pruned trials do not enter. What hardly matters can be "
        "fixed in the next search."
    )
    n = sum(trial["value"] is not None for trial in found.trials)
    if n < _FEW:
        section.intro += f" It comes from {n} complete trials only, so it is uncertain."
    alt = ", ".join(f"{name} {share:.2f}" for name, share in found.importances.items())
    section.plates.append(Plate("importance", figures.importance_figure(found.importances), f"Importance: {alt}"))
    return section


def _slices(found: Findings) -> Section:
    alt = f"{found.metric.name} against each of {len(found.space)} parameters"
    plate = Plate("parameters", figures.slices_figure(found.trials, found.metric, found.space), alt)
    return Section(
        "parameters",
        "Where the good values lie",
        "The complete trials against each parameter. If the best lie at an end of a range, the range was too narrow.",
        plates=[plate],
    )


def _curves(found: Findings) -> Section | None:
    if not figures.has_curves(found.trials):
        return None
    pruned = sum(trial["state"] == "pruned" for trial in found.trials)
    plate = Plate("curves", figures.curves_figure(found.trials, found.metric), f"{found.metric.watched} over training")
    return Section(
        "curves",
        "How trials were trained",
        "What was measured on the held-out rows while the models were trained, by which hopeless trials were "
        f"recognised: {pruned} of {len(found.trials)} were pruned. It is an estimate that costs little, and the "
        "final value may differ.",
        plates=[plate],
    )


def _trials(found: Findings) -> Section:
    header, cells = top(found.trials, found.metric, _MOST_ROWS)
    n = len([trial for trial in ranked(found.trials, found.metric) if not trial["reason"]])
    caption = "Complete trials, the best first" + (f"; the first {len(cells)} of {n}" if len(cells) < n else "")
    return Section(
        "trials",
        "The best trials",
        f"{census(found.trials).capitalize()}. All of them, with every metric, are in {TABLE}.",
        tables=[Table(caption, header, cells, "numbers dense")],
    )


def _failures(found: Findings) -> Section | None:
    reasons = Counter(trial["reason"] for trial in found.trials if trial["state"] == "failed")
    if not reasons:
        return None
    rows = [[f"{count}", reason] for reason, count in reasons.most_common(_MOST_ROWS)]
    return Section(
        "failures",
        "What failed",
        "Trials without a result, and why. They count, and the search keeps away from what they were given.",
        tables=[Table("Reasons", ["Trials", "Reason"], rows, "metrics")],
    )


def _notes(found: Findings) -> Section:
    best = ranked(found.trials, found.metric)[0]
    notes = [
        f"{name} of the best trial lies at an end of its range ({_place(dimension)}); if there is more beyond, search "
        "there."
        for name, dimension in at_an_end(best["params"], found.space).items()
    ]
    notes += [f"The best trial warned: {warning}" for warning in best["warnings"]]
    n = sum(trial["value"] is not None for trial in found.trials)
    if n < 2 * len(found.space):
        notes.append(
            f"There are only {n} complete trials for {len(found.space)} parameters; more would find better ones."
        )
    return Section("warnings", "Warnings", "What may be wrong with this search.", warnings=notes)


def at_an_end(params: Mapping[str, Any], space: Mapping[str, Dimension]) -> dict[str, Range]:
    """Ranges at an end of which a value lies, where there may be better ones beyond it."""
    found = {}
    for name, value in params.items():
        dimension = space.get(name)
        if dimension is None or isinstance(dimension, Choices):
            continue
        low, high, at = dimension.low, dimension.high, float(value)
        if dimension.log:
            low, high, at = math.log(low), math.log(high), math.log(at)
        place = (at - low) / (high - low)
        # There is nothing below 0, or below one layer or latent.
        if place > 1 - _EDGE or (place < _EDGE and dimension.low not in (0, 1)):
            found[name] = dimension
    return found


def _next(found: Findings) -> Section:
    return Section("next", "What to do next", "The best run is a run folder like any other.", code=found.code)
