"""The variants, one recipe per file; every module of this package is imported, and so registered."""

import sys
from importlib import import_module
from pkgutil import iter_modules
from types import ModuleType

from isthmus.models.base import BaseAutoencoder

for _module in iter_modules(__path__, prefix=f"{__name__}."):
    import_module(_module.name)


def models() -> dict[str, type[BaseAutoencoder]]:
    """Every variant: its name on the command line and its class."""
    return dict(sorted(BaseAutoencoder.registry.items()))


class _Callable(ModuleType):
    """Importing this package puts it in the place of the function ``isthmus.models``; so it answers as that."""

    def __call__(self) -> dict[str, type[BaseAutoencoder]]:
        return models()


sys.modules[__name__].__class__ = _Callable
