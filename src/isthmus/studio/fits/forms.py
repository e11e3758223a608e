"""The form of a model: what ``isthmus fit MODEL`` takes, read from the parser of that command.

Names, types, defaults and help come from the estimator's signature and docstring, by way of the parser; the domains
from what the estimator checks. So a form cannot say anything else than the command line does.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from importlib import import_module
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin

import numpy as np
from sklearn.utils._param_validation import Interval

from isthmus.commands.fit import fit_parser, known_model, takes_target
from isthmus.commands.listing import summary
from isthmus.commands.parsing import Parser
from isthmus.core import Part, named_parts
from isthmus.errors import ParameterError
from isthmus.models.auto import NETWORKS
from isthmus.networks import Network
from isthmus.studio.fits.fields import Field, option_words, same
from isthmus.training import Trainer

_DATA = ("target", "resize", "grey", "label", "columns", "image_shape")
_TRAINING = ("max_epochs", "batch_size", "learning_rate", "validation_fraction", "early_stopping", "precision")
_FOLDED = ("scaling", "random_state", "report")
# Where a training runs and what it leaves behind besides its run is not for a page to say.
_LEFT_OUT = ("help", "print_config", "config", "data", "out", "resume", "quiet", "trainer")
_NOT_HERE = ("devices", "strategy", "num_nodes", "checkpoint_every", "loggers", "log_dir")
_DEEPEST = 2


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
        given = {name: values[name] for name, own in known.items() if name in values}
        given = {name: value for name, value in given.items() if not same(value, known[name].default)}
        for name in [name for name, value in given.items() if isinstance(value, str) and value in known[name].parts]:
            if not any(other.startswith(f"{name}.") for other in given):
                # A class is told from a name by the options that follow it.
                first = known[name].parts[given[name]][0]
                given[first.name] = first.default
        return [word for name, own in known.items() if name in given for word in option_words(own, given[name])]


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


def _options(parser: Parser) -> Iterator[Any]:
    """The parser's options that a form may show."""
    for action in parser._actions:
        head, _, tail = action.dest.partition(".")
        of_training = head == "trainer" and tail and tail not in _NOT_HERE
        if of_training or (head not in _LEFT_OUT and tail != "help"):
            yield action


def _model_field(action: Any, cls: Any) -> Field:
    head, _, tail = action.dest.rpartition(".")
    limits = (Trainer if head == "trainer" else cls)._parameter_constraints.get(tail, ())
    group = "training" if head == "trainer" or tail in (*_TRAINING, "report") else "data" if tail in _DATA else "model"
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
    package = vars(import_module(kind.__module__.rpartition(".")[0]))
    known = [part for part, _ in named_parts(kind).values()] or [package[title] for title in package["__all__"]]
    fields = {part.__name__: _part_fields(part, name, depth) for part in known if _is_concrete(part, kind)}
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


def _place(name: str) -> int:
    """The shared parameters that matter most come first and last, the variant's own between them."""
    tail = name.rpartition(".")[2]
    if tail in _TRAINING:
        return _TRAINING.index(tail)
    return {"latent_dim": -1, "network": 100, "likelihood": 101}.get(tail, 1)


def _hint(name: str, known: Iterable[str]) -> str:
    close = get_close_matches(name, list(known), n=1)
    return f"; did you mean {close[0]!r}?" if close else ""
