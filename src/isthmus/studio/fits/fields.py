"""One option of a form, and its values: as they come from a page, and as words of a command line."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from isthmus.commands.parsing import KINDS
from isthmus.errors import ParameterError

_LARGEST = 1e300
MOST_ITEMS = 200
"""Longest list that is a value; a run with a longer one could not be read back."""


@dataclass(frozen=True)
class Field:
    """One option.

    Parameters
    ----------
    name : str
        As on the command line, without the dashes: ``beta``, ``trainer.batch_size``, ``network.channels``.
    kind : {"number", "numbers", "text", "texts", "bool", "choice", "part"}
        What is typed or chosen.
    default : Any
        Plain value.
    help : str
        From the docstring.
    group : {"data", "model", "training"}
        What it is about.
    folded : bool
        Whether it is among the advanced ones.
    choices : tuple
        Values of a choice; names of parts; words that may stand in for a number, such as "auto" and None.
    whole : bool
        Whether numbers are whole ones.
    low, high : float or None
        Domain of a number.
    low_open, high_open : bool
        Whether the ends are outside of it.
    parts : dict of str to tuple of Field
        Classes that may be chosen besides, with options of their own.
    about : dict of str to str
        One line on each of these classes.
    """

    name: str
    kind: str
    default: Any
    help: str
    group: str = "model"
    folded: bool = False
    choices: tuple[Any, ...] = ()
    whole: bool = False
    low: float | None = None
    high: float | None = None
    low_open: bool = False
    high_open: bool = False
    parts: dict[str, tuple[Field, ...]] = field(default_factory=dict)
    about: dict[str, str] = field(default_factory=dict)

    def record(self) -> dict[str, Any]:
        """For JSON."""
        rest = {key: value for key, value in vars(self).items() if key not in ("parts", "default")}
        parts = {name: [own.record() for own in fields] for name, fields in self.parts.items()}
        return {**rest, "default": plain(self.default), "parts": parts}

    def refuse(self, value: Any) -> ParameterError:
        """What to say of a value that does not fit, in the words of the command line."""
        kinds = {"number": [KINDS["int" if self.whole else "float"]], "numbers": [KINDS["tuple"]]}.get(self.kind, [])
        kinds += {"bool": [KINDS["bool"]], "text": [KINDS["str"]], "texts": ["a list of text"]}.get(self.kind, [])
        words = [word(choice) for choice in self.choices if choice is not None]
        kinds += [", ".join(words)] if words else []
        kinds += [KINDS["NoneType"]] if None in self.choices else []
        return ParameterError(f"--{self.name} can be {' or '.join(kinds)}, and not {word(value)[:80]}")


def same(one: Any, other: Any) -> bool:
    """Whether two plain values are equal; a tuple is a list, and True is not 1."""
    one, other = plain(one), plain(other)
    return one == other and isinstance(one, bool) == isinstance(other, bool)


def option_words(own: Field, value: Any) -> list[str]:
    """Words of one option, checked to be plain: nothing that the parser would import or read from a file."""
    value = _read(own, plain(value))
    if own.name == "grey":
        return ["--grey"]
    said = word(value)
    return [f"--{own.name}={said}"] if said.startswith("-") else [f"--{own.name}", said]


def _read(own: Field, value: Any) -> Any:
    """The value, if it is of the field's kind; numbers may be typed as text."""
    known = [*own.choices, *own.parts]
    if isinstance(value, str) and own.kind not in ("text", "choice", "part"):
        value = _typed(value, own)
    if any(same(value, choice) for choice in known):
        return value
    fits = {
        "number": lambda: _is_number(value) and (not own.whole or isinstance(value, int)),
        "numbers": lambda: _is_list(value) and all(_is_number(item) and item % 1 == 0 for item in value),
        "texts": lambda: _is_list(value) and all(isinstance(item, str) for item in value),
        "text": lambda: isinstance(value, str) and value.isprintable(),
        "bool": lambda: isinstance(value, bool),
    }
    if own.kind in fits and fits[own.kind]():
        return value
    raise own.refuse(value)


def _typed(text: str, own: Field) -> Any:
    """What a text means: the word itself if it may be chosen, else as JSON, or as items with commas between them."""
    text = text.strip()
    if text in own.choices:
        return text
    if own.kind == "texts" and not text.startswith("["):
        return [item.strip() for item in text.split(",")]
    listed = own.kind == "numbers" and not text.startswith(("[", "null"))
    try:
        return json.loads(f"[{text}]" if listed else text)
    except (ValueError, RecursionError):
        return text


def _is_list(value: Any) -> bool:
    return isinstance(value, list) and len(value) <= MOST_ITEMS


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < _LARGEST


def word(value: Any) -> str:
    """A plain value as a word of a command line."""
    if isinstance(value, str):
        return value
    return json.dumps(plain(value), separators=(",", ":"))


def plain(value: Any) -> Any:
    """A value with lists for tuples."""
    return [plain(item) for item in value] if isinstance(value, tuple | list) else value
