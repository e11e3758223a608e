"""What a comparison found."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from isthmus.comparison.errors import OF_BITS, is_certain
from isthmus.evaluate.catalogue import grouped, quantity

if TYPE_CHECKING:
    from isthmus.evaluate.extractor import Extractor
    from isthmus.models.base import BaseAutoencoder

_NATS = ("reconstruction_nll", "elbo", "bits_per_dim", "discrete_bound", "log_likelihood")
_MASSES = ("bernoulli", "categorical", "poisson", "negative_binomial")


@dataclass(eq=False)
class Comparison:
    """Several models on the same rows.

    Parameters
    ----------
    table : dict of str to dict of str to float
        What `BaseAutoencoder.evaluate` gives for each model, by the model's name.
    errors : dict of str to dict of str to float
        Standard errors of these numbers, where they are known.
    of_rows : dict of str to dict of str to ndarray of shape (n,)
        Parts that the rows have in numbers that are means over them.
    models : dict of str to BaseAutoencoder
        The models.
    rows : ndarray of shape (n, *event)
        The rows.
    source : str
        What the data are called.
    extractor : Extractor or None
        By whose features samples were compared.
    random_state : int
        Seed of the samples.
    """

    table: dict[str, dict[str, float]]
    errors: dict[str, dict[str, float]]
    of_rows: dict[str, dict[str, np.ndarray]]
    models: dict[str, BaseAutoencoder]
    rows: np.ndarray
    source: str
    extractor: Extractor | None = None
    random_state: int = 0
    best: dict[str, str | None] = field(init=False)
    notes: list[str] = field(init=False)

    def __post_init__(self) -> None:
        apart, self.notes = self._incomparable()
        self.best = {key: None if key in apart else self._best(key) for key in self.keys}

    @property
    def keys(self) -> list[str]:
        """Every key that some model has, in order, without errors and floors, which belong to others."""
        found = dict.fromkeys(key for values in self.table.values() for key in values)
        return [key for key in found if not key.endswith(("_error", "_floor"))]

    @property
    def groups(self) -> dict[str, list[str]]:
        """The keys by group, without the numbers of rows and samples, which are the same for all."""
        return grouped([key for key in self.keys if key not in ("n_samples", "n_generated")])

    def floor(self, key: str) -> tuple[float, float | None] | None:
        """What rows of the reference get in place of samples, with its standard error if that is known."""
        values = next(iter(self.table.values()))
        if f"{key}_floor" not in values:
            return None
        return values[f"{key}_floor"], values.get(f"{key}_floor_error")

    def write(self, folder: str | os.PathLike[str]) -> Path:
        """Write ``table.csv``, ``table.md``, ``compare.html``, ``figures/*.png`` and ``extractor/`` into a folder.

        Existing files of those names are replaced. Returns the page.
        """
        from isthmus.comparison.page import write_comparison

        return write_comparison(self, Path(folder))

    def __str__(self) -> str:
        from isthmus.comparison.table import as_text

        return as_text(self)

    def _best(self, key: str) -> str | None:
        """The model that beats every other one by more than chance, if any does."""
        better = quantity(key).better
        having = [name for name in self.table if np.isfinite(self.table[name].get(key, np.nan))]
        if better is None or len(having) < 2:
            return None
        pick = max if better == "higher" else min
        first = pick(having, key=lambda name: self.table[name][key])
        others = [name for name in having if name != first]
        return first if all(self._differ(key, first, other) for other in others) else None

    def _differ(self, key: str, first: str, second: str) -> bool:
        pair = first, second
        values = self.table[first][key], self.table[second][key]
        errors = self.errors[first].get(key), self.errors[second].get(key)
        return is_certain(key, values, errors, (self.of_rows[pair[0]], self.of_rows[pair[1]]))

    def _incomparable(self) -> tuple[set[str], list[str]]:
        """Keys whose values mean different things for these models, and why, in words."""
        from isthmus.core import named_parts
        from isthmus.likelihoods import Likelihood

        known = named_parts(Likelihood)
        masses = {known[name][0] for name in _MASSES}
        is_mass = {name: type(model.module_.likelihood) in masses for name, model in self.models.items()}
        bounded = {name: any(key in values for key in OF_BITS) for name, values in self.table.items()}
        apart: set[str] = set()
        notes: list[str] = []
        if len(set(is_mass.values())) > 1:
            apart |= set(_NATS)
            few = ", ".join(name for name, mass in is_mass.items() if mass)
            notes.append(
                f"The likelihood of {few} is a probability, that of the others a density: their nats and bits cannot "
                "be compared, so none of these is marked as the best."
            )
        if len(set(bounded.values())) > 1:
            apart.add("bits_per_dim")
            few = ", ".join(name for name, bound in bounded.items() if not bound)
            notes.append(
                f"There is no bound of {few}, whose code is deterministic: bits_per_dim leaves out what the code "
                "costs, so it is no likelihood and not marked as the best."
            )
        return apart, notes
