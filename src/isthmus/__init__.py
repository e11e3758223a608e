"""isthmus: autoencoders for compressing, exploring, denoising, checking and generating data.

Everything is imported on first use, so that ``import isthmus`` does not import torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from isthmus.errors import (
    BelowEntropyWarning,
    CollapseWarning,
    CompileError,
    DataError,
    DataSourceError,
    DataTypeError,
    DependentRowsError,
    DivergedError,
    ExportError,
    IsthmusError,
    IsthmusWarning,
    LikelihoodWarning,
    LostProcessError,
    MissingExtraError,
    OvercompleteWarning,
    ParameterError,
    ParzenWarning,
    RunError,
    SharedRowsWarning,
)

if TYPE_CHECKING:
    from isthmus.comparison import compare
    from isthmus.engines.settings import inference
    from isthmus.models import models
    from isthmus.runs import load
    from isthmus.sweep import search
    from isthmus.training import Trainer

__version__ = "0.1.0"

__all__ = [
    "BelowEntropyWarning",
    "CollapseWarning",
    "CompileError",
    "DataError",
    "DataSourceError",
    "DataTypeError",
    "DependentRowsError",
    "DivergedError",
    "ExportError",
    "IsthmusError",
    "IsthmusWarning",
    "LikelihoodWarning",
    "LostProcessError",
    "MissingExtraError",
    "OvercompleteWarning",
    "ParameterError",
    "ParzenWarning",
    "RunError",
    "SharedRowsWarning",
    "Trainer",
    "compare",
    "inference",
    "load",
    "models",
    "search",
]

_HOME = {
    "Trainer": "isthmus.training",
    "compare": "isthmus.comparison",
    "inference": "isthmus.engines.settings",
    "load": "isthmus.runs",
    "models": "isthmus.models",
    "search": "isthmus.sweep",
}


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(import_module(_HOME[name]), name)
    if not name.startswith("_"):
        for model in import_module("isthmus.models").models().values():
            if model.__name__ == name:
                return model
    raise AttributeError(f"module 'isthmus' has no attribute {name!r}")


def __dir__() -> list[str]:
    classes = [model.__name__ for model in import_module("isthmus.models").models().values()]
    return sorted([*__all__, *classes])
