"""Argument parsing with one-line errors, and the options that describe data."""

from __future__ import annotations

from typing import Any, NoReturn

from jsonargparse import ArgumentParser, Namespace

from isthmus.errors import ParameterError


class Parser(ArgumentParser):
    """jsonargparse's parser, whose errors are ours."""

    def error(self, message: str, ex: Exception | None = None) -> NoReturn:
        """Raise one line instead of printing the usage and leaving."""
        lines = [line.strip() for line in str(message).splitlines() if line.strip()]
        raise ParameterError(f"{' '.join(lines)} (see {self.prog} --help)") from ex


def add_data_options(parser: Parser) -> None:
    """Options of `isthmus.data.load`."""
    parser.add_argument("--resize", type=str | None, metavar="HxW", help="bring pictures to this size, such as 64x48")
    parser.add_argument("--grey", action="store_true", help="convert pictures to grey")
    parser.add_argument("--label", type=str | None, metavar="NAME", help="column (or array of an .npz) that is a label")
    parser.add_argument("--columns", type=list[str] | None, metavar="[A,B]", help="columns of a table to keep")


def data_options(config: Namespace) -> dict[str, Any]:
    """Options that were given, for `isthmus.data.load`."""
    names = ("resize", "grey", "label", "columns")
    return {name: config[name] for name in names if config[name]}
