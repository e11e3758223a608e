"""The form of a model: what ``isthmus fit MODEL`` takes, read from the parser of that command.

Names, types, defaults and help come from the estimator's signature and docstring, by way of the parser; the domains
from what the estimator checks. So a form cannot say anything else than the command line does.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import cache
from importlib import import_module
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin

import numpy as np
from sklearn.utils._param_validation import Interval

from isthmus.commands.fit import fit_parser, known_model, make_model, parse_model_options, takes_target
from isthmus.commands.listing import summary
from isthmus.commands.parsing import KINDS, Parser
from isthmus.core import Part, named_parts
from isthmus.errors import ParameterError
from isthmus.models.auto import NETWORKS
from isthmus.networks import Network
from isthmus.training import Trainer

_DATA = ("target", "resize", "grey", "label", "columns", "image_shape")
_TRAINING = ("max_epochs", "batch_size", "learning_rate", "validation_fraction", "early_stopping", "precision")
_FOLDED = ("scaling", "random_state", "report")
# Where a training runs and what it leaves behind besides its run is not for a page to say.
_LEFT_OUT = ("help", "print_config", "config", "data", "out", "resume", "quiet", "trainer")
_NOT_HERE = ("devices", "strategy", "num_nodes", "checkpoint_every", "loggers", "log_dir")
_DEEPEST = 2


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
        plain = {key: value for key, value in vars(self).items() if key not in ("parts", "default")}
        parts = {name: [own.record() for own in fields] for name, fields in self.parts.items()}
        return {**plain, "default": _plain(self.default), "parts": parts}

    def refuse(self, value: Any) -> ParameterError:
        """What to say of a value that does not fit, in the words of the command line."""
        kinds = {"number": [KINDS["int" if self.whole else "float"]], "numbers": [KINDS["tuple"]]}.get(self.kind, [])
        kinds += {"bool": [KINDS["bool"]], "text": [KINDS["str"]], "texts": ["a list of text"]}.get(self.kind, [])
        words = [_word(choice) for choice in self.choices if choice is not None]
        kinds += [", ".join(words)] if words else []
        kinds += [KINDS["NoneType"]] if None in self.choices else []
        return ParameterError(f"--{self.name} can be {' or '.join(kinds)}, and not {_word(value)[:80]}")


@dataclass(frozen=True)
class Form:
    """Everything that can be said about a fit of one model."""

    model: str
    title: str
    summary: str
    fields: tuple[Field, ...]

    def record(self) -> dict[str, Any]:
        """For JSON."""
        fields = [own.record() for own in self.fields]
        return {"model": self.model, "title": self.title, "summary": self.summary, "fields": fields}

    def words(self, values: Mapping[str, Any]) -> list[str]:
        """Values by the names of options, as words of a command line; those that are the default are left out.

        Raises
        ------
        ParameterError
            A name is not in the form, or a value is not of its kind.
        """
        known = dict(_named(self.fields, values))
        for name in values:
            if name not in known:
                raise ParameterError(f"{self.model} has no option {name[:60]!r}{_hint(name, known)}")
        return [
            word
            for name, own in known.items()
            if name in values and not same(values[name], own.default)
            for word in _option(own, values[name])
        ]


@cache
def make_form(model: str) -> Form:
    """Form of a registered model.

    Raises
    ------
    ParameterError
        There is no such model.
    """
    cls = known_model(model)
    fields = [_model_field(action, cls) for action in _options(fit_parser(cls))]
    if not takes_target(cls):
        fields = [own for own in fields if own.name != "target"]
    fields.sort(key=lambda own: (own.folded, ("data", "model", "training").index(own.group), _place(own.name)))
    return Form(cls.name, cls.__name__, summary(cls), tuple(fields))


def build(form: Form, values: Mapping[str, Any], data: str = "digits", out: str = "run") -> tuple[Any, list[str]]:
    """What the command line of these values comes to: the parsed options, and its words after ``isthmus fit MODEL``.

    Raises
    ------
    ParameterError
        As ``isthmus fit`` would.
    """
    cls = known_model(form.model)
    args = [data, *form.words(values), "--out", out]
    if data.startswith("-"):
        raise ParameterError(f"data cannot be called {data[:60]!r}: write ./{data[:60]} for a file of that name")
    config = parse_model_options(_parser(form.model), args)
    make_model(cls, config).check_parameters()
    return config, args


def command(model: str, args: Iterable[str]) -> str:
    """The command line, to be copied."""
    return shlex.join(["isthmus", "fit", model, *args])


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


def same(one: Any, other: Any) -> bool:
    """Whether two plain values are equal; a tuple is a list, and True is not 1."""
    one, other = _plain(one), _plain(other)
    return one == other and isinstance(one, bool) == isinstance(other, bool)


def _complaint(values: dict[str, Any], attempt: Callable[[dict[str, Any]], Any]) -> str | tuple[Any]:
    from isthmus.errors import IsthmusError

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


def _options(parser: Parser) -> Iterator[Any]:
    """The parser's options that a form may show."""
    for action in parser._actions:
        head, _, tail = action.dest.partition(".")
        if head not in _LEFT_OUT and tail != "help" or head == "trainer" and tail and tail not in _NOT_HERE:
            yield action


def _model_field(action: Any, cls: Any) -> Field:
    head, _, tail = action.dest.rpartition(".")
    limits = (Trainer if head == "trainer" else cls)._parameter_constraints.get(tail, ())
    group = "training" if head == "trainer" or tail in _TRAINING else "data" if tail in _DATA else "model"
    folded = tail in _FOLDED or (group == "data") or (group == "training" and tail not in _TRAINING)
    return _field(action, limits, group=group, folded=folded and tail != "target")


def _field(action: Any, limits: Iterable[Any] = (), depth: int = 0, **more: Any) -> Field:
    """From an option of the parser, and from what scikit-learn's validation allows."""
    types = list(_members(getattr(action, "_typehint", None) or bool))
    choices = tuple(choice for kind in types if get_origin(kind) is Literal for choice in get_args(kind))
    choices += (None,) if type(None) in types else ()
    text = " ".join((action.help or "").split())
    found: dict[str, Any] = {"name": action.dest, "default": action.default, "help": text, "choices": choices, **more}
    part = next((kind for kind in types if isinstance(kind, type) and issubclass(kind, Part)), None)
    if part is not None:
        parts = _classes(part, action.dest, depth) if depth < _DEEPEST else {}
        names = (*(("auto",) if action.default == "auto" else ()), *_names(part), *choices)
        about = {name: summary(Part.kinds[name]) for name in parts}
        return Field(kind="part", **{**found, "choices": names, "parts": parts, "about": about})
    sequences = [kind for kind in types if get_origin(kind) in (tuple, list)]
    if sequences:
        return Field(kind="numbers" if int in get_args(sequences[0]) else "texts", whole=True, **found)
    if bool in types:
        return Field(kind="choice", **{**found, "choices": (*choices, True, False)}) if choices else _switch(found)
    if int in types or float in types:
        if isinstance(action.default, str) and action.default not in choices:
            found["choices"] = (action.default, *choices)
        return Field(kind="number", whole=float not in types, **_domain(limits), **found)
    return Field(kind="text" if str in types else "choice", **found)


def _switch(found: dict[str, Any]) -> Field:
    return Field(kind="bool", **found)


def _members(hint: Any) -> Iterator[Any]:
    """The types that a union is made of."""
    if get_origin(hint) in (Union, UnionType):
        for member in get_args(hint):
            yield from _members(member)
    else:
        yield hint


def _domain(limits: Iterable[Any]) -> dict[str, Any]:
    interval = next((limit for limit in limits if isinstance(limit, Interval)), None)
    if interval is None:
        return {}
    ends = {
        key: None if end is None or not np.isfinite(end) else end
        for key, end in (("low", interval.left), ("high", interval.right))
    }
    return {
        **ends,
        "low_open": interval.closed in ("right", "neither"),
        "high_open": interval.closed in ("left", "neither"),
    }


def _names(kind: type[Part]) -> tuple[str, ...]:
    """Names that stand for a part of this kind."""
    return tuple(NETWORKS) if kind is Network else tuple(named_parts(kind))


def _classes(kind: type[Part], name: str, depth: int) -> dict[str, tuple[Field, ...]]:
    """Parts of this kind that have options, each with fields for them."""
    package = import_module(kind.__module__.rpartition(".")[0])
    named = [part for part, _ in named_parts(kind).values()]
    parts = {part.__name__: part for part in named or map(vars(package).get, package.__all__) if _is_concrete(part, kind)}
    fields = {title: _part_fields(part, name, depth) for title, part in parts.items()}
    return {title: own for title, own in fields.items() if own}


def _is_concrete(part: Any, kind: type[Part]) -> bool:
    if not (isinstance(part, type) and issubclass(part, kind)):
        return False
    return not any(getattr(getattr(part, name, None), "__isabstractmethod__", False) for name in dir(part))


def _part_fields(part: type[Part], name: str, depth: int) -> tuple[Field, ...]:
    parser = Parser()
    parser.add_class_arguments(part, name, instantiate=False)
    own = (action for action in parser._actions if action.dest.startswith(f"{name}.") and action.dest[-5:] != ".help")
    return tuple(_field(action, depth=depth + 1) for action in own)


def _named(fields: Iterable[Field], values: Mapping[str, Any]) -> Iterator[tuple[str, Field]]:
    """Every field that there is with these values, by name; a part's options follow it."""
    for own in fields:
        yield own.name, own
        chosen = values.get(own.name, own.default)
        if own.kind == "part" and isinstance(chosen, str) and chosen in own.parts:
            yield from _named(own.parts[chosen], values)


def _option(own: Field, value: Any) -> list[str]:
    """Words of one option, checked to be plain: nothing that the parser would import or read from a file."""
    value = _read(own, value)
    if own.name == "grey":
        return ["--grey"]
    word = _word(value)
    return [f"--{own.name}={word}"] if word.startswith("-") else [f"--{own.name}", word]


def _read(own: Field, value: Any) -> Any:
    """The value, if it is of the field's kind; numbers may be typed as text."""
    known = [*own.choices, *own.parts]
    if isinstance(value, str) and own.kind not in ("text", "choice", "part"):
        value = _typed(value, own)
    if any(same(value, choice) for choice in known):
        return value
    fits = {
        "number": lambda: _is_number(value) and (not own.whole or isinstance(value, int)),
        "numbers": lambda: isinstance(value, list) and all(_is_number(item) and item % 1 == 0 for item in value),
        "texts": lambda: isinstance(value, list) and all(isinstance(item, str) for item in value),
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
    if own.kind == "numbers" and not text.startswith(("[", "null")):
        text = f"[{text}]"
    try:
        return json.loads(text)
    except ValueError:
        return text


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and bool(np.isfinite(value))


def _word(value: Any) -> str:
    if isinstance(value, str):
        return value
    return json.dumps(_plain(value), separators=(",", ":"))


def _plain(value: Any) -> Any:
    return [_plain(item) for item in value] if isinstance(value, tuple | list) else value


def _place(name: str) -> int:
    """The shared parameters that matter most come first and last, the variant's own between them."""
    tail = name.rpartition(".")[2]
    if tail in _TRAINING:
        return _TRAINING.index(tail)
    return {"latent_dim": -1, "network": 100, "likelihood": 101}.get(tail, 1)


def _hint(name: str, known: Iterable[str]) -> str:
    close = get_close_matches(name, list(known), n=1)
    return f"; did you mean {close[0]!r}?" if close else ""
