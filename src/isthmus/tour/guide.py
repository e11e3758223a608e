"""What the chapters share: the data, how much time there is, and models that several of them look at."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from isthmus.errors import DataError

if TYPE_CHECKING:
    from isthmus.data.samples import Samples
    from isthmus.models.vae import VAE
    from isthmus.tour.portraits import Portraits

SEED = 0
_FEWEST_ROWS, _MOST_ROWS, _MOST_SIDE, MOST_VALUES = 100, 1797, 64, 1024
_HELD_OUT = 0.25
_LATENT_DIM = 8


@dataclass
class Guide:
    """Leads through the chapters.

    Parameters
    ----------
    samples : Samples
        Pictures for the chapters that suit any.
    quick : bool
        Whether to train for less time.
    """

    samples: Samples
    quick: bool = False

    def __post_init__(self) -> None:
        _check_pictures(self.samples.X.shape, self.name)
        kept = np.random.RandomState(SEED).permutation(len(self.samples.X))[:_MOST_ROWS]
        n_test = int(_HELD_OUT * len(kept))
        parts = np.sort(kept[n_test:]), np.sort(kept[:n_test])
        self.train, self.test = (np.asarray(self.samples.X[rows]) for rows in parts)
        if any(part.dtype.kind == "f" and not np.isfinite(part).all() for part in (self.train, self.test)):
            raise DataError(f"the tour needs pictures without missing values, and {self.name} has some")
        if self.train.min() == self.train.max():
            raise DataError(f"the tour needs pictures with something to see, and all of {self.name} is one value")
        self.train_labels, self.test_labels = _classes(self.samples.y, parts)

    @property
    def name(self) -> str:
        """The data, as a user would type them."""
        return self.samples.name

    def epochs(self, n: int) -> int:
        """Epochs for a training that takes ``n`` where there is time."""
        return max(2, n // 2) if self.quick else n

    def options(self, n: int, **more: Any) -> dict[str, Any]:
        """Parameters of a model that trains for ``n`` epochs: the same model every time."""
        return {"max_epochs": self.epochs(n), "random_state": SEED, **more}

    @cached_property
    def vae(self) -> VAE:
        """A variational autoencoder of the pictures, which several chapters look at."""
        from isthmus import VAE

        return VAE(_LATENT_DIM, **self.options(120)).fit(self.train)

    @cached_property
    def portraits(self) -> Portraits:
        """Drawn faces, and a model of them."""
        from isthmus.tour.portraits import Portraits

        # Too short a training folds the smile of some seeds; a quick tour saves its time elsewhere.
        return Portraits(lambda n: self.epochs(2 * n if self.quick else n), SEED)

    @cached_property
    def span(self) -> tuple[float, float]:
        """Values that are shown as black and white."""
        from isthmus.data.info import describe_data

        return describe_data(self.train).display_range

    def small(self) -> tuple[np.ndarray, np.ndarray, str]:
        """Pictures to train on and unseen ones, for models as wide as the data; a sentence says if they were thinned.

        Of at most 1,024 values each.
        """
        step = 1
        while self.train[:1, ::step, ::step].size > MOST_VALUES:
            step += 1
        said = f" Of the pictures, one pixel in {step} of each row and column." if step > 1 else ""
        return self.train[:, ::step, ::step], self.test[:, ::step, ::step], said

    def tiles(self, pictures: np.ndarray) -> np.ndarray:
        """Pictures of the guide's data as RGB, for figures."""
        from isthmus.explore.pictures import to_rgb

        return to_rgb(pictures, *self.span)


def _check_pictures(shape: tuple[int, ...], name: str) -> None:
    if len(shape) < 3:
        raise DataError(f"the tour shows pictures, and {name} is a table of shape {shape}; choose pictures")
    if max(shape[1:3]) > _MOST_SIDE or shape[0] < _FEWEST_ROWS:
        raise DataError(
            f"the tour needs at least {_FEWEST_ROWS} pictures of at most {_MOST_SIDE} x {_MOST_SIDE} pixels, and "
            f"{name} has shape {shape}; choose other data, or --resize them"
        )


def _classes(y: np.ndarray | None, parts: tuple[np.ndarray, np.ndarray]) -> tuple[np.ndarray | None, ...]:
    """Labels of both parts; None if they are no classes, or if a part has a single one."""
    from isthmus.report.labels import is_continuous

    if y is None or np.ndim(y) != 1 or is_continuous(np.asarray(y)):
        return None, None
    labels = np.asarray(y)
    # What is no whole number is the name of a class, and a classifier takes it for one if it is text.
    labels = labels if labels.dtype.kind in "iub" else labels.astype(str)
    found = tuple(labels[rows] for rows in parts)
    return (None, None) if min(len(np.unique(part)) for part in found) < 2 else found
