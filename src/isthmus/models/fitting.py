"""One fit: split, choose, compose, train, and record."""

from __future__ import annotations

import hashlib
import json
import warnings
from dataclasses import dataclass, replace
from importlib.metadata import version
from numbers import Integral
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from sklearn.utils import check_random_state

from isthmus.data.info import DataInfo, describe_data, with_range_of
from isthmus.data.ranges import Ranges, RowNumbers
from isthmus.data.streams import AnyRows, Rows
from isthmus.errors import CollapseWarning, DataError, OvercompleteWarning, RunError
from isthmus.models.auto import (
    Choice,
    choose_latent_dim,
    choose_likelihood,
    choose_max_epochs,
    choose_network,
    choose_scaling,
)
from isthmus.processes import Group
from isthmus.processes.launch import join
from isthmus.training.callbacks import Callback, ProgressBar
from isthmus.training.checkpoint import Checkpoint, Position
from isthmus.training.loggers import make_logger
from isthmus.training.loop import Loop, Split
from isthmus.training.runtime import random_numbers
from isthmus.training.trainer import Trainer

if TYPE_CHECKING:
    from isthmus.core import Composed
    from isthmus.models.base import BaseAutoencoder

_FEWEST_TO_SPLIT = 20
_MOST_CODES, _MOST_CODE_VALUES, _MOST_BYTES = 10_000, 1 << 26, 256 << 20
# Validation rows of a stream are ranges, so that both parts can be read in blocks: about so many to choose from.
_SEGMENTS, _LONGEST_SEGMENT, _FEWEST_PIECES = 1000, 1024, 100
ACTIVE = 1e-2
"""Variance of the posterior mean over the data above which a latent counts as active (Burda et al., 2016)."""


@dataclass(frozen=True)
class Fit:
    """One call of ``fit``: what all its trainings share.

    Parameters
    ----------
    estimator : BaseAutoencoder
        Laid out; told of the progress.
    X : ndarray or Rows of shape (n, *event)
        All rows.
    split : Split
        Which of them to train on.
    trainer : Trainer
        How.
    n_epochs : int
        Passes of the main training.
    seed : int
        From which everything random follows.
    fingerprint : str
        Identifies data, parameters and versions.
    group : Group
        The processes that train together.
    """

    estimator: BaseAutoencoder
    X: AnyRows
    split: Split
    trainer: Trainer
    n_epochs: int
    seed: int
    fingerprint: str
    group: Group

    def loop(self, module: Composed, X: AnyRows, position: Position, n_epochs: int, **options: Any) -> Loop:
        """Training of a module on these rows, which are split as all others."""
        options = {"trainer": self.trainer, "fingerprint": self.fingerprint, "group": self.group, **options}
        return Loop(module, X, self.split, n_epochs=n_epochs, position=position, **options)

    def run(self, loop: Loop, checkpoint: Checkpoint | None) -> None:
        """Train to the end, and record how it went even if it was cut off."""
        loop.callbacks = _callbacks(self.estimator, loop) if self.group.is_writer else []
        try:
            for callback in loop.callbacks:
                callback.on_fit_start(self.estimator.get_params(deep=False), loop.n_epochs)
            loop.run(checkpoint)
        finally:
            for callback in loop.callbacks:
                callback.on_fit_end()
            self.estimator.choices_ |= _how_trained(loop)
            self.estimator.history_ = columns_of(loop.position.history)
            self.estimator.best_epoch_ = loop.position.best_epoch


def fit_module(
    estimator: BaseAutoencoder, X: AnyRows, target: AnyRows | None = None, *, labels: np.ndarray | None = None
) -> None:
    """Train ``estimator`` on samples (n, *event) and set its fitted attributes.

    The ``target`` is X unless given. A model of samples of known classes gets their numbers (n,) instead, as
    ``labels``.
    """
    trainer = estimator.trainer or Trainer()
    beside = target if labels is None else labels
    fingerprint = _fingerprint(estimator, X, beside)
    checkpoint = load_checkpoint(trainer, fingerprint)
    group = join(trainer)
    group.require_same(f"{fingerprint} {checkpoint and checkpoint.position}", "data, parameters and checkpoint")
    seed = group.broadcast(check_random_state(estimator.random_state).randint(2**31 - 1))
    position = checkpoint.position if checkpoint else Position(seed)
    split = split_rows(X, trainer.validation_fraction, position.seed)
    info = describe_split(X, split)
    if target is not None:
        info = with_range_of(info, describe_data(target))
    latent_dim, choices = prepare(estimator, info, position.seed)
    n_batches = -(-len(split.train) // trainer.resolve_batch_size(len(split.train)))
    n_epochs, choices["max_epochs"] = choose_max_epochs(estimator.max_epochs, n_batches)
    start_prior(estimator.module_, X, split, position.seed)
    fit = Fit(estimator, X, split, trainer, n_epochs, position.seed, fingerprint, group)
    loop = fit.loop(estimator.module_, X, position, n_epochs, target=beside)
    estimator.choices_ = choices
    try:
        estimator.train_module(fit, loop, checkpoint)
    finally:
        rows = spread(split.train, min(_MOST_CODES, max(2, _MOST_BYTES // X[:1].nbytes)))
        finish(estimator, X[rows], None if target is None else target[rows])
    _warn_of_collapse(estimator, latent_dim)


def columns_of(history: list[dict[str, float]]) -> dict[str, list[float]]:
    """Rows of a history as one list for each metric."""
    return {name: [row[name] for row in history] for name in history[0]} if history else {}


def load_checkpoint(trainer: Trainer, fingerprint: str) -> Checkpoint | None:
    """Checkpoint in the trainer's folder, if it is to be resumed from and is of this training."""
    if trainer.checkpoint is None:
        return None
    folder = Path(trainer.checkpoint)
    if folder.exists() and not folder.is_dir():
        raise RunError(f"checkpoint={str(folder)!r} is a file; it must name a folder")
    checkpoint = Checkpoint.load(folder) if trainer.resume else None
    if checkpoint is not None and checkpoint.fingerprint != fingerprint:
        raise RunError(
            f"the checkpoint in {folder} is of a training with other data, parameters or versions; resume with the "
            "same ones, or start anew in another folder"
        )
    return checkpoint


def prepare(estimator: BaseAutoencoder, info: DataInfo, seed: int) -> tuple[int, dict[str, Choice]]:
    """Choose the parts for these data and lay out the module, with weights drawn from ``seed``."""
    if not info.std.any():
        raise DataError(f"all {info.n_samples:,} samples are the same, so there is nothing to learn from")
    wishes = {name: estimator.wish(name, info) for name in ("latent_dim", "likelihood", "scaling", "network")}
    network, networked = choose_network(wishes["network"], info)
    if network.code_width(info.shape) is not None:
        wishes["latent_dim"] = estimator.latent_dim  # the network's own width goes before what the variant prefers
    latent_dim, width = choose_latent_dim(wishes["latent_dim"], network, info)
    likelihood, likely = choose_likelihood(wishes["likelihood"], info)
    scaling, scaled = choose_scaling(wishes["scaling"], likelihood, network, info)
    _warn_of_identity(estimator, latent_dim, info)
    with random_numbers(seed, torch.device("cpu")):
        module = estimator.compose({"network": network, "likelihood": likelihood, "scaling": scaling})
        estimator.module_ = module.setup(info, latent_dim)
    estimator.info_, estimator.latent_dim_ = info, latent_dim
    estimator.history_, estimator.best_epoch_, estimator.attributes_ = {}, 0, {}
    choices = {"latent_dim": width, "likelihood": likely, "scaling": scaled, "network": networked}
    for name in [name for name, wish in wishes.items() if wish != getattr(estimator, name)]:
        choices[name] = replace(choices[name], reason=f"what makes a {type(estimator).__name__}")
    return latent_dim, choices | estimator.own_choices(info, latent_dim)


def start_prior(module: Composed, X: AnyRows, split: Split, seed: int) -> None:
    """Show the prior training samples, from all over, before any training."""
    with random_numbers(seed, torch.device("cpu")):
        module.prior.start(lambda n: module.real(torch.tensor(X[spread(split.train, n)])))


def spread(rows: RowNumbers, most: int) -> np.ndarray:
    """At most so many of the rows, from all over, as their order may mean something."""
    return rows[:: -(-len(rows) // most)]


def split_rows(X: AnyRows, fraction: float, seed: int) -> Split:
    """Hold out a random part to choose the best epoch, unless there are too few rows."""
    n = len(X)
    if isinstance(X, Rows):
        return _split_stream(X, fraction if n >= _FEWEST_TO_SPLIT else 0, seed)
    n_validation = round(n * fraction) if n >= _FEWEST_TO_SPLIT else 0
    order = np.random.RandomState(seed).permutation(n)
    return Split(np.sort(order[n_validation:]), np.sort(order[:n_validation]))


def _split_stream(X: Rows, fraction: float, seed: int) -> Split:
    """Hold out ranges of rows: one at random in each of as many equal parts, so that they come from all over."""
    n, cuts = len(X), X.cuts
    if cuts is None or len(cuts) <= _FEWEST_PIECES:
        cuts = np.append(np.arange(0, n, min(_LONGEST_SEGMENT, max(1, n // _SEGMENTS))), n)
    segments = Ranges(cuts[:-1], cuts[1:])
    n_chosen = round(len(segments.starts) * fraction)
    edges = np.linspace(0, len(segments.starts), n_chosen + 1).astype(np.int64)
    chosen = np.random.RandomState(seed).randint(edges[:-1], edges[1:]) if n_chosen else edges[:0]
    return Split(segments.without(chosen), segments.only(chosen))


def describe_split(X: AnyRows, split: Split) -> DataInfo:
    """Moments of the training part; range and kind of all rows, whose support is checked once, at the door."""
    info = describe_data(X, split.train)
    return with_range_of(info, describe_data(X, split.validation)) if len(split.validation) else info


def active_units(codes: np.ndarray) -> int:
    """How many latents vary over the data by more than `ACTIVE`."""
    return int((codes.var(0) > ACTIVE).sum())


def some_codes(estimator: BaseAutoencoder, rows: AnyRows) -> np.ndarray:
    """Codes of the first rows, as many as fit in memory whatever the width of the code."""
    from isthmus.models.inference import by_batch

    module: Composed = estimator.module_
    most = max(2, min(_MOST_CODES, _MOST_CODE_VALUES // estimator.latent_dim_, _MOST_BYTES // rows[:1].nbytes))
    return by_batch(module, rows[:most], lambda x: module.encode(x).mean)


def finish(estimator: BaseAutoencoder, rows: AnyRows, target: AnyRows | None = None) -> None:
    """What is learned once the weights stand: a fitted prior, how many latents are in use, what the variant adds."""
    codes = some_codes(estimator, rows)
    estimator.active_units_ = active_units(codes)
    # This may take a while, and be cut off by Ctrl-C.
    estimator.module_.prior.fit(torch.from_numpy(codes))
    estimator.learn_more(rows if target is None else target)


def _how_trained(loop: Loop) -> dict[str, Choice]:
    """How the steps were computed, for `describe`."""
    engine = loop.engine
    choices = {
        "precision": Choice("bf16" if engine.bf16 else "32", loop.precision),
        "compile": Choice(str(bool(engine.pilot.decided)), engine.pilot.reason),
    }
    if loop.group.world > 1:
        divided = "rows, weights, gradients and moments" if loop.trainer.strategy == "fsdp" else "rows of every batch"
        choices["processes"] = Choice(str(loop.group.world), f"each has its part of the {divided}")
    return choices


def _callbacks(estimator: BaseAutoencoder, loop: Loop) -> list[Callback]:
    trainer = loop.trainer
    callbacks: list[Callback] = [ProgressBar(loop.stage)] if estimator.verbose else []
    callbacks += [make_logger(name, Path(trainer.log_dir)) for name in trainer.loggers]
    return [*callbacks, *trainer.callbacks]


def _fingerprint(estimator: BaseAutoencoder, X: AnyRows, target: AnyRows | None) -> str:
    """Hash of the data (a spread of rows) and of everything that shapes the training."""
    spread = slice(None, None, max(1, len(X) // 512))
    rows = [np.ascontiguousarray(data[spread]) for data in (X, target) if data is not None]
    params: dict[str, Any] = {k: v for k, v in estimator.get_params().items() if not _is_bookkeeping(k)}
    if not isinstance(estimator.random_state, Integral):
        del params["random_state"]  # the seed drawn from it is in the checkpoint
    versions = [version("isthmus"), torch.__version__]
    what = [type(estimator).__name__, X.shape, X.dtype.name, params, versions]
    text = json.dumps(what, default=repr, sort_keys=True)
    return hashlib.sha256(text.encode() + b"".join(part.tobytes() for part in rows)).hexdigest()


def _is_bookkeeping(name: str) -> bool:
    names = ("resume", "checkpoint", "checkpoint_every", "callbacks", "loggers", "log_dir", "device", "keep_memory")
    names += ("devices", "strategy", "num_nodes")
    return name in ("verbose", "trainer", *(f"trainer__{n}" for n in names))


def _warn_of_identity(estimator: BaseAutoencoder, latent_dim: int, info: DataInfo) -> None:
    if latent_dim >= info.n_values and estimator.can_copy():
        warnings.warn(
            f"latent_dim={latent_dim} is at least as wide as the data ({info.n_values} values), so copying the input "
            "is the easiest solution and nothing need be learned; use a smaller latent_dim, or a VAE",
            OvercompleteWarning,
            stacklevel=4,
        )


def _warn_of_collapse(estimator: BaseAutoencoder, latent_dim: int) -> None:
    bottleneck = estimator.module_.bottleneck
    if bottleneck.stochastic and estimator.active_units_ <= (0 if bottleneck.has_spare else latent_dim // 10):
        warnings.warn(
            f"the posterior has collapsed: {estimator.active_units_} of {latent_dim} latents vary with the data; try "
            "kl_warmup=0.5, a smaller beta, more epochs, or a likelihood with a learned scale",
            CollapseWarning,
            stacklevel=4,
        )
