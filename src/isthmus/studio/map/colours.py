"""What the points of the map can be coloured by."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from isthmus.studio.map.axes import axes_of
from isthmus.studio.refusal import Refusal, one_sentence

if TYPE_CHECKING:
    from isthmus.studio.opened import OpenedRun

_LIMITS = (1, 99)


@dataclass(frozen=True)
class Colour:
    """Values to colour by.

    Parameters
    ----------
    id, name : str
        What they are asked for by, and called.
    kind : {"class", "number", "none"}
        Numbers of classes, or values.
    values : ndarray of shape (n,)
        uint16 numbers of classes, or float32.
    names : tuple of str
        Of the classes.
    """

    id: str
    name: str
    kind: Literal["class", "number", "none"]
    values: np.ndarray
    names: tuple[str, ...] = ()

    def header(self) -> dict[str, Any]:
        """How it is described; a few extreme values do not decide where the scale ends."""
        low, high = 0.0, 1.0
        finite = self.values[np.isfinite(self.values)] if self.kind == "number" else self.values[:0]
        if len(finite):
            low, high = (float(value) for value in np.percentile(finite, _LIMITS))
        named = {"id": self.id, "name": self.name, "kind": self.kind, "names": list(self.names)}
        return {**named, "low": low, "high": high}


COLUMNS = {"error": "errors", "score": "scores"}
"""Colours that have to be computed for every sample first, and the column that holds them."""


def choices(run: OpenedRun, places: np.ndarray) -> list[dict[str, str]]:
    """All colours that there are, as they are listed."""
    found = [{"id": "none", "name": "one colour"}]
    if run.labels is not None:
        found.append({"id": "label", "name": "label"})
    if run.given is not None:
        factors = run.given.samples.factors or {}
        found += [{"id": f"factor:{name}", "name": name} for name in factors]
        found += [{"id": "error", "name": "reconstruction error"}, {"id": "score", "name": "score (nats)"}]
    return found + [{"id": axis.id, "name": axis.name} for axis in axes_of(run, places).values() if axis.axis]


def usual(run: OpenedRun) -> str:
    """What points are coloured by if nothing is asked for."""
    return "none" if run.labels is None else "label"


def colour_of(run: OpenedRun, name: str, places: np.ndarray, column: np.ndarray | None) -> Colour:
    """The values of all samples on the map; ``column`` holds those of `COLUMNS`.

    Raises
    ------
    Refusal
        With 422, if there is no such colour.
    """
    known = {choice["id"]: choice["name"] for choice in choices(run, places)}
    if name not in known:
        raise Refusal(422, f"there is no colour {one_sentence(name, 60)!r}; choose from {', '.join(list(known)[:12])}")
    if column is not None:
        return Colour(name, known[name], "number", column)
    if name == "none":
        return Colour(name, known[name], "none", np.zeros(len(places), np.float32))
    if name == "label":
        return _of_labels(run, name, known[name], lambda given: given.samples.y)
    if name.startswith("factor:"):
        return _of_labels(run, name, known[name], lambda given: given.samples.factors[name.removeprefix("factor:")])
    values = axes_of(run, places)[name].values(run, places)
    return Colour(name, known[name], "number", values.astype(np.float32))


def _of_labels(run: OpenedRun, name: str, shown: str, read: Callable[[Any], Any]) -> Colour:
    from isthmus.report.labels import read_labels

    found = run.labels if name == "label" else run.keep(name, lambda: read_labels(read(run.given)))
    assert found is not None
    values = found.values[run.numbers]
    if found.names:
        return Colour(name, shown, "class", values.astype(np.uint16), found.names)
    return Colour(name, shown, "number", values.astype(np.float32))
