"""The trials of a study as rows, as a file, and as lines for a terminal."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import TYPE_CHECKING, Any

from isthmus.files import atomic_write
from isthmus.report.elements import number
from isthmus.sweep.metric import Metric
from isthmus.sweep.space import from_scalar, show, to_scalar
from isthmus.sweep.study import NOT_NEEDED, REASON, REPEATS

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from optuna import Study
    from optuna.trial import FrozenTrial

TABLE = "trials.csv"
# A failure to Optuna has no reason of its own: it was interrupted, or its worker died.
_STATES = {"COMPLETE": "complete", "PRUNED": "pruned", "RUNNING": "running", "FAIL": "interrupted"}


def read_trials(study: Study) -> list[dict[str, Any]]:
    """Every trial as a dict.

    Keys: ``number``; ``state`` ("complete", "pruned", "failed", "interrupted", "running"); ``value`` of the metric,
    None unless complete; ``params`` by name; ``epochs`` and ``best_epoch``; ``seconds``; ``metrics`` of the held-out
    rows; ``reason`` of a failure, or where the value is from; ``warnings``; ``place`` of the run; ``curve``, from parts
    of the training to what the metric was then.
    """
    trials = study.get_trials(deepcopy=False)
    return [
        _row(trial) for trial in trials if trial.state.name in _STATES and trial.user_attrs.get(REASON) != NOT_NEEDED
    ]


def _row(trial: FrozenTrial) -> dict[str, Any]:
    attrs = trial.user_attrs
    complete = trial.state.name == "COMPLETE"
    return {
        "number": trial.number,
        "state": state_of(trial),
        "value": trial.value if complete else None,
        "params": {name: from_scalar(value) for name, value in trial.params.items()},
        "epochs": attrs.get("epochs"),
        "best_epoch": attrs.get("best_epoch"),
        "seconds": trial.duration.total_seconds() if trial.duration else None,
        "metrics": attrs.get("metrics", {}),
        "reason": attrs.get(REASON, f"the same as trial {attrs[REPEATS]}" if REPEATS in attrs else ""),
        "warnings": attrs.get("warnings", []),
        "place": attrs.get("place", ""),
        "curve": dict(trial.intermediate_values),
    }


def state_of(trial: FrozenTrial) -> str:
    """What became of a trial, in a word."""
    if trial.state.name == "PRUNED" and trial.user_attrs.get(REASON):
        return "failed"
    return _STATES[trial.state.name]


def ranked(trials: Iterable[dict[str, Any]], metric: Metric) -> list[dict[str, Any]]:
    """Complete trials, the best first."""
    sign = -1 if metric.direction == "maximize" else 1
    complete = [trial for trial in trials if trial["value"] is not None]
    return sorted(complete, key=lambda trial: (sign * trial["value"], trial["number"]))


def param_names(trials: Iterable[dict[str, Any]]) -> list[str]:
    """Every parameter that a trial has."""
    return list(dict.fromkeys(name for trial in trials for name in trial["params"]))


def write_table(folder: Path, trials: Sequence[dict[str, Any]], metric: Metric) -> Path:
    """Write ``trials.csv``: one row for each trial, the best first, those without a result last."""
    names, keys = param_names(trials), list(dict.fromkeys(key for trial in trials for key in trial["metrics"]))
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    plain = ["epochs", "best_epoch", "seconds"]
    # A metric of evaluate may have the name of a parameter.
    writer.writerow(
        ["number", "state", metric.name, *names, *plain, *(f"eval.{k}" for k in keys), "reason", "warnings", "place"]
    )
    best_first = ranked(trials, metric)
    for trial in [*best_first, *(trial for trial in trials if trial["value"] is None)]:
        params = [to_scalar(trial["params"].get(name, "")) for name in names]
        metrics = [trial["metrics"].get(key, "") for key in keys]
        rest = [trial["reason"], "; ".join(trial["warnings"]), trial["place"]]
        writer.writerow(
            [trial["number"], trial["state"], trial["value"], *params, *(trial[k] for k in plain), *metrics, *rest]
        )
    path = folder / TABLE
    atomic_write(path, text.getvalue().encode())
    return path


def short_names(names: Sequence[str]) -> dict[str, str]:
    """Names without what stands before the dot, where that leaves them apart."""
    tails = [name.rpartition(".")[2] for name in names]
    return {name: tail if tails.count(tail) == 1 else name for name, tail in zip(names, tails, strict=True)}


def top(trials: Sequence[dict[str, Any]], metric: Metric, most: int) -> tuple[list[str], list[list[str]]]:
    """Header and cells of the best trials, without those that only repeat another."""
    best = [trial for trial in ranked(trials, metric) if not trial["reason"]][:most]
    short = short_names(param_names(best))
    header = ["trial", metric.name, "epochs", "seconds", *short.values()]
    cells = [
        [
            str(trial["number"]),
            value,
            str(trial["epochs"] or "–"),
            f"{trial['seconds']:.1f}",
            *(show(trial["params"][name]) if name in trial["params"] else "" for name in short),
        ]
        for trial, value in zip(best, _values(best), strict=True)
    ]
    return header, cells


def _values(trials: Sequence[dict[str, Any]]) -> list[str]:
    """Values with the same number of decimals, five digits for the largest."""
    largest = max((abs(trial["value"]) for trial in trials), default=0.0)
    form = f",.{max(0, 5 - len(str(int(largest))))}f" if largest >= 1 else ".4g"
    return [f"{trial['value']:{form}}".replace("-", "−") for trial in trials]


def in_columns(header: Sequence[str], cells: Sequence[Sequence[str]]) -> str:
    """Right-aligned columns, for a terminal."""
    widths = [max(map(len, column)) for column in zip(header, *cells, strict=True)]
    lines = [header, *cells]
    return "\n".join(
        "  ".join(cell.rjust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines
    )


def census(trials: Iterable[dict[str, Any]]) -> str:
    """How many trials there are of each kind, in words."""
    states = [trial["state"] for trial in trials]
    order = ("complete", "pruned", "failed", "running", "interrupted")
    return ", ".join(f"{states.count(state)} {state}" for state in order if state in states)


def line_of(trial: FrozenTrial, metric: Metric, study: Study) -> str:
    """What became of a trial and what it was given, in one line; a star marks the best so far."""
    row = _row(trial)
    names = short_names(list(row["params"]))
    params = " ".join(f"{short}={show(row['params'][name])}" for name, short in names.items())
    what = row["state"]
    if row["value"] is not None:
        best = ranked(read_trials(study), metric)[0]["number"] == trial.number
        what = f"{metric.name} {number(row['value'], 6)}" + (" *" if best else "")
    reason = f": {row['reason']}" if row["reason"] else ""
    return f"trial {trial.number:>3}  {what:<20} {row['seconds']:>6.1f} s  {params}{reason}"
