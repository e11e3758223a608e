"""What a search leaves in its folder: a table, figures, a page, and the report of the best run."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

from isthmus.sweep.best import BEST, holder, report_best
from isthmus.sweep.names import configure
from isthmus.sweep.options import fit_command
from isthmus.sweep.page import Findings, importances_of, write_page
from isthmus.sweep.storage import locked
from isthmus.sweep.table import TABLE, ranked, read_trials, write_table

if TYPE_CHECKING:
    from optuna import Study

    from isthmus.sweep.plan import Plan


def conclude(
    plan: Plan, study: Study, folder: Path, source: dict[str, Any], *, shown: str, report: bool = False
) -> list[dict[str, Any]]:
    """Write all that can be said of the trials so far; returns them.

    Parameters
    ----------
    plan : Plan
        What was searched.
    study : optuna.Study
        Its trials.
    folder : Path
        Where to write.
    source : dict
        ``data`` and ``target``, as the user named them (or None), and the ``options`` with which they were read.
    shown : str
        The folder as the user would type it.
    report : bool
        Whether to write the report of the best run too.
    """
    with locked(folder / TABLE):
        # Read under the lock, so that whoever writes last has read last.
        trials = read_trials(study)
        write_table(folder, trials, plan.metric)
        best = ranked(trials, plan.metric)
        if best:
            found = Findings(
                model=type(plan.estimator).__name__,
                data=plan.samples.name,
                trials=trials,
                metric=plan.metric,
                space=plan.space,
                importances=importances_of(study, trials),
                code=next_steps(plan, best[0], source, shown),
            )
            write_page(found, folder)
    if report and best and holder(folder) is not None:
        report_best(folder, plan.samples)
    return trials


def next_steps(plan: Plan, best: dict[str, Any], source: dict[str, Any], shown: str) -> list[tuple[str, str]]:
    """Labels and commands: look at the best run, use it, train it again."""
    run = f"{shown}/{BEST}"
    word = shlex.quote(run)
    steps = [
        ("Look at the best run, and use it", f"isthmus report {word}\nisthmus evaluate {word} TEST_DATA"),
        ("The same in Python", f"import isthmus\n\nmodel = isthmus.load({run!r})\nZ = model.transform(X)"),
    ]
    if source["data"] is not None:
        options = source["options"] | ({} if source["target"] is None else {"target": source["target"]})
        command = fit_command(configure(plan.estimator, best["params"]), source["data"], options, "runs/again")
        if command is not None:
            steps.append(("Train the best trial again, or with other settings", command))
    return steps
