"""A run that is open: its model, the data that it is looked at with, and what is known of both."""

from __future__ import annotations

from collections.abc import Callable
from copy import copy
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from isthmus.errors import IsthmusError
from isthmus.studio.columns import Columns
from isthmus.studio.refusal import Refusal, scrubbed
from isthmus.studio.settings import Limits

if TYPE_CHECKING:
    from isthmus.data import Samples
    from isthmus.data.info import DataInfo
    from isthmus.data.streams import AnyRows
    from isthmus.models.base import BaseAutoencoder
    from isthmus.report.labels import Labels
    from isthmus.studio.sliders import Sliders

T = TypeVar("T")

_MOST_CODE_VALUES = 1 << 26
_MOST_KEPT = 64
_DRAWS, _SEED = 2000, 0


@dataclass(frozen=True)
class Given:
    """The data that a run is looked at with.

    Parameters
    ----------
    samples : Samples
        As they were read.
    rows : ndarray or Rows of shape (n, *event)
        All of them, in the shape that the model takes.
    numbers : ndarray of shape (m,), uint32
        Rows that are on the map: all, or as many as there may be, chosen at random.
    """

    samples: Samples
    rows: AnyRows
    numbers: np.ndarray


class OpenedRun:
    """A run, of which each thing is read or computed when it is first asked for.

    All but the name is for the thread of `Work` only.

    Parameters
    ----------
    name : str
        What it is called in the library.
    folder : Path
        Where it is.
    data : str, optional
        Data to look at instead of those that it was fitted on.
    limits : Limits
        How many points there may be on the map.
    """

    def __init__(self, name: str, folder: Path, data: str | None, limits: Limits) -> None:
        self.name, self.folder = name, folder
        self._data, self._limits = data, limits
        self.data_problem: str | None = None
        self.columns = Columns(self)
        self._kept: dict[Any, Any] = {}

    def keep(self, key: Any, make: Callable[[], T]) -> T:
        """What was made for this key before, or is made now."""
        if key not in self._kept:
            while len(self._kept) >= _MOST_KEPT:
                self._kept.pop(next(iter(self._kept)))
            self._kept[key] = make()
        return self._kept[key]

    # ---------------------------------------------------------------- model

    @cached_property
    def est(self) -> BaseAutoencoder:
        """The model."""
        from isthmus.runs import load

        return load(self.folder)

    @property
    def info(self) -> DataInfo:
        """Shape, type and range of the data that it was fitted on."""
        return self.est.info_

    @cached_property
    def sliders(self) -> Sliders:
        """What its sliders stand for."""
        from isthmus.studio.sliders import sliders_of

        return sliders_of(self.est)

    @property
    def classes(self) -> list[Any]:
        """Classes that the model can be told; of most models none."""
        return getattr(self.est, "classes_", np.zeros(0)).tolist()

    # ---------------------------------------------------------------- data

    @cached_property
    def given(self) -> Given | None:
        """The data, if they can be read and fit the model; else `data_problem` says why not."""
        from isthmus.models.inputs import read_samples
        from isthmus.run_data import samples_of_run
        from isthmus.runs import run_source

        if self._data is None and run_source(self.folder) is None:
            self.data_problem = "the run does not say what it was fitted on; start the studio with --data"
            return None
        try:
            samples = samples_of_run(self.est, self.folder, self._data)
            # Without names that have to be compared, an array of the right shape needs no further checks.
            given = samples if samples.feature_names else samples.X
            rows = read_samples(self.est, given, fitting=False)
        except IsthmusError as error:
            self.data_problem = scrubbed(error)
            return None
        return Given(samples, rows, self._chosen(len(rows)))

    @property
    def numbers(self) -> np.ndarray:
        """Numbers of the samples on the map, uint32; without data, those of draws from the prior."""
        return np.arange(len(self.drawn), dtype=np.uint32) if self.given is None else self.given.numbers

    @cached_property
    def drawn(self) -> np.ndarray:
        """Positions (n, width) of codes from the prior, which are on the map where there are no data."""
        return self.draw(_DRAWS, _SEED)

    def rows(self, numbers: np.ndarray) -> np.ndarray:
        """Samples (n, *event) of these numbers: of the data, or decoded draws.

        Raises
        ------
        Refusal
            With 422, if there is no such row.
        """
        n = len(self.drawn) if self.given is None else len(self.given.rows)
        wrong = numbers[(numbers < 0) | (numbers >= n)]
        if len(wrong):
            raise Refusal(422, f"there is no row {wrong[0]}; there are {n:,}, from 0 to {n - 1:,}")
        if self.given is None:
            return self.decode(self.drawn[numbers])
        return np.asarray(self.given.rows[numbers])

    @cached_property
    def labels(self) -> Labels | None:
        """Labels of all rows, if the data have any."""
        from isthmus.report.labels import read_labels

        return None if self.given is None or self.given.samples.y is None else read_labels(self.given.samples.y)

    def label(self, number: int) -> Any:
        """Label of a row, as the data have it."""
        if self.given is None or self.given.samples.y is None:
            return None
        value = self.given.samples.y[number]
        value = value.item() if isinstance(value, np.generic) else value
        # JSON has no NaN.
        return None if value != value else value if isinstance(value, int | float | str) else str(value)

    def glimpse(self, numbers: np.ndarray) -> OpenedRun:
        """The same run with fewer samples on the map, for as long as nothing is known of the others."""
        assert self.given is not None
        some = copy(self)
        some._kept = {}
        some.__dict__["given"] = replace(self.given, numbers=numbers)
        return some

    # ---------------------------------------------------------------- what the model makes of it

    def taken(self, rows: np.ndarray) -> Any:
        """Samples (n, *event) as the model's methods take them: with their names, flat if they came flat."""
        return self.named(rows.reshape(len(rows), -1) if self.est.is_flat_ else rows)

    def named(self, rows: np.ndarray) -> Any:
        """Rows with the names of their columns, if the model knows them: without, they would be warned of."""
        from isthmus.data import Samples

        names = getattr(self.est, "feature_names_in_", None)
        return rows if names is None else Samples(rows, "X", feature_names=tuple(names))

    def place(self, rows: np.ndarray) -> np.ndarray:
        """Positions (n, width) of samples."""
        return self.sliders.place(self.taken(rows))

    def decode(self, z: np.ndarray, y: Any = None) -> np.ndarray:
        """Samples (n, ...) at positions (n, width), of a class if the model knows some."""
        codes = self.sliders.codes(np.asarray(z, np.float32))
        return self.est.inverse_transform(codes) if y is None else self.est.inverse_transform(codes, y)  # pyright: ignore[reportCallIssue]

    def errors(self, rows: np.ndarray) -> np.ndarray:
        """Root mean square difference of samples from their reconstructions, in the data's own units."""
        made = self.est.reconstruct(self.taken(rows)).reshape(len(rows), -1)
        difference = made.astype(np.float64) - rows.reshape(len(rows), -1)
        return np.sqrt(np.mean(difference**2, axis=1)).astype(np.float32)

    def scores(self, rows: np.ndarray) -> np.ndarray:
        """Lower bound on log p(x), or what the model has of the kind, in nats."""
        return self.est.score_samples(self.taken(rows)).astype(np.float32)

    def draw(self, n: int, seed: int) -> np.ndarray:
        """Positions (n, width) of codes from the prior."""
        return self.sliders.find(self.draw_codes(n, seed))

    def draw_codes(self, n: int, seed: int) -> np.ndarray:
        """Codes (n, latent_dim) from the prior."""
        import torch

        with torch.random.fork_rng(devices=[]), torch.no_grad():
            torch.manual_seed(seed)
            return self.est.module_.prior().sample(torch.Size([n])).cpu().float().numpy()

    def _chosen(self, n: int) -> np.ndarray:
        most = max(1, min(self._limits.points, _MOST_CODE_VALUES // self.sliders.width))
        if n <= most:
            return np.arange(n, dtype=np.uint32)
        return np.sort(np.random.default_rng(_SEED).choice(n, most, replace=False)).astype(np.uint32)
