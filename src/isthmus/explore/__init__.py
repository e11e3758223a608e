"""Looking at data, codes and models: walks through the code, attributes, animations, figures.

Everything is imported on first use, so that importing this package does not import torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from isthmus.explore.walks import interpolate, latent_grid, traverse

_HOME = {
    "interpolate": "isthmus.explore.walks",
    "latent_grid": "isthmus.explore.walks",
    "traverse": "isthmus.explore.walks",
}

__all__ = ["interpolate", "latent_grid", "traverse"]


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(import_module(_HOME[name]), name)
    raise AttributeError(f"module 'isthmus.explore' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
