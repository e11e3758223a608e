"""Argument parsing with one-line errors, and the options that describe data."""

from __future__ import annotations

import re
from typing import Any, NoReturn

from jsonargparse import ArgumentParser, Namespace

from isthmus.errors import ParameterError


class Parser(ArgumentParser):
    """jsonargparse's parser, whose errors are ours."""

    def error(self, message: str, ex: Exception | None = None) -> NoReturn:
        """Raise one line instead of printing the usage and leaving."""
        text = " ".join(line.strip() for line in str(message).splitlines() if line.strip())
        raise ParameterError(f"{in_our_words(text)} (see {self.prog} --help)") from ex


# What jsonargparse says of a value that does not fit, in the terms of Python's types.
_ONE_TYPE = re.compile(r'Parser key "(.+?)": Expected a (<class .+?>|typing\.Literal\[.+?\])\. Got value: (.*)')
_SOME_TYPES = re.compile(r'Parser key "(.+?)": Does not validate .*? Subtypes: \[(.+?)\] Errors: .* Given value: (.*)')
_TYPE = re.compile(r"<class '?(\w+)'?>|typing\.Literal\[(.+?)\]|(tuple)\[int, \.\.\.\]")
KINDS = {
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "str": "text",
    "NoneType": "null",
    "tuple": "whole numbers such as [28,28]",
}
_NESTED = re.compile(r"""Parser key "(.+?)": .* NestedArg\(key='(.+?)'""")


def in_our_words(message: str) -> str:
    """What does not fit and what would, from a message of the parser; one of another form stays as it is."""
    if nested := _NESTED.search(message):
        return f"--{nested[1]}.{nested[2]} needs --{nested[1]} to name a class that has this option"
    found = _ONE_TYPE.search(message) or _SOME_TYPES.search(message)
    if found is None:
        return message
    name, types, value = (str(part) for part in found.groups())
    if _TYPE.sub("", types).strip(", "):
        return message
    kinds = [KINDS.get(kind + more, kind) or choices for kind, choices, more in _TYPE.findall(types.replace("'", ""))]
    return f"--{name} can be {' or '.join(kinds)}, and not {value}"


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
