"""A form that was filled in: the command line that it stands for, and what is wrong with it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

from isthmus.commands.fit import fit_parser, known_model, make_model, parse_model_options
from isthmus.commands.parsing import Parser
from isthmus.errors import IsthmusError, ParameterError
from isthmus.studio.fits.forms import Form


def build(form: Form, values: Mapping[str, Any], data: str = "digits") -> tuple[Any, list[str]]:
    """What a command line comes to: the parsed options, and its words after ``isthmus fit MODEL``, but for the folder.

    Raises
    ------
    ParameterError
        As ``isthmus fit`` would.
    """
    cls = known_model(form.model)
    args = [data, *form.words(values)]
    if data.startswith("-"):
        raise ParameterError(f"data cannot be called {data[:60]!r}: write ./{data[:60]} for a file of that name")
    config = parse_model_options(_parser(form.model), [*args, "--out", "run"])
    make_model(cls, config).check_parameters()
    return config, args


def faults(
    values: Mapping[str, Any], attempt: Callable[[dict[str, Any]], Any]
) -> tuple[Any, dict[str, str], str | None]:
    """Try the values; if they are refused, find which ones are to blame.

    A value is to blame if all is well, or another one is complained of, without it.

    Parameters
    ----------
    values : mapping
        By the names of the options.
    attempt : callable
        Raises `ParameterError` or `DataError` if values are refused.

    Returns
    -------
    result, errors, problem
        What the attempt returned once the values to blame were left out, or None; a sentence for each of these; and a
        sentence on what none of them is to blame for.
    """
    rest, errors = dict(values), {}
    while True:
        complaint = _complaint(rest, attempt)
        if not isinstance(complaint, str):
            return complaint[0], errors, None
        blamed = next((name for name in reversed(rest) if _complaint(_without(rest, name), attempt) != complaint), None)
        if blamed is None:
            return None, errors, complaint
        errors[blamed] = complaint
        rest = _without(rest, blamed)


def _complaint(values: dict[str, Any], attempt: Callable[[dict[str, Any]], Any]) -> str | tuple[Any]:
    try:
        return (attempt(values),)
    except IsthmusError as error:
        return " ".join(str(error).split()).partition(" (see isthmus ")[0]


def _without(values: Mapping[str, Any], name: str) -> dict[str, Any]:
    """The values but one, and but the options of the part that it named."""
    return {key: value for key, value in values.items() if key != name and not key.startswith(f"{name}.")}


@cache
def _parser(model: str) -> Parser:
    return fit_parser(known_model(model))
