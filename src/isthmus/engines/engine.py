"""A trained model in the hands of a backend."""

from __future__ import annotations

import os
from weakref import WeakKeyDictionary

import torch
from torch import Tensor

from isthmus.core import Composed
from isthmus.engines.halves import Half, Name, make_half, onnx_obstacle
from isthmus.engines.settings import Setting, current


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
    """What runs the encoder and the decoder under the current setting, and why."""
    setting = current()
    who = {"eager": "PyTorch", "compiled": "compiled PyTorch", "onnx": "ONNX Runtime"}
    if setting.backend != "auto":
        return f"{who[setting.backend]}, {setting.precision}"
    if setting.precision != "32":
        return f"PyTorch, {setting.precision}"
    names: tuple[Name, ...] = ("encoder", "decoder")
    obstacles = {name: onnx_obstacle(module, name) for name in names}
    return "; ".join(
        f"{name} by ONNX Runtime" if why is None else f"{name} by PyTorch ({why})" for name, why in obstacles.items()
    )
