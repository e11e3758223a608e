"""A trained model in the hands of a backend."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

import torch
from torch import Tensor

from isthmus.core import Composed
from isthmus.engines.halves import Half, Name, make_half, onnx_obstacle
from isthmus.engines.settings import Setting, current

if TYPE_CHECKING:
    from isthmus.engines.runtime import ArrayFunction


class Engine(Composed):
    """The same model, whose encoder and decoder are run by a backend; all else is the model's own.

    It is for evaluation only. It shares the parts of the model, and what it has copied of them it copies anew once they
    have changed.
    """

    def __init__(self, module: Composed, setting: Setting) -> None:
        self.__dict__.update(module.__dict__)
        self.setting = setting
        self.halves: dict[Name, Half] = {}

    def features(self, x: Tensor) -> Tensor:
        return self._half("encoder").function(x)

    def outputs(self, z: Tensor) -> Tensor:
        return self._half("decoder").function(z)

    def encode_arrays(self) -> ArrayFunction | None:
        """`code` from array to array, if no tensor is needed on the way."""
        arrays = self._half("encoder").arrays
        if arrays is None or not self.bottleneck.mean_first:
            return None
        width = self.bottleneck.latent_dim_
        return lambda rows: arrays(rows)[:, :width]

    def eval(self) -> Engine:
        """Put the parts into evaluation; encoder and decoder are when they are run."""
        for part in self._modules.values():
            if part is not None and part.training:
                part.eval()
        return self

    def _half(self, name: Name) -> Half:
        half = self.halves.get(name)
        if half is None or not half.is_current():
            half = self.halves[name] = make_half(self, name, self.setting)
        return half


_engines: WeakKeyDictionary[Composed, dict[tuple, Engine]] = WeakKeyDictionary()


def engine_of(module: Composed) -> Engine:
    """The model as the current setting wants it run."""
    # Threads of ONNX Runtime do not survive a fork, and their number is fixed when they are made.
    key = (current(), torch.get_num_threads(), os.getpid())
    engines = _engines.get(module)
    if engines is None:
        engines = _engines[module] = {}
    if key not in engines:
        engines[key] = Engine(module, key[0])
    return engines[key]


def describe_engine(module: Composed) -> str:
    """What runs the model under the current setting, and why not ONNX Runtime where that was left to it."""
    setting = current()
    if setting.backend == "auto" and setting.precision == "32":
        names: tuple[Name, ...] = ("encoder", "decoder")
        obstacles = {name: onnx_obstacle(module, name) for name in names}
        if len(set(obstacles.values())) == 1:
            return _runner(obstacles["encoder"])
        return ", ".join(f"{name}: {_runner(obstacle)}" for name, obstacle in obstacles.items())
    who = {"compiled": "compiled PyTorch", "onnx": "ONNX Runtime"}.get(setting.backend, "PyTorch")
    return who if setting.precision == "32" else f"{who} in {setting.precision}"


def _runner(obstacle: str | None) -> str:
    return "ONNX Runtime" if obstacle is None else f"PyTorch ({obstacle})"
