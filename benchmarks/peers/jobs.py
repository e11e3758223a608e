"""Trainings to be done, each in a process of its own, and the file of those that have been."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
import time
from dataclasses import asdict, dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

from recipes import Recipe

HERE = Path(__file__).parent
LATENT_DIM = 16


@dataclass(frozen=True)
class Job:
    """One training.

    Parameters
    ----------
    side : {"isthmus", "pythae", "plain", "keras"}
        Whose.
    case : str
        Row of the table that it belongs to.
    part : {"valid", "test"}
        Rows that the bound is measured on.
    seed : int
        From which all that is random follows.
    targets : tuple of float
        Bounds to reach, in nats; the training ends with the epoch that reaches the highest.
    threads : int
        Of the processor.
    recipe : Recipe or None
        How to train; None for what is not searched over.
    options : dict
        What else the side is told.
    cold : bool
        Whether torch's compiler starts with an empty cache.
    """

    side: str
    case: str
    part: str
    seed: int
    targets: tuple[float, ...]
    threads: int
    recipe: Recipe | None = None
    options: dict[str, Any] = field(default_factory=dict)
    cold: bool = False

    @property
    def key(self) -> str:
        """What makes it this job and no other."""
        return json.dumps(asdict(self), sort_keys=True)


@dataclass(frozen=True)
class Bench:
    """Where jobs are run.

    Parameters
    ----------
    data : Path
        The rows.
    pythons : dict of str to str
        Interpreter of each side.
    records : Records
        What has been done already.
    """

    data: Path
    pythons: dict[str, str]
    records: Records

    def do(self, job: Job, cap: float) -> dict[str, Any]:
        """Record of a job, which is run unless it has been. It gives up after ``cap`` seconds of training."""
        if job.key in self.records:
            return self.records[job.key]
        print(f"{time.strftime('%H:%M:%S')} {job.case}, seed {job.seed}", end="", flush=True)
        record = {"job": json.loads(job.key), "cap": cap, "date": str(date.today()), **self._run(job, cap)}
        self.records.add(job.key, record)
        last = record["epochs"][-1] if record["epochs"] else {"train_s": 0.0, "bound": float("nan")}
        print(f": {record['status']} after {last['train_s']:.1f} s of training, at {last['bound']:.2f}", flush=True)
        return record

    def _run(self, job: Job, cap: float) -> dict[str, Any]:
        with tempfile.TemporaryDirectory() as folder:
            asked, answer, said = (Path(folder) / name for name in ("job.json", "record.json", "said"))
            words = {"data": str(self.data.absolute()), "cap": cap, "latent_dim": LATENT_DIM, "launched": time.time()}
            asked.write_text(json.dumps({**asdict(job), **words}))
            environment = {**os.environ, "OMP_NUM_THREADS": str(job.threads), "TF_CPP_MIN_LOG_LEVEL": "2"}
            if job.side != "isthmus":
                environment.pop("PYTHONPATH", None)  # it may lead to the packages of isthmus' interpreter
            if job.cold:
                environment["TORCHINDUCTOR_CACHE_DIR"] = str(Path(folder) / "compiled")
            command = [self.pythons[job.side], str(HERE / f"with_{job.side}.py"), str(asked), str(answer)]
            with said.open("w") as log:
                code = subprocess.run(command, env=environment, stdout=log, stderr=subprocess.STDOUT).returncode
            if code:
                last = "\n".join(said.read_text(errors="replace").splitlines()[-20:])
                raise SystemExit(f"\n{' '.join(command[:2])} failed with exit code {code}:\n{last}")
            return json.loads(answer.read_text())


class Records:
    """Records by the key of their job, kept as lines of JSON, so that an interrupted run can go on."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._by_key: dict[str, dict[str, Any]] = {}
        lines = path.read_text().splitlines() if path.exists() else []
        for line in lines:
            try:
                record = json.loads(line)
            except json.JSONDecodeError:  # the run was killed as it wrote this line
                continue
            self._by_key[json.dumps(record["job"], sort_keys=True)] = record

    def __contains__(self, key: str) -> bool:
        return key in self._by_key

    def __getitem__(self, key: str) -> dict[str, Any]:
        return self._by_key[key]

    def all(self) -> list[dict[str, Any]]:
        """In the order in which they were made."""
        return list(self._by_key.values())

    def add(self, key: str, record: dict[str, Any]) -> None:
        torn = self.path.exists() and not self.path.read_bytes().endswith(b"\n") and self.path.stat().st_size
        with self.path.open("a") as file:
            file.write(("\n" if torn else "") + json.dumps(record) + "\n")
        self._by_key[key] = record


def crossing(record: dict[str, Any], target: float) -> dict[str, float] | None:
    """First epoch that reached ``target``, if one did."""
    return next((epoch for epoch in record["epochs"] if epoch["bound"] >= target), None)
