"""The runs that can be opened: what is in the given folders, and nothing else."""

from __future__ import annotations

import csv
import math
import os
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from isthmus.errors import IsthmusError
from isthmus.files import HISTORY, PARAMS, read_json
from isthmus.studio.refusal import Refusal, one_sentence, scrubbed
from isthmus.studio.settings import Limits

if TYPE_CHECKING:
    from isthmus.studio.opened import OpenedRun

_DEEPEST, _MOST_RUNS = 5, 2000
_MOST_HISTORY = 16 << 20
_KEPT_OPEN = 4

Signature = tuple[int, int, int]
"""What tells one version of a run from the next."""


@dataclass(frozen=True)
class RunSummary:
    """A run in the list.

    Parameters
    ----------
    name : str
        What it is opened by.
    model, title : str
        Name of the variant on the command line, and of its class.
    data : str or None
        What it was fitted on.
    created : str
        Time, in ISO 8601.
    shape : list of int
        Of a sample.
    latent_dim : int
        Width of the code.
    figures : dict of str to number
        ``val_loss``, ``best_epoch``, ``epochs``, ``active_units``.
    problem : str or None
        Why it cannot be opened.
    """

    name: str
    model: str = ""
    title: str = ""
    data: str | None = None
    created: str = ""
    shape: tuple[int, ...] = ()
    latent_dim: int = 0
    figures: dict[str, float | None] | None = None
    problem: str | None = None

    def plain(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


class Library:
    """Runs in folders.

    Parameters
    ----------
    paths : sequence of Path
        Run folders, and folders that hold some.
    data : str, optional
        Data to look at instead of those that each run was fitted on.
    limits : Limits
        How many points there may be on a map.
    """

    def __init__(self, paths: tuple[Path, ...], data: str | None = None, limits: Limits | None = None) -> None:
        self.paths = tuple(Path(path).absolute() for path in paths)
        self._data, self._limits = data, limits or Limits()
        self._folders: dict[str, Path] = {}
        self._summaries: dict[str, tuple[Signature, RunSummary]] = {}
        self._opened: OrderedDict[str, tuple[Signature, OpenedRun]] = OrderedDict()

    def list(self) -> list[RunSummary]:
        """All runs, the newest first; reads ``params.json`` and ``history.csv`` only."""
        self._folders = _find(self.paths)
        found = [self._summary(name, folder) for name, folder in self._folders.items()]
        return sorted(found, key=lambda run: run.created, reverse=True)

    def folder(self, name: str) -> Path:
        """Folder of a run.

        Raises
        ------
        Refusal
            With 404, if there is no such run among those that are listed.
        """
        if name not in self._folders or not (self._folders[name] / PARAMS).is_file():
            self._folders = _find(self.paths)
        folder = self._folders.get(name)
        if folder is None or not _stays_within(folder, self.paths):
            raise Refusal(404, f"there is no run {one_sentence(name, 100)!r}; GET /api/runs lists those that there are")
        return folder

    def open(self, name: str) -> OpenedRun:
        """The run, read again if it has changed on disk."""
        from isthmus.studio.opened import OpenedRun

        folder = self.folder(name)
        signature = _signature(folder)
        known = self._opened.get(name)
        if known is None or known[0] != signature:
            known = (signature, OpenedRun(name, folder, self._data, self._limits))
            self._opened[name] = known
        self._opened.move_to_end(name)
        while len(self._opened) > _KEPT_OPEN:
            self._opened.popitem(last=False)
        return known[1]

    def summary(self, name: str) -> RunSummary:
        """The run, as it is in the list."""
        return self._summary(name, self.folder(name))

    def _summary(self, name: str, folder: Path) -> RunSummary:
        try:
            signature = _signature(folder)
            known = self._summaries.get(name)
            if known is None or known[0] != signature:
                known = self._summaries[name] = (signature, _summarise(name, folder))
            return known[1]
        except (IsthmusError, OSError, ValueError, TypeError, LookupError, AttributeError, csv.Error) as error:
            reason = scrubbed(error) if isinstance(error, IsthmusError) else "its files are damaged"
            return RunSummary(name, figures={}, problem=reason)


def _find(paths: tuple[Path, ...]) -> dict[str, Path]:
    """Folders of runs by their names."""
    found: dict[str, Path] = {}
    for path in paths:
        for folder in _runs_below(path, path.resolve(), _DEEPEST):
            name = path.name if folder == path else folder.relative_to(path).as_posix()
            # Two folders may hold runs of the same name.
            name = name if name not in found else f"{path.name}/{name}"
            found.setdefault(name, folder)
            if len(found) >= _MOST_RUNS:
                return found
    return found


def _runs_below(folder: Path, root: Path, depth: int) -> Iterator[Path]:
    if (folder / PARAMS).is_file():
        yield folder
        return
    if depth == 0:
        return
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError:
        return
    for entry in entries:
        if entry.name.startswith(".") or not entry.is_dir():
            continue
        below = folder / entry.name
        if not entry.is_symlink() or below.resolve().is_relative_to(root):
            yield from _runs_below(below, root, depth - 1)


def _stays_within(folder: Path, paths: tuple[Path, ...]) -> bool:
    real = folder.resolve()
    return any(real.is_relative_to(path.resolve()) for path in paths)


def _signature(folder: Path) -> Signature:
    """Changes whenever a run is written: ``params.json``, which vouches for all else, is then replaced."""
    stat = (folder / PARAMS).stat()
    return stat.st_mtime_ns, stat.st_size, stat.st_ino


def _summarise(name: str, folder: Path) -> RunSummary:
    params = read_json(folder / PARAMS)
    fitted, data, source = params["fitted"], params["data"], params.get("source")
    history = _history(folder / HISTORY)
    best = int(fitted["best_epoch"])
    losses = history.get("val_loss", [])
    val_loss = losses[best - 1] if 0 < best <= len(losses) else None
    figures = {
        "val_loss": val_loss if val_loss is not None and math.isfinite(val_loss) else None,
        "best_epoch": best,
        "epochs": len(history.get("epoch", [])),
        "active_units": int(fitted["active_units"]),
    }
    return RunSummary(
        name=name,
        model=str(params["model"]),
        title=str(params["class"]),
        data=None if source is None else shown_source(str(source["data"])),
        created=str(params["created"]),
        shape=tuple(int(side) for side in data["shape"]),
        latent_dim=int(fitted["latent_dim"]),
        figures=figures,
    )


def shown_source(data: str) -> str:
    """A source of data as it is shown: of a path its last part, as where it lies is nobody's business."""
    return Path(data).name or data


def _history(path: Path) -> dict[str, list[float]]:
    if not path.is_file() or path.stat().st_size > _MOST_HISTORY:
        return {}
    rows = list(csv.reader(path.read_text().splitlines()))
    return {name: [float(row[i]) for row in rows[1:]] for i, name in enumerate(rows[0])} if rows else {}
