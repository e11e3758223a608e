"""Greedy training: one stage of a network after the other, each with the loop of every other training."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from isthmus.bottlenecks import Deterministic
from isthmus.core import Composed
from isthmus.corruptions import Corruption
from isthmus.errors import RunError
from isthmus.likelihoods import GaussianLikelihood
from isthmus.models.fitting import Fit, columns_of, describe_split
from isthmus.models.inference import by_batch
from isthmus.networks import Scaling
from isthmus.networks.base import Halves
from isthmus.networks.stage import Shape, stage_network
from isthmus.priors import StandardNormal
from isthmus.terms import Term
from isthmus.training.checkpoint import Checkpoint, Position
from isthmus.training.loop import Loop

_MOST_VALUES = 1 << 24


@dataclass(frozen=True)
class TrainedStage:
    """One stage of a stacked autoencoder, as it was trained by itself.

    Parameters
    ----------
    name : str
        Such as "stage 1 of 3"; the first is the outermost.
    n_in, n_out : int
        How many values it sees, and how many it makes of them.
    history : dict of str to list
        Metrics per epoch, as in ``history_``. Losses of different stages are of different data.
    """

    name: str
    n_in: int
    n_out: int
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


def to_table(stages: list[TrainedStage]) -> np.ndarray:
    """Widths and histories as one array, with a row for each epoch of each stage."""
    rows = [
        [number, stage.n_in, stage.n_out, *values]
        for number, stage in enumerate(stages, start=1)
        for values in zip(*stage.history.values(), strict=True)
    ]
    return np.array(rows, dtype=np.float64).reshape(len(rows), len(rows[0]) if rows else 0)


def from_table(table: np.ndarray, terms: list[str], n_stages: int) -> list[TrainedStage]:
    """The stages of `to_table`, for a network of that many stages with these costs; a `RunError` if they cannot be."""
    if table.shape == (0, 0) and table.dtype == np.float64:
        return []
    training, validation = ([f"{part}_{name}" for name in ("loss", *terms)] for part in ("train", "val"))
    rest = ["learning_rate", "seconds"]
    layouts = [["epoch", *training, *rest], ["epoch", *training, *validation, *rest]]
    names = next((names for names in layouts if table.ndim == 2 and table.shape[1] == 3 + len(names)), None)
    if names is None or table.dtype != np.float64 or not np.isfinite(table).all():
        raise RunError(f"the histories of the stages are not a table of finite numbers with columns {layouts[-1]}")
    stages, left = [], table
    while len(left):
        n_epochs = int((left[:, 0] == len(stages) + 1).sum())
        own, left = left[:n_epochs], left[n_epochs:]
        widths = own[:1, 1:3].astype(np.int64)
        whole = n_epochs and (own[:, 0] == len(stages) + 1).all() and (own[:, 1:3] == widths).all()
        if not whole or (widths < 1).any() or (own[:, 3] != np.arange(1, n_epochs + 1)).any():
            raise RunError("the histories of the stages do not have a row for every epoch")
        history = dict(zip(names, own[:, 3:].T.tolist(), strict=True)) | {"epoch": list(range(1, n_epochs + 1))}
        n_in, n_out = widths[0].tolist()
        stages.append(TrainedStage(stage_name(len(stages), n_stages), n_in, n_out, history))
    if len(stages) > n_stages:
        raise RunError(f"there are histories of {len(stages)} stages, and the network has {n_stages}")
    return stages


def stage_name(number: int, n_stages: int) -> str:
    """Name of stage number ``number``, from 0."""
    return f"stage {number + 1} of {n_stages}"


def pretrain(
    fit: Fit, n_epochs: int, make_corruption: Callable[[], Corruption], make_terms: Callable[[], list[Term]]
) -> Iterator[TrainedStage]:
    """Train every stage as an autoencoder of what the one before it makes of the data (Bengio et al., 2007).

    A stage that a checkpoint says is finished is not trained again.
    """
    module = fit.estimator.module_
    stages = module.network.stages()
    rows, seen = fit.X, None
    for number, halves in enumerate(stages):
        made = _shape_made(module, halves, seen or fit.X.shape[1:])
        stage = _compose(fit, rows, halves, made, seen, make_corruption(), make_terms())
        loop, checkpoint = _loop(fit, stage, rows, number, stage_name(number, len(stages)), n_epochs)
        fit.run(loop, checkpoint)
        n_in, n_out = rows[0].size, int(np.prod(made))
        yield TrainedStage(loop.stage, n_in, n_out, columns_of(loop.position.history))
        if number + 1 < len(stages):
            rows, seen = by_batch(stage, rows, lambda x, stage=stage: stage.encode(x).z), made


def calibrate(module: Composed, rows: np.ndarray) -> None:
    """Set the scale of the likelihood, which was learned with the first stage alone, to the error of all stages."""
    some = rows[: max(2, _MOST_VALUES // rows[0].size)]
    device = module.prior().mean.device
    outputs = by_batch(module, some, lambda x: module.network.decoder(module.encode(x).z))
    module.likelihood.calibrate(torch.from_numpy(outputs).to(device), torch.tensor(some, device=device))


def _shape_made(module: Composed, halves: Halves, seen: Shape) -> Shape:
    encoder, _ = halves
    with torch.no_grad():
        return tuple(encoder.eval()(torch.zeros(1, *seen, device=module.prior().mean.device)).shape[1:])


def _compose(
    fit: Fit,
    rows: np.ndarray,
    halves: Halves,
    made: Shape,
    seen: Shape | None,
    corruption: Corruption,
    terms: list[Term],
) -> Composed:
    """The model of one stage: its layers are those of the whole model, and the outermost has its likelihood too."""
    whole = fit.estimator.module_
    if seen is None:
        info, scaling, likelihood = fit.estimator.info_, whole.scaling, whole.likelihood
    else:
        info = describe_split(rows, fit.split)
        scaling, likelihood = Scaling("none"), GaussianLikelihood()
        scaling.setup(info)
        likelihood.setup(info, scaling)
    network = stage_network(halves, made, seen, likelihood.n_outputs)
    bottleneck, prior, width = Deterministic(), StandardNormal(), int(np.prod(made))
    bottleneck.setup(width)
    prior.setup(width)
    corruption.setup(info, scaling)
    return Composed(
        scaling=scaling,
        corruption=corruption,
        network=network,
        bottleneck=bottleneck,
        likelihood=likelihood,
        prior=prior,
        terms=terms,
    )


def _loop(
    fit: Fit, stage: Composed, rows: np.ndarray, number: int, name: str, n_epochs: int
) -> tuple[Loop, Checkpoint | None]:
    """Training of a stage, with a sub-folder of its own for checkpoints, and where it stood when it was cut off."""
    trainer, position, checkpoint = copy.copy(fit.trainer), Position(fit.seed + number + 1), None
    if trainer.checkpoint is not None:
        trainer.checkpoint = Path(trainer.checkpoint) / f"stage{number + 1}"
        found = Checkpoint.load(trainer.checkpoint) if trainer.resume else None
        # What an earlier training left in the folder is no part of this one, and is written over.
        if found and (found.fingerprint, found.position.seed) == (fit.fingerprint, position.seed):
            checkpoint, position = found, found.position
    return fit.loop(stage, rows, position, n_epochs, trainer=trainer, stage=name), checkpoint
