"""Greedy training: one stage of a network after the other, each with the loop of every other training."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from torch import Tensor, nn
from torch.distributions import Distribution

from isthmus.bottlenecks import Deterministic
from isthmus.core import Composed
from isthmus.corruptions import Corruption
from isthmus.data.ranges import RowNumbers
from isthmus.data.sources import load
from isthmus.data.streams import AnyRows, Rows, chunks
from isthmus.data.writing import write_rows
from isthmus.likelihoods import GaussianLikelihood
from isthmus.models.fitting import Fit, columns_of, describe_split
from isthmus.models.inference import by_batch
from isthmus.models.stages import TrainedStage, stage_name
from isthmus.networks import Scaling
from isthmus.networks.base import Halves
from isthmus.networks.stage import Shape, stage_network
from isthmus.priors import StandardNormal
from isthmus.terms import Term
from isthmus.training.checkpoint import Checkpoint, Position
from isthmus.training.loop import Loop

_MOST_VALUES, _ROWS = 1 << 24, 1 << 14


def pretrain(
    fit: Fit, n_epochs: int, make_corruption: Callable[[], Corruption], make_terms: Callable[[], list[Term]]
) -> Iterator[TrainedStage]:
    """Train every stage as an autoencoder of what the one before it makes of the data (Bengio et al., 2007).

    A stage that a checkpoint says is finished is not trained again.
    """
    module = fit.estimator.module_
    stages = module.network.stages()
    rows, seen = fit.X, None
    with ExitStack() as stack:
        for number, halves in enumerate(stages):
            made = _shape_made(module, halves, seen or fit.X.shape[1:])
            stage = _compose(fit, rows, halves, made, seen, make_corruption(), make_terms())
            loop, checkpoint = stage_loop(fit, stage, rows, number, stage_name(number, len(stages)), n_epochs)
            fit.run(loop, checkpoint)
            r2 = _survives(module, fit, number + 1)
            widths = math.prod(rows.shape[1:]), math.prod(made)
            yield TrainedStage(loop.stage, *widths, r2, columns_of(loop.position.history))
            if number + 1 < len(stages):
                rows, seen = _encoded(stage, rows, 4 * math.prod(made), fit.trainer.memory_limit, stack), made


def _encoded(stage: Composed, rows: AnyRows, row_bytes: int, limit: float, stack: ExitStack) -> AnyRows:
    """What a stage makes of the rows; of a stream in a temporary file, if it is too large for memory as well."""

    def encode(part: AnyRows) -> np.ndarray:
        return by_batch(stage, part, lambda x: stage.encode(x).z)

    if not isinstance(rows, Rows) or len(rows) * row_bytes <= limit * 2**30:
        return encode(rows)
    path = Path(stack.enter_context(TemporaryDirectory())) / "encoded.npy"
    write_rows(path, map(encode, chunks(rows, _ROWS)), len(rows))
    return load(path, memory_limit=limit).X


def first_stages(module: Composed, n: int) -> tuple[Callable[[Tensor], Tensor], Callable[[Tensor], Distribution]]:
    """From data to what the first ``n`` stages make of them, and from there back to the data's distribution."""
    encoders, decoders = zip(*module.network.stages()[:n], strict=True)
    decode = nn.Sequential(*reversed(decoders))
    return nn.Sequential(module.scaling, *encoders), lambda h: module.likelihood(decode(h))


def _survives(module: Composed, fit: Fit, n: int) -> float:
    rows = fit.split.validation if len(fit.split.validation) else fit.split.train
    some = _affordable(fit.X, rows)
    encode, decode = first_stages(module, n)
    errors = by_batch(module, some, lambda x: decode(encode(x)).mean) - some.astype(np.float64)
    return 1 - float(np.mean(errors**2) / max(some.var(0, dtype=np.float64).mean(), 1e-300))


def _affordable(X: AnyRows, rows: RowNumbers) -> np.ndarray:
    return X[rows[: max(2, _MOST_VALUES // math.prod(X.shape[1:]))]]


def calibrate(fit: Fit) -> None:
    """Set the scale of the likelihood, which was learned with the first stage alone, to the error of all stages."""
    module, some = fit.estimator.module_, _affordable(fit.X, fit.split.train)
    device = module.prior().mean.device
    outputs = by_batch(module, some, lambda x: module.network.decoder(module.encode(x).z))
    module.likelihood.calibrate(torch.from_numpy(outputs).to(device), torch.tensor(some, device=device))


def _shape_made(module: Composed, halves: Halves, seen: Shape) -> Shape:
    encoder, _ = halves
    with torch.no_grad():
        return tuple(encoder.eval()(torch.zeros(1, *seen, device=module.prior().mean.device)).shape[1:])


def _compose(
    fit: Fit,
    rows: AnyRows,
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


def stage_loop(
    fit: Fit, stage: Composed, rows: AnyRows, number: int, name: str, n_epochs: int
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
