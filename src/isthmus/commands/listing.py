"""``isthmus models``."""

from __future__ import annotations

from isthmus.commands.parsing import Parser


def run(command: str, args: list[str]) -> int:
    """Print one line for each model."""
    parser = Parser(prog=f"isthmus {command}", description="What models there are, one line each.")
    parser.parse_args(args)
    from isthmus.models import models

    width = max(map(len, models()))
    for name, cls in models().items():
        print(f"{name:<{width}} {summary(cls)}")
    return 0


def summary(cls: type) -> str:
    """First line of a docstring."""
    return (cls.__doc__ or "").strip().splitlines()[0]
