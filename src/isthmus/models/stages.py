"""What is known of the stages of a stacked autoencoder, and how it is saved."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from isthmus.errors import RunError


@dataclass(frozen=True)
class TrainedStage:
    """One stage of a stacked autoencoder, as it was trained by itself.

    Parameters
    ----------
    name : str
        Such as "stage 1 of 3"; the first is the outermost.
    n_in, n_out : int
        How many values it sees, and how many it makes of them.
    r2 : float
        Share of the variance of held-out data (of training data, if none were held out) that survives the way through
        this stage and those before it and back, before anything else was trained.
    history : dict of str to list
        Metrics per epoch, as in ``history_``. Losses of different stages are of different data.
    """

    name: str
    n_in: int
    n_out: int
    r2: float
    history: dict[str, list[float]]

    @property
    def n_epochs(self) -> int:
        """Epochs of training."""
        return len(self.history["epoch"])

    @property
    def losses(self) -> list[float]:
        """What chose the best epoch: the loss on held-out rows, if there were any."""
        return self.history.get("val_loss", self.history["train_loss"])

    @property
    def best_epoch(self) -> int:
        """Epoch whose weights were kept, from 1."""
        return int(np.argmin(self.losses)) + 1


def stage_name(number: int, n_stages: int) -> str:
    """Name of stage number ``number``, from 0."""
    return f"stage {number + 1} of {n_stages}"


def to_table(stages: Sequence[TrainedStage]) -> np.ndarray:
    """All stages as one array, with a row for each epoch of each stage: its number and facts, then its history."""
    rows = [
        [number, stage.n_in, stage.n_out, stage.r2, *values]
        for number, stage in enumerate(stages, start=1)
        for values in zip(*stage.history.values(), strict=True)
    ]
    return np.array(rows, dtype=np.float64).reshape(len(rows), len(rows[0]) if rows else 0)


def from_table(table: np.ndarray, terms: Sequence[str], n_stages: int) -> list[TrainedStage]:
    """The stages of `to_table`, of a network with ``n_stages`` of them that were trained with these costs.

    Raises
    ------
    RunError
        The array is not such a table.
    """
    if table.dtype != np.float64 or table.ndim != 2 or not np.isfinite(table).all():
        raise RunError("the histories of the stages are not a table of finite float64 numbers")
    if table.size == 0:
        return []
    names = _columns(table.shape[1] - _N_FACTS, terms)
    numbers = table[:, 0].tolist()
    n_trained = min(int(numbers[-1]), n_stages)
    stages = [_read(table[table[:, 0] == i], names, stage_name(i - 1, n_stages)) for i in range(1, n_trained + 1)]
    if numbers != [float(i) for i, stage in enumerate(stages, start=1) for _ in range(stage.n_epochs)]:
        raise RunError(f"the histories of the stages are not those of stages 1 to {n_stages} in turn")
    return stages


_N_FACTS = 4


def _columns(n: int, terms: Sequence[str]) -> list[str]:
    training, validation = ([f"{part}_{name}" for name in ("loss", *terms)] for part in ("train", "val"))
    for names in (training, [*training, *validation]):
        if len(names) + 3 == n:
            return ["epoch", *names, "learning_rate", "seconds"]
    raise RunError(f"the histories of the stages have {n} columns, which do not fit the costs {', '.join(terms)}")


def _read(rows: np.ndarray, names: Sequence[str], name: str) -> TrainedStage:
    epochs: list[float] = list(range(1, len(rows) + 1))
    history: dict[str, list[float]] = dict(zip(names, rows[:, _N_FACTS:].T.tolist(), strict=True))
    if not epochs or history["epoch"] != epochs or (rows[:, 1:_N_FACTS] != rows[0, 1:_N_FACTS]).any():
        raise RunError(f"the history of {name} does not have a row for every epoch")
    n_in, n_out, r2 = rows[0, 1:_N_FACTS].tolist()
    if n_in < 1 or n_out < 1 or n_in % 1 or n_out % 1:
        raise RunError(f"{name} goes from {n_in:g} to {n_out:g} values, which must be whole numbers from 1 up")
    history["epoch"] = epochs  # as numbers of epochs, which are whole
    return TrainedStage(name, int(n_in), int(n_out), r2, history)
