"""Everything a report needs to know about a model and its data, computed once."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from isthmus.errors import DataError

if TYPE_CHECKING:
    from isthmus.data.samples import Samples
    from isthmus.report.labels import Labels

MOST_ROWS = 2000
MOST_VALUES = 1 << 25
LIKELIHOOD_ROWS, LIKELIHOOD_DRAWS = 200, 100
# Values decoded for the bound and for the importance weights: what takes seconds on one core.
_BOUND_VALUES, _LIKELIHOOD_VALUES = 1 << 24, 1 << 23


@dataclass
class View:
    """A fitted estimator and the rows of its data that the report looks at.

    Parameters
    ----------
    estimator : BaseAutoencoder
        Fitted.
    samples : Samples
        Data of the shape that the estimator was fitted on.
    """

    estimator: Any
    samples: Samples

    def __post_init__(self) -> None:
        X, y = self.samples.X, self.samples.y
        if len(X) == 0:
            raise DataError(f"{self.samples.name} has no rows; a report needs at least one")
        if y is not None and len(y) != len(X):
            raise DataError(f"there are {len(y):,} labels for {len(X):,} rows; pass one label per row")
        widest = max(self.info.n_values, self.estimator.latent_dim_)
        most = max(64, min(MOST_ROWS, MOST_VALUES // widest))
        # In random order, so that the first few rows are a fair choice as well.
        self.row_numbers = np.random.RandomState(0).permutation(len(X))[:most]
        self.rows = np.asarray(X[self.row_numbers])

    @property
    def info(self) -> Any:
        """Description of the training data."""
        return self.estimator.info_

    @property
    def stochastic(self) -> bool:
        """Whether a code is a distribution."""
        return self.estimator.module_.bottleneck.stochastic

    @property
    def restores(self) -> bool:
        """Whether the network passes on every scale of its input, in more values than one can look at as a code."""
        return self.estimator.module_.network.code_width(self.info.shape) is not None

    @property
    def sampling(self) -> str:
        """How samples are drawn."""
        from isthmus.priors.afterwards import fitted_prior

        fitted = fitted_prior(self.estimator.module_)
        if fitted is None:
            return self.estimator.sampling
        return f"codes drawn from the density fitted to the codes after the training ({fitted.name}), then decoded"

    @property
    def title(self) -> str:
        """Name of the model's class."""
        return type(self.estimator).__name__

    @cached_property
    def events(self) -> np.ndarray:
        """The rows as samples, (n, d), (n, H, W) or (n, H, W, C)."""
        from isthmus.models.inputs import read_samples

        return np.asarray(read_samples(self.estimator, self.rows, fitting=False))

    @cached_property
    def codes(self) -> np.ndarray:
        """Codes of the rows, (n, latent_dim)."""
        from isthmus.engines.engine import engine_of
        from isthmus.models.inference import encode_rows

        return encode_rows(engine_of(self.estimator.module_), self.events)

    @cached_property
    def rebuilt(self) -> np.ndarray:
        """Reconstructions of the rows."""
        return self.decode(self.codes)

    @cached_property
    def errors(self) -> np.ndarray:
        """Root mean squared error of every row: in the data's units for pictures, in sd of each feature for tables."""
        difference = self.events.astype(np.float64) - self.rebuilt
        if not self.info.is_picture:
            difference = difference / self.feature_sd
        return np.sqrt((difference**2).reshape(len(difference), -1).mean(1))

    @cached_property
    def feature_sd(self) -> np.ndarray:
        """Standard deviation of every feature over the rows; 1 where it is constant."""
        sd = self.events.astype(np.float64).std(0)
        return np.where(sd > 0, sd, 1.0)

    @cached_property
    def feature_r2(self) -> np.ndarray:
        """Share of the variance of every feature that the reconstruction explains; NaN where it is constant."""
        from isthmus.evaluate.sparsity import variance_explained

        return variance_explained(self.events, self.rebuilt)

    @cached_property
    def labels(self) -> Labels | None:
        """Labels of the rows."""
        from isthmus.report.labels import read_labels

        return None if self.samples.y is None else read_labels(np.asarray(self.samples.y)[self.row_numbers])

    @cached_property
    def metrics(self) -> dict[str, float]:
        """What the estimator's `evaluate` says about the rows, or about as many as its bound has time for."""
        from isthmus.models.inference import SCORE_DRAWS

        most = max(100, _BOUND_VALUES // (SCORE_DRAWS * self.info.n_values)) if self.stochastic else MOST_ROWS
        return self.estimator.evaluate(self.rows[:most])

    @cached_property
    def importance_weighted(self) -> tuple[int, float] | None:
        """Rows and mean of the importance-weighted log-likelihood, where the model has one."""
        if not self.stochastic:
            return None
        affordable = max(20, _LIKELIHOOD_VALUES // (LIKELIHOOD_DRAWS * self.info.n_values))
        few = self.rows[: min(LIKELIHOOD_ROWS, affordable)]
        return len(few), float(self.estimator.log_likelihood(few, n_samples=LIKELIHOOD_DRAWS).mean())

    @cached_property
    def divergences(self) -> np.ndarray | None:
        """Mean KL of every latent in nats; None where there is no closed form."""
        from isthmus.evaluate.metrics import divergences

        if not self.stochastic:
            return None
        try:
            return divergences(self.estimator, self.events).mean(0)
        except TypeError:
            return None

    @cached_property
    def latent_variance(self) -> np.ndarray:
        """Variance of every latent's code over the rows."""
        return self.codes.var(0)

    @cached_property
    def active(self) -> np.ndarray:
        """Which latents vary with the data."""
        from isthmus.models.fitting import ACTIVE

        return self.latent_variance > ACTIVE

    @cached_property
    def feature_names(self) -> list[str]:
        """Names of a table's columns."""
        fitted = getattr(self.estimator, "feature_names_in_", None)
        names = self.samples.feature_names or (None if fitted is None else fitted)
        n = self.info.n_values
        return [str(name) for name in names] if names is not None and len(names) == n else _numbered(n)

    @cached_property
    def most_active(self) -> np.ndarray:
        """Latents, the one that carries most first."""
        carried = self.latent_variance if self.divergences is None else self.divergences
        return np.argsort(carried, kind="stable")[::-1]

    def decode(self, codes: np.ndarray) -> np.ndarray:
        """Decode codes to samples (n, *event)."""
        return self.estimator.inverse_transform(codes).reshape(-1, *self.info.shape)

    def draw(self, n: int) -> np.ndarray:
        """Samples of the model, the same ones every time, of shape (n, *event)."""
        return self.estimator.sample(n, random_state=0).reshape(-1, *self.info.shape)

    def colours(self, pictures: np.ndarray) -> np.ndarray:
        """Pictures as RGB tiles, clipped to the range of the data."""
        from isthmus.explore.pictures import to_rgb

        return to_rgb(pictures, *self.info.display_range)


def _numbered(n: int) -> list[str]:
    return [f"column {i}" for i in range(n)]
