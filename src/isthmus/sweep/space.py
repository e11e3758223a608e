"""What values a parameter may take in a search, and how a user writes that."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from isthmus.errors import ParameterError

Scalar = None | bool | int | float | str
"""What a study can store."""

_FORM = "NAME=LOW..HIGH, NAME=LOW..HIGH:log or NAME=A,B,C"


@dataclass(frozen=True)
class Range:
    """All numbers from ``low`` to ``high``, both included.

    Parameters
    ----------
    low, high : float
        Ends.
    log : bool
        Whether equal ratios, rather than equal differences, are equally likely.
    whole : bool
        Whether only whole numbers are meant.
    """

    low: float
    high: float
    log: bool = False
    whole: bool = False

    def suggest(self, trial: Any, name: str) -> Any:
        """A value of this range for an Optuna trial."""
        if self.whole:
            return trial.suggest_int(name, int(self.low), int(self.high), log=self.log)
        return trial.suggest_float(name, self.low, self.high, log=self.log)

    @property
    def examples(self) -> tuple[Any, ...]:
        """Values by which to see whether a parameter takes all of them."""
        ends = (self.low, self.high)
        return tuple(int(end) for end in ends) if self.whole else ends

    def __str__(self) -> str:
        return f"{self.low:g}..{self.high:g}" + (":log" if self.log else "")


@dataclass(frozen=True)
class Choices:
    """One of several values, in no order.

    Parameters
    ----------
    values : tuple
        Numbers, words, None, or tuples of these.
    """

    values: tuple[Any, ...]

    def suggest(self, trial: Any, name: str) -> Any:
        """One of the values for an Optuna trial."""
        return from_scalar(trial.suggest_categorical(name, [to_scalar(value) for value in self.values]))

    @property
    def examples(self) -> tuple[Any, ...]:
        """Values by which to see whether a parameter takes all of them."""
        return self.values

    def __str__(self) -> str:
        return ",".join(show(value) for value in self.values)


Dimension = Range | Choices


def to_scalar(value: Any) -> Scalar:
    """What a study stores for a value: a list as its text."""
    return json.dumps(list(value), separators=(",", ":")) if isinstance(value, list | tuple) else value


def from_scalar(value: Scalar) -> Any:
    """The value that `to_scalar` was given, with a tuple for a list."""
    return tuple(json.loads(value)) if isinstance(value, str) and value.startswith("[") else value


def show(value: Any) -> str:
    """A value in few characters, as it is written on the command line."""
    if value is None or isinstance(value, bool):
        return json.dumps(value)
    return f"{value:.3g}" if isinstance(value, float) else str(to_scalar(value))


def read_space(asked: Sequence[str] | Mapping[str, Any]) -> dict[str, Dimension]:
    """What a user asked to search, by name.

    Parameters
    ----------
    asked : sequence of str, or mapping
        ``"name=low..high"`` and so on; or from each name to what would stand right of the equals sign, to a list of
        choices, to a (low, high) tuple of numbers, or to one of Optuna's distributions.

    Raises
    ------
    ParameterError
        Something cannot be read, or a name comes twice.
    """
    pairs = list(asked.items()) if isinstance(asked, Mapping) else [_split(text) for text in asked]
    found: dict[str, Dimension] = {}
    for name, what in pairs:
        name = name.strip().replace("trainer__", "trainer.")
        if name in found:
            raise ParameterError(f"{name} is given twice in the search space; give it once")
        found[name] = _read(name, what)
    return found


def _split(text: str) -> tuple[str, str]:
    name, equals, what = text.partition("=")
    if not (name.strip() and equals and what.strip()):
        raise ParameterError(f"a search space is written {_FORM}, and not {text!r}")
    return name, what


def _read(name: str, what: Any) -> Dimension:
    if isinstance(what, Range | Choices):
        return what
    if isinstance(what, str):
        return _read_range(name, what) if ".." in what else _read_choices(name, what)
    if isinstance(what, tuple) and len(what) == 2 and all(type(end) in (int, float) for end in what):
        return _checked(name, Range(what[0], what[1], whole=all(isinstance(end, int) for end in what)))
    if isinstance(what, Sequence):
        return _distinct(name, tuple(what))
    return _from_distribution(name, what)


def _read_range(name: str, text: str) -> Range:
    ends, _, suffix = text.partition(":")
    low, _, high = (part.strip() for part in ends.partition(".."))
    if suffix.strip() not in ("", "log"):
        raise ParameterError(f"after the range of {name} can come ':log', and not ':{suffix}'")
    numbers = [_value(end) for end in (low, high)]
    if not all(type(number) in (int, float) for number in numbers):
        raise ParameterError(f"{name}={text} is no range: its ends must be numbers, as in {name}=1..10")
    whole = all(isinstance(number, int) for number in numbers)
    return _checked(name, Range(numbers[0], numbers[1], log=bool(suffix), whole=whole))


def _checked(name: str, found: Range) -> Range:
    if not (math.isfinite(found.low) and math.isfinite(found.high)) or found.low >= found.high:
        raise ParameterError(f"{name}={found} is no range: the first number must be below the second")
    if found.log and found.low <= 0:
        raise ParameterError(f"{name}={found} must begin above 0, as it is logarithmic")
    return found


def _read_choices(name: str, text: str) -> Choices:
    # Commas inside brackets belong to a value.
    return _distinct(name, tuple(_value(part.strip()) for part in re.split(r",(?![^\[]*\])", text)))


def _distinct(name: str, values: tuple[Any, ...]) -> Choices:
    values = tuple(tuple(value) if isinstance(value, list) else value for value in values)
    if not values or len({to_scalar(value) for value in values}) < len(values):
        raise ParameterError(f"the choices of {name} must differ, and there must be at least one; got {list(values)}")
    return Choices(values)


def _value(text: str) -> Any:
    """Number, true, false, null, list or word."""
    for read in (json.loads, float):
        try:
            value = read(text)
        except ValueError:
            continue
        return tuple(value) if isinstance(value, list) else value
    return text


def _from_distribution(name: str, what: Any) -> Dimension:
    """From one of Optuna's distributions, told by its attributes."""
    if hasattr(what, "choices"):
        return _distinct(name, tuple(what.choices))
    if not (hasattr(what, "low") and hasattr(what, "high")):
        raise ParameterError(
            f"{name} needs a text such as '1..10', a list of choices, or a distribution of Optuna, and not {what!r}"
        )
    whole = type(what).__name__.startswith("Int")
    if getattr(what, "step", None) not in (None, 1 if whole else None):
        raise ParameterError(f"steps are not supported, as in {what!r}; list the values of {name}")
    return Range(what.low, what.high, bool(getattr(what, "log", False)), whole)
