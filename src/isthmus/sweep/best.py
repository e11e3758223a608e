"""The best run so far, always whole, whoever finds a better one."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from isthmus.files import read_json
from isthmus.runs import PARAMS, write_run
from isthmus.sweep.storage import locked

if TYPE_CHECKING:
    from isthmus.models.base import BaseAutoencoder
    from isthmus.sweep.metric import Metric

BEST = "best"
_REPORT = "report.html"


def keep_if_best(
    estimator: BaseAutoencoder, folder: Path, metric: Metric, *, number: int, value: float, source: dict[str, Any]
) -> bool:
    """Write a run in place of the best one in the folder, if it beats it; says whether it does.

    Workers wait for each other, and `write_run` replaces a run in one step.
    """
    run = folder / BEST
    with locked(run):
        before = holder(folder)
        if before is not None and not metric.better(value, before[1]):
            return False
        write_run(estimator, run, {**source, "trial": number, "value": value})
        # A report of another model beside this one would be a lie.
        (run / _REPORT).unlink(missing_ok=True)
        shutil.rmtree(run / "figures", ignore_errors=True)
    return True


def holder(folder: Path) -> tuple[int, float] | None:
    """Number and value of the trial whose run is in the folder."""
    params = folder / BEST / PARAMS
    if not params.exists():
        return None
    source = read_json(params).get("source") or {}
    return source["trial"], source["value"]


def report_best(folder: Path, samples: Any) -> None:
    """Write the report of the best run, unless it has one."""
    from isthmus.report import write_report
    from isthmus.runs import load

    run = folder / BEST
    with locked(run):
        if not (run / _REPORT).exists():
            write_report(load(run), samples, run, run=str(run))
