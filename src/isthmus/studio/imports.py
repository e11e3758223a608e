"""The models' own imports, without those that are not used before anything is shown."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType

_LATER = ("scipy.stats", "pandas", "numpy.f2py")
"""What scikit-learn imports and the studio rarely uses: a quarter of the time of all imports."""


class _Later(MetaPathFinder):
    """Finds some modules in the usual place, but has them executed when they are first used (`LazyLoader`)."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname not in _LATER:
            return None
        spec = PathFinder.find_spec(fullname, path, target)
        if spec is not None and spec.loader is not None:
            spec.loader = importlib.util.LazyLoader(spec.loader)
        return spec


def import_models() -> None:
    """Import PyTorch, scikit-learn and all models."""
    finder = _Later()
    sys.meta_path.insert(0, finder)
    try:
        import isthmus.models
        import isthmus.runs

        isthmus.models.models()
    finally:
        sys.meta_path.remove(finder)
