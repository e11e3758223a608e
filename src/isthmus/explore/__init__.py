"""Looking at data, codes and models: walks through the code, attributes, animations, figures.

Everything is imported on first use, so that importing this package does not import torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from isthmus.explore.animation import animate, side_by_side
    from isthmus.explore.attribute_figures import attribute_figure
    from isthmus.explore.latent_spaces import latent_spaces_figure, three_latent_spaces
    from isthmus.explore.walk_figures import grid_figure, interpolation_figure, traversal_figure
    from isthmus.explore.walks import interpolate, latent_grid, traverse

__all__ = [
    "animate",
    "attribute_figure",
    "grid_figure",
    "interpolate",
    "interpolation_figure",
    "latent_grid",
    "latent_spaces_figure",
    "side_by_side",
    "three_latent_spaces",
    "traversal_figure",
    "traverse",
]

_HOME = {
    "animate": "animation",
    "attribute_figure": "attribute_figures",
    "grid_figure": "walk_figures",
    "interpolate": "walks",
    "interpolation_figure": "walk_figures",
    "latent_grid": "walks",
    "latent_spaces_figure": "latent_spaces",
    "side_by_side": "animation",
    "three_latent_spaces": "latent_spaces",
    "traversal_figure": "walk_figures",
    "traverse": "walks",
}


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(import_module(f"isthmus.explore.{_HOME[name]}"), name)
    raise AttributeError(f"module 'isthmus.explore' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
