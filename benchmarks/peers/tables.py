"""The summary: what each row of the table took, and the ratios."""

from __future__ import annotations

from collections import defaultdict
from math import inf, isfinite
from statistics import median
from typing import Any

from jobs import crossing
from recipes import Recipe

Record = dict[str, Any]
TRAINING, IN_ALL = "training", "in all"


def summary(records: list[Record], targets: list[float], shift: float) -> str:
    """Everything that the records say, as tables."""
    searched = [record for record in records if record["job"]["part"] == "valid"]
    final = [record for record in records if record["job"]["part"] == "test"]
    parts = [versions(records)]
    if searched:
        parts.append(trial_table(searched, [target + shift for target in targets]))
    if final:
        parts += [time_table(final, targets), speed_table(final), ratio_table(final, targets)]
    return "\n\n".join(part for part in parts if part)


def versions(records: list[Record]) -> str:
    """Versions, threads and days."""
    known: dict[str, set[str]] = defaultdict(set)
    for record in records:
        for name, version in record["versions"].items():
            known[name].add(version)
        known["threads"].add(str(record["job"]["threads"]))
        known["run on"].add(record["date"])
    return ", ".join(f"{name} {' and '.join(sorted(values))}" for name, values in known.items())


def trial_table(records: list[Record], targets: list[float]) -> str:
    """Trials of each side, the soonest to the last target first."""
    records = sorted(records, key=lambda r: (r["job"]["side"], *(seconds(r, t) for t in reversed(targets))))
    rows = [
        [
            record["job"]["side"],
            str(Recipe(**record["job"]["recipe"])),
            *(number(seconds(record, target)) for target in targets),
            f"{max((epoch['bound'] for epoch in record['epochs']), default=-inf):.2f}",
            record["status"],
        ]
        for record in records
    ]
    return table(["search", "recipe", *(f"s to {target:g}" for target in targets), "best", "ended as"], rows)


def time_table(records: list[Record], targets: list[float]) -> str:
    """Seconds to each target, by row."""
    times = [f"{what} to {target:g}, s" for target in targets for what in (TRAINING, IN_ALL)]
    rows = []
    for (case, recipe), group in grouped(records).items():
        cells, reached = [], []
        for target in targets:
            asked = [record for record in group if target in record["job"]["targets"]]
            cells += [spread([seconds(r, target, what) for r in asked]) for what in (TRAINING, IN_ALL)]
            if asked:
                reached.append(f"{sum(isfinite(seconds(r, target)) for r in asked)} of {len(asked)}")
        best = median(max((epoch["bound"] for epoch in record["epochs"]), default=-inf) for record in group)
        rows.append([case, recipe, *cells, ", ".join(reached), f"{best:.2f}"])
    return table(["", "recipe", *times, "reached", "best ELBO"], rows)


def speed_table(records: list[Record]) -> str:
    """Samples/s, and the seconds that are not training."""
    head = ["", "recipe", "samples/s", "start-up, s", "compilation, s", "before, s", "cores"]
    rows = []
    for (case, recipe), group in grouped([r for r in records if r["epochs"]]).items():
        lasts = [record["epochs"][-1] for record in group]
        values = [
            [record["startup_s"] for record in group],
            [last["compile_s"] for last in lasts],
            [record["before_s"] for record in group],
            [last["cpu_s"] / last["train_s"] for last in lasts],
        ]
        speed = f"{median(map(samples_per_second, group)):,.0f}"
        rows.append([case, recipe, speed, *(f"{median(value):.1f}" for value in values)])
    return table(head, rows)


def ratio_table(records: list[Record], targets: list[float]) -> str:
    """How many times as long the peers take; nothing if no pair is there."""
    pairs = [
        ("pythae tuned", "isthmus tuned"),
        ("pythae tuned", "isthmus tuned, cold"),
        ("pythae tuned", "isthmus tuned, float32"),
        ("pythae as shipped, batches of 256", "isthmus defaults"),
        ("pythae as shipped, batches of 256", "isthmus tuned"),
        ("plain loop", "isthmus tuned"),
    ]
    rows = []
    for peer, ours in pairs:
        cells = []
        for target in targets:
            for what in (TRAINING, IN_ALL):
                theirs, mine = (typical(records, case, target, what) for case in (peer, ours))
                cells.append(f"{theirs / mine:.1f}" if isfinite(theirs) and isfinite(mine) else "")
        if any(cells):
            rows.append([f"{peer} / {ours}", *cells])
    if not rows:
        return ""
    return table(["ratio of medians", *(f"{what} to {t:g}" for t in targets for what in (TRAINING, IN_ALL))], rows)


def typical(records: list[Record], case: str, target: float, what: str) -> float:
    """Median seconds of a row, of the recipe tried last if there were several; infinite if there is none."""
    asked = [record for record in records if record["job"]["case"] == case and target in record["job"]["targets"]]
    same = [record for record in asked if told(record) == told(asked[-1])]
    return median(seconds(record, target, what) for record in same) if same else inf


def told(record: Record) -> tuple[Any, Any]:
    """How to train."""
    return record["job"]["recipe"], record["job"]["options"]


def seconds(record: Record, target: float, what: str = TRAINING) -> float:
    """Seconds to a target; infinite if it was not reached."""
    epoch = crossing(record, target)
    if epoch is None:
        return inf
    return epoch["train_s"] + (record["startup_s"] + epoch["compile_s"] if what == IN_ALL else 0.0)


def samples_per_second(record: Record) -> float:
    """Of training; without the first epoch if there are others, as it warms up what is not compiled too."""
    first, last = record["epochs"][0], record["epochs"][-1]
    n_epochs = len(record["epochs"])
    if n_epochs == 1:
        return record["n_rows"] / last["train_s"]
    return record["n_rows"] * (n_epochs - 1) / (last["train_s"] - first["train_s"])


def grouped(records: list[Record]) -> dict[tuple[str, str], list[Record]]:
    """Records of each row of a table."""
    groups: dict[tuple[str, str], list[Record]] = defaultdict(list)
    for record in records:
        recipe = record["job"]["recipe"]
        groups[record["job"]["case"], str(Recipe(**recipe)) if recipe else ""].append(record)
    return groups


def spread(values: list[float]) -> str:
    """Median, and the range if there are several."""
    if not values:
        return ""
    if len(values) == 1:
        return number(values[0])
    return f"{number(median(values))} ({number(min(values))} to {number(max(values))})"


def number(value: float) -> str:
    return f"{value:.2f}" if isfinite(value) else "–"


def table(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
