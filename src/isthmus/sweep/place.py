"""Where a search is kept."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from isthmus.errors import RunError
from isthmus.files import make_folder, read_json, write_json
from isthmus.sweep.storage import hidden, locked, sqlite_url
from isthmus.sweep.study import Pruning, check_choices, open_study

if TYPE_CHECKING:
    from optuna import Study

    from isthmus.sweep.plan import Plan

DATABASE = "study.db"
_RECORD = "sweep.json"
_OWN = "sweep"


@dataclass(frozen=True)
class Place:
    """A folder, a database, or memory.

    Parameters
    ----------
    folder : Path, optional
        For all that is written; also for the database, unless there is another.
    storage : str, optional
        Address of that other one.
    study : str, optional
        Name of the study in it; by default that of the model and the data, or "sweep" in the folder's own.
    """

    folder: Path | None = None
    storage: str | None = None
    study: str | None = None

    @property
    def where(self) -> str:
        """The database, for messages."""
        if self.storage is not None:
            return hidden(self.storage)
        return "memory" if self.folder is None else str(self.folder)

    def open(self, plan: Plan, pruning: Pruning, *, must_exist: bool = False) -> Study:
        """The study: made if it is not there, and compared with the plan if it is.

        Raises
        ------
        RunError
            The folder holds something else, or the study was made with other settings.
        """
        own = self.folder if self.storage is None else None
        name = self.study or (_OWN if own else f"{plan.estimator.name} {plan.samples.name}")
        settings = plan.settings()
        mine = {"study": name, **{key: settings[key] for key in ("model", "data", "metric")}}
        if self.folder is not None:
            _check_folder(self.folder, mine, must_exist=must_exist and own is not None)
        url = self.storage
        if own is not None:
            make_folder(own)
            url = sqlite_url(own.resolve() / DATABASE)
        study = open_study(
            url,
            name,
            settings,
            where=self.where,
            direction=plan.metric.direction,
            seed=plan.seed,
            pruning=pruning,
            must_exist=must_exist,
        )
        check_choices(study, plan.space)
        if self.folder is not None:
            _claim(self.folder, mine)
        return study


def _check_folder(folder: Path, mine: dict[str, str], *, must_exist: bool) -> None:
    from isthmus.runs import PARAMS

    if folder.exists() and not folder.is_dir():
        raise RunError(f"{folder} is a file; a search needs a folder")
    if (folder / PARAMS).exists():
        raise RunError(f"{folder} holds a run; choose another folder for the search")
    if must_exist and not (folder / DATABASE).exists():
        raise RunError(f"there is nothing to resume in {folder}: it has no {DATABASE}")
    if (folder / _RECORD).exists():
        _compare(folder, mine)


def _claim(folder: Path, mine: dict[str, str]) -> None:
    """Write which search the folder belongs to, unless another one has been faster."""
    make_folder(folder)
    with locked(folder / _RECORD):
        if not (folder / _RECORD).exists():
            write_json(folder / _RECORD, mine)
    _compare(folder, mine)


def _compare(folder: Path, mine: dict[str, str]) -> None:
    found = read_json(folder / _RECORD)
    differ = [key for key in mine if found.get(key) != mine[key]]
    if differ:
        was, is_now = (", ".join(f"{key}={side.get(key)}" for key in differ) for side in (found, mine))
        raise RunError(f"{folder} holds a search with {was}, and this one has {is_now}; choose another folder for it")
