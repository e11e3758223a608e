"""All that an exact resume needs, in one file."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field
from pathlib import Path

import torch
from torch import Tensor, nn

from isthmus.errors import RunError
from isthmus.files import read_tensors, write_tensors

FILE = "state.safetensors"
_FORMAT = 2


@dataclass
class Position:
    """Where a training stands.

    Parameters
    ----------
    epoch, batch, step : int
        Finished epochs; finished batches of the epoch under way; finished optimiser steps.
    best_score, best_epoch
        Lowest loss so far and the epoch (from 1) that reached it; 0 while there is none.
    history : list of dict
        Metrics of the finished epochs.
    seed : int
        From which the split, the order of the batches, and the noise follow.
    finished : bool
        Whether there is nothing left to do.
    compiled : bool or None
        Whether the rest is to be trained with the compiled step; None as long as that is open.
    """

    seed: int
    epoch: int = 0
    batch: int = 0
    step: int = 0
    best_score: float | None = None
    best_epoch: int = 0
    history: list[dict[str, float]] = field(default_factory=list)
    finished: bool = False
    compiled: bool | None = None


@dataclass
class Checkpoint:
    """Weights (current and best apart), optimiser, random states and position of one training."""

    position: Position
    current: dict[str, Tensor]
    best: dict[str, Tensor]
    optimizer: dict[str, Tensor]
    random: dict[str, Tensor]
    sums: Tensor
    fingerprint: str

    def save(self, folder: Path) -> None:
        """Write to ``folder``, atomically: one file, so that no two parts can disagree."""
        groups = {
            "current": self.current,
            "best": self.best,
            "optimizer": self.optimizer,
            "random": self.random,
        }
        tensors = {f"{group}/{name}": t for group, named in groups.items() for name, t in named.items()}
        tensors["sums"] = self.sums
        metadata = {
            "format": str(_FORMAT),
            "position": json.dumps(asdict(self.position)),
            "fingerprint": self.fingerprint,
        }
        write_tensors(folder / FILE, tensors, metadata | {"digest": digest(tensors, metadata)})

    @classmethod
    def load(cls, folder: Path) -> Checkpoint | None:
        """Read from ``folder``; None if there is no checkpoint in it."""
        path = folder / FILE
        if not path.exists():
            return None
        tensors, metadata = read_tensors(path)
        groups: dict[str, dict[str, Tensor]] = {"current": {}, "best": {}, "optimizer": {}, "random": {}}
        if metadata.pop("digest", None) != digest(tensors, metadata):
            raise RunError(f"{path} is damaged: its contents do not match their checksum")
        try:
            if metadata["format"] != str(_FORMAT):
                raise RunError(f"{path} has format {metadata['format']}, and this version reads {_FORMAT}")
            sums = tensors.pop("sums")
            for name, tensor in tensors.items():
                group, _, key = name.partition("/")
                groups[group][key] = tensor
            position = Position(**json.loads(metadata["position"]))
            _check_position(position)
            return cls(position, **groups, sums=sums, fingerprint=metadata["fingerprint"])
        except (KeyError, TypeError, ValueError) as error:
            raise RunError(f"{path} is damaged: {error}") from None


def _check_position(position: Position) -> None:
    counts = (position.seed, position.epoch, position.batch, position.step, position.best_epoch)
    if not all(type(count) is int and count >= 0 for count in counts) or type(position.finished) is not bool:
        raise ValueError("its position is not made of counts")
    if position.compiled not in (None, True, False):
        raise ValueError("it does not say whether to compile")
    if not isinstance(position.history, list) or len(position.history) != position.epoch:
        raise ValueError("its history does not have a row for every epoch")


def digest(tensors: dict[str, Tensor], metadata: dict[str, str]) -> str:
    """SHA-256 of names, types, shapes and bytes: tells a damaged file from a whole one."""
    total = hashlib.sha256(json.dumps(metadata, sort_keys=True).encode())
    for name in sorted(tensors):
        tensor = tensors[name].detach().cpu().contiguous()
        total.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        total.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return total.hexdigest()


def restore_module(module: nn.Module, state: dict[str, Tensor], where: str) -> None:
    """Load weights, with one clear error if they do not fit the module."""
    expected = module.state_dict()
    missing, extra = expected.keys() - state.keys(), state.keys() - expected.keys()
    if missing or extra:
        raise RunError(
            f"{where} does not fit the model: {len(missing)} tensors missing, {len(extra)} unknown "
            f"(such as {min(missing or extra)!r})"
        )
    for name, tensor in state.items():
        if tensor.shape != expected[name].shape or tensor.dtype != expected[name].dtype:
            raise RunError(
                f"{where} does not fit the model: tensor {name!r} is {tensor.dtype} {tuple(tensor.shape)}, "
                f"expected {expected[name].dtype} {tuple(expected[name].shape)}"
            )
    module.load_state_dict(state, assign=any(t.is_meta for t in expected.values()))
