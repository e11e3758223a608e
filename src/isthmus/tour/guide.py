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
_MOST_ROWS, _MOST_SIDE = 1797, 64
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
        shape = np.shape(self.samples.X)
        if len(shape) < 3 or max(shape[1:3]) > _MOST_SIDE or shape[0] < 100:
            raise DataError(
                f"the tour needs at least 100 pictures of at most {_MOST_SIDE} x {_MOST_SIDE} pixels, and "
                f"{self.samples.name} has shape {shape}; choose other data, or --resize them"
            )
        kept = np.random.RandomState(SEED).permutation(shape[0])[:_MOST_ROWS]
        n_test = int(_HELD_OUT * len(kept))
        self.train, self.test = (np.asarray(self.samples.X[np.sort(rows)]) for rows in (kept[n_test:], kept[:n_test]))
        y = self.samples.y
        self.train_labels = None if y is None else np.asarray(y)[np.sort(kept[n_test:])]
        self.test_labels = None if y is None else np.asarray(y)[np.sort(kept[:n_test])]

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

        return Portraits(self.epochs, SEED)

    @cached_property
    def span(self) -> tuple[float, float]:
        """Values that are shown as black and white."""
        from isthmus.data.info import describe_data

        return describe_data(self.train).display_range

    def tiles(self, pictures: np.ndarray) -> np.ndarray:
        """Pictures of the guide's data as RGB, for figures."""
        from isthmus.explore.pictures import to_rgb

        return to_rgb(pictures, *self.span)
