"""The only training loop: every variant, every kind of data."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from isthmus.core import Composed
from isthmus.data.ranges import RowNumbers
from isthmus.data.streams import AnyRows
from isthmus.errors import DivergedError, RunError
from isthmus.files import remove_leftovers
from isthmus.processes import Group
from isthmus.processes.noise import shared_batch
from isthmus.training.batches import Batches, smallest_batch
from isthmus.training.callbacks import Callback, Epoch
from isthmus.training.checkpoint import FILE, Checkpoint, Position, restore_module
from isthmus.training.interrupt import deferred_interrupt
from isthmus.training.precision import choose_bf16
from isthmus.training.runtime import (
    choose_device,
    get_random_state,
    process_settings,
    random_numbers,
    set_random_state,
)
from isthmus.training.schedule import learning_rate
from isthmus.training.sharded import make_engine
from isthmus.training.trainer import Trainer

_VALIDATION_SEED = 0


@dataclass(frozen=True)
class Split:
    """Row numbers of the training part and of the part that chooses the best epoch (may be empty)."""

    train: RowNumbers
    validation: RowNumbers


class Loop:
    """Trains one module; all its state is the module, the optimiser, torch's generators and a `Position`.

    Parameters
    ----------
    module : Composed
        Trained in place; it has the best weights once `run` returns or raises.
    X : ndarray or Rows of shape (n, *event)
        All rows, in the data's own units.
    split : Split
        Which of them to train on.
    trainer : Trainer
        How.
    n_epochs : int
        Passes over the training part.
    position : Position
        Where to start.
    fingerprint : str
        Identifies data, parameters and versions, for whoever wants to resume.
    callbacks : sequence of Callback
        Called after each epoch.
    target : ndarray or Rows of shape (n, *event), optional
        What the decoder is to give back for each row of X, if that is not X itself.
    stage : str
        What this training is a part of, for the callbacks.
    group : Group, optional
        The processes that train together, if there are several. Each has all rows; only the first calls callbacks and
        writes.
    """

    def __init__(
        self,
        module: Composed,
        X: AnyRows,
        split: Split,
        *,
        trainer: Trainer,
        n_epochs: int,
        position: Position,
        fingerprint: str,
        callbacks: Sequence[Callback] = (),
        target: AnyRows | None = None,
        stage: str = "",
        group: Group | None = None,
    ) -> None:
        self.module, self.trainer, self.n_epochs, self.stage = module, trainer, n_epochs, stage
        self.position, self.fingerprint, self.callbacks = position, fingerprint, callbacks
        self.group = group or Group()
        self.device = self.group.device or choose_device(trainer.device)
        module.to(self.device)
        batch_size = trainer.resolve_batch_size(len(split.train))
        bf16, self.precision = choose_bf16(trainer.precision, module, torch.tensor(X[:1]), batch_size, self.device)
        self.engine = make_engine(module, trainer, self.device, bf16, self.group)
        limit, shard = trainer.memory_limit, self.group.shard
        self.batches = Batches(X, split.train, batch_size, self.device, target, shard=shard, memory_limit=limit)
        self.validation: Batches | None = None
        if len(split.validation):
            # A part that is too small to be shared is gone through by every process.
            shard = shard if smallest_batch(len(split.validation), 2 * batch_size) >= self.group.world else (0, 1)
            self.validation = Batches(
                X, split.validation, 2 * batch_size, self.device, target, shard=shard, memory_limit=limit
            )
        self.best = self._weights()
        self.folder = None if trainer.checkpoint is None else Path(trainer.checkpoint)
        self._last_save = time.monotonic()
        self._in_step = False
        if self.folder is not None and self.group.is_writer:
            remove_leftovers(self.folder / FILE)

    def run(self, checkpoint: Checkpoint | None = None) -> None:
        """Train to the end, from ``checkpoint`` if there is one.

        Raises
        ------
        DivergedError
            A cost became NaN or infinite; the module has the last good weights.
        KeyboardInterrupt
            After Ctrl-C, once the step under way is finished; the module has the best weights so far, and the
            checkpoint, if one was asked for, is written.
        """
        with ExitStack() as stack:
            stack.enter_context(random_numbers(self.position.seed, self.device))
            stack.enter_context(process_settings(self.trainer, self.group.n_here))
            interrupted = stack.enter_context(deferred_interrupt())
            stack.enter_context(self.group.guard())
            self.group.broadcast_(self.module.state_dict().values())
            self.best = self._weights()  # others may have trained parts of the module since it was handed over
            if checkpoint is not None:
                self._restore(checkpoint)
            try:
                while not self.position.finished:
                    self._epoch(interrupted)
                self.save()
                if self.group.any(interrupted()):
                    raise KeyboardInterrupt
            except KeyboardInterrupt:
                # A second Ctrl-C tears the step under way; the checkpoint before it stays.
                if not self._in_step:
                    self.save()
                raise
            except DivergedError:
                self.module.load_state_dict(self.best)
                raise
            finally:
                self._keep_best()

    def _epoch(self, interrupted) -> None:
        position, started = self.position, time.monotonic()
        n_steps = self.n_epochs * self.batches.n_batches
        batches = self.batches.epoch(position.seed + position.epoch, start=position.batch)
        with self.engine.training(), closing(batches):
            self.module.train()
            for batch in batches:
                self._step(batch, n_steps)
                stop, save = self.engine.agreed(interrupted(), self._is_due())
                if stop:
                    raise KeyboardInterrupt
                if save:
                    self.save()
            self._level()
            metrics = self.group.broadcast(self._metrics(time.monotonic() - started))
        is_best = self._score(metrics)
        position.epoch, position.batch = position.epoch + 1, 0
        self.engine.sums.zero_()
        patience, waited = self.trainer.early_stopping, position.epoch - position.best_epoch
        position.finished = position.epoch >= self.n_epochs or (patience is not None and waited >= patience)
        if self.group.any(self._tell(Epoch(position.epoch, self.n_epochs, metrics, self.module, is_best, self.stage))):
            position.finished = True

    def _step(self, batch: list[Tensor], n_steps: int) -> None:
        self._in_step = True
        with shared_batch(self.batches.share(self.position.batch)):
            self.engine.step(batch, self.position.step, n_steps)
        self.position.batch += 1
        self.position.step += 1
        self._in_step = False

    def _is_due(self) -> bool:
        """Whether this process is to write a checkpoint by now."""
        if self.folder is None or not self.group.is_writer:
            return False
        return time.monotonic() - self._last_save >= self.trainer.checkpoint_every

    def _level(self) -> None:
        """Let all processes go on with the first one's random numbers, and with the statistics that it has gathered.

        They differ only where a part of the model draws or gathers in a way of its own.
        """
        if self.group.world > 1:
            random = get_random_state(self.device)
            self.group.broadcast_([*self.module.buffers(), *random.values()])
            set_random_state(random, self.device)

    def _metrics(self, seconds: float) -> dict[str, float]:
        """One row of the history: the only time in an epoch that values are read back from the device."""
        metrics = self._means("train", self.engine.sums / self.batches.n_samples)
        if self.validation is not None:
            metrics |= self._means("val", self._validate(self.validation))
        # Of the last step, which need not have been taken since the training was resumed.
        rate = learning_rate(self.trainer, self.position.step - 1, self.n_epochs * self.batches.n_batches)
        return {"epoch": self.position.epoch + 1, **metrics, "learning_rate": rate, "seconds": seconds}

    def _means(self, part: str, means: Tensor) -> dict[str, float]:
        values = dict(zip(self.module.terms, means.tolist(), strict=True))
        return {
            f"{part}_loss": self.module.guiding_loss(values),
            **{f"{part}_{name}": value for name, value in values.items()},
        }

    @torch.no_grad()
    def _validate(self, batches: Batches, most: int | None = None, *, alone: bool = False) -> Tensor:
        """Mean of every cost over all batches, or over the first ``most`` of them, and over the rows of all processes.

        ``alone``: over the rows of this one.
        """
        # The same noise after every epoch: epochs are compared with each other, not with luck.
        self.module.eval()
        self.module.bottleneck.sampling = True
        try:
            with random_numbers(_VALIDATION_SEED, self.device), closing(batches.epoch(seed=None)) as epoch:
                costs = []
                for number, batch in enumerate(islice(epoch, most)):
                    with shared_batch(None if alone else batches.share(number)):
                        costs.append(torch.stack([cost.double() for cost in self.engine.costs(batch).values()]))
        finally:
            self.module.bottleneck.sampling = False
        all_costs = torch.cat(costs, dim=1)
        if alone or batches.shard[1] == 1:
            return all_costs.mean(1)
        total = self.group.sum_(torch.cat([all_costs.sum(1), all_costs.new_tensor([all_costs.shape[1]])]))
        return total[:-1] / total[-1]

    def _score(self, metrics: dict[str, float]) -> bool:
        """Record the epoch, keep its weights if it is the best, and stop at the first value that is not finite."""
        bad = {name: value for name, value in metrics.items() if not np.isfinite(value)}
        if not bad and self.validation is None:
            # Training costs are measured before each update; a look with the new weights shows what the last one did.
            bad = {name: value for name, value in self._probe().items() if not np.isfinite(value)}
        if bad:
            term = next((name for name in bad if not name.endswith("_loss")), min(bad))
            best = self.position.best_epoch
            raise DivergedError(
                f"{term} became {bad[term]} in epoch {self.position.epoch + 1}; the model keeps its last good weights "
                f"({f'of epoch {best}' if best else 'the initial ones'}). Try a smaller learning rate (it was "
                f"{self.trainer.learning_rate:g}), Trainer(gradient_clip=...), or precision='32'"
            )
        self.position.history.append(metrics)
        score = metrics.get("val_loss", metrics["train_loss"])
        is_best = self.position.best_score is None or score < self.position.best_score
        if is_best:
            self.position.best_score, self.position.best_epoch = score, self.position.epoch + 1
            for name, tensor in self.module.state_dict().items():
                self.best[name].copy_(tensor)
        return is_best

    def _tell(self, epoch: Epoch) -> bool:
        """Tell the callbacks; return whether one of them wants to stop."""
        self.module.eval()
        answers = [callback.on_epoch_end(epoch) for callback in self.callbacks]
        return any(answers)

    def _keep_best(self) -> None:
        """Put the best weights in place; before the first epoch has ended these are the present ones, if sound."""
        unsound = self.group.lost or self.position.best_epoch
        if unsound or not np.isfinite(list(self._probe(alone=True).values())).all():
            self.module.load_state_dict(self.best)
        self.module.eval()

    def _probe(self, *, alone: bool = False) -> dict[str, float]:
        """Costs of one batch with the present weights; ``alone``: of this process's part of it."""
        return self._means("train", self._validate(self.batches, most=1, alone=alone))

    def _weights(self) -> dict[str, Tensor]:
        return {name: tensor.clone() for name, tensor in self.module.state_dict().items()}

    def save(self) -> None:
        """Write a checkpoint, if one was asked for."""
        if self.folder is None:
            return
        self.position.compiled = self.engine.pilot.decided
        current, optimizer = self.engine.state_dict(), self.engine.optimizer.tensors()
        if not self.group.is_writer:
            return
        Checkpoint(
            self.position,
            current=current,
            best=self.best,
            optimizer=optimizer,
            random=get_random_state(self.device),
            sums=self.engine.sums,
            fingerprint=self.fingerprint,
        ).save(self.folder)
        self._last_save = time.monotonic()

    def _restore(self, checkpoint: Checkpoint) -> None:
        where = f"the checkpoint in {self.folder}"
        restore_module(self.module, checkpoint.best, where)
        restore_module(self.module, checkpoint.current, where)
        self.best = {name: tensor.to(self.device) for name, tensor in checkpoint.best.items()}
        try:
            self.engine.optimizer.restore(checkpoint.optimizer)
            self.engine.sums.copy_(checkpoint.sums)
            set_random_state(checkpoint.random, self.device)
        except (ValueError, TypeError, LookupError, RuntimeError) as error:
            raise RunError(f"{where} is damaged: {str(error).splitlines()[0]}") from None
        self.position = checkpoint.position
        if self.position.compiled is not None:
            self.engine.pilot.settle(self.position.compiled)
