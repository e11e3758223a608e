"""Ways through the code: along one latent, along a direction, or along an attribute."""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Integral
from typing import TYPE_CHECKING, Any

import numpy as np

from isthmus.data.samples import Samples
from isthmus.errors import DataError, ParameterError

if TYPE_CHECKING:
    from isthmus.models.base import BaseAutoencoder

REACH = 2.5
"""How far a walk goes to either side, in standard deviations of the code."""

Along = Any
"""What a walk can go along: the number of a latent, a direction (latent_dim,), the name of an attribute, or an Axis."""


@dataclass(frozen=True, eq=False)
class Axis:
    """A line through the code with marks on it: where a code lies, and how to move it.

    Parameters
    ----------
    weights : ndarray of shape (latent_dim,)
        A code z lies at ``weights · z − offset``.
    direction : ndarray of shape (latent_dim,)
        What is added to a code to move it by 1; ``weights · direction`` is 1.
    offset : float
        Position of the zero code, with its sign changed.
    """

    weights: np.ndarray
    direction: np.ndarray
    offset: float

    def value(self, codes: np.ndarray) -> np.ndarray:
        """Where codes (..., latent_dim) lie, of shape (...)."""
        return np.asarray(codes, dtype=np.float64) @ self.weights - self.offset

    def place(self, code: np.ndarray, values: np.ndarray) -> np.ndarray:
        """The code (latent_dim,) moved to each of ``values`` (n,), of shape (n, latent_dim)."""
        moves = np.asarray(values, dtype=np.float64) - self.value(code)
        return np.asarray(code, dtype=np.float64) + moves[:, None] * self.direction


def line(direction: np.ndarray, mean: np.ndarray, sd: float) -> Axis:
    """Axis along a direction of any length, in standard deviations from the mean code."""
    unit = direction / np.linalg.norm(direction)
    # A code that never varies along this direction stays where it is.
    step = max(sd, 1e-12)
    return Axis(unit / step, unit * step, float(unit @ mean) / step)


def find_axis(est: BaseAutoencoder, along: Along, codes: np.ndarray | None = None) -> Axis:
    """The axis that ``along`` stands for.

    Parameters
    ----------
    est : fitted estimator
        Of any variant.
    along : int, array of shape (latent_dim,), str or Axis
        Number of a latent; a direction, whose length does not matter; name of an attribute.
    codes : ndarray of shape (n, latent_dim), optional
        Codes whose mean and standard deviation mark the axis of a latent or of a direction; by default those of the
        prior.

    Raises
    ------
    ParameterError, DataError
        There is no such latent or attribute, or the direction is zero or has another shape.
    """
    if isinstance(along, Axis):
        return along
    if isinstance(along, str):
        return known_attribute(est, along)
    direction = _direction(est, along)
    mean, sd = moments_along(est, direction / np.linalg.norm(direction), codes)
    return line(direction, mean, sd)


def known_attribute(est: Any, name: str) -> Any:
    """The attribute of this name that an estimator has."""
    if name not in est.attributes_:
        known = f"it has {', '.join(map(repr, est.attributes_))}" if est.attributes_ else "it has none yet"
        raise ParameterError(f"the model has no attribute {name!r}; {known}; fit_attribute makes one from examples")
    return est.attributes_[name]


def name_of(along: Along) -> str:
    """What to call an axis in a figure."""
    if isinstance(along, str):
        return along
    return f"latent {along}" if isinstance(along, Integral) else "direction"


def moments_along(est: BaseAutoencoder, unit: np.ndarray, codes: np.ndarray | None) -> tuple[np.ndarray, float]:
    """Mean code, and standard deviation along a unit vector: of ``codes``, else of the prior."""
    if codes is not None:
        # Not copied to float64 as a whole: codes may be wide.
        along = codes @ unit.astype(codes.dtype)
        return codes.mean(0, dtype=np.float64), float(along.std(dtype=np.float64))
    mean, scale = prior_moments(est)
    return mean, float(np.linalg.norm(scale.T @ unit if scale.ndim == 2 else scale * unit))


def spreads(est: BaseAutoencoder, codes: np.ndarray | None) -> np.ndarray:
    """Standard deviation of every latent: over ``codes``, else in the prior."""
    if codes is not None:
        return codes.std(0, dtype=np.float64)
    scale = prior_moments(est)[1]
    return np.linalg.norm(scale, axis=1) if scale.ndim == 2 else scale


def prior_moments(est: BaseAutoencoder) -> tuple[np.ndarray, np.ndarray]:
    """Mean of the prior, and its standard deviations (latent_dim,) or the factor L of its covariance L Lᵀ.

    A prior without moments in closed form is sampled, with a fixed seed.
    """
    import torch

    with torch.no_grad(), torch.random.fork_rng():
        prior: Any = est.module_.prior()
        try:
            mean, scale = prior.mean, getattr(prior, "scale_tril", None)
            scale = prior.stddev if scale is None else scale
        except NotImplementedError:
            torch.manual_seed(0)
            drawn = prior.sample(torch.Size([10_000]))
            mean, scale = drawn.mean(0), drawn.std(0)
    return mean.double().cpu().numpy(), scale.double().cpu().numpy()


def as_code(est: BaseAutoencoder, given: Any) -> np.ndarray:
    """The code (latent_dim,) of a sample, or the one that was given.

    An array of the width of the code is a code. If a sample is a row of that very width, it is taken for a sample.
    """
    array = np.asarray(given)
    row = est.n_features_in_ if est.is_flat_ else None
    if array.shape == (est.latent_dim_,) and array.shape != (row,):
        if not np.isfinite(array).all():
            raise DataError("a code must be made of finite numbers")
        return array.astype(np.float64)
    # With the names of the columns, so that nobody complains of their absence.
    names = getattr(est, "feature_names_in_", None)
    sample = Samples(array[None], "sample", feature_names=None if names is None else tuple(names))
    try:
        return est.transform(sample)[0].astype(np.float64)
    except DataError as error:
        raise DataError(f"neither a code of {est.latent_dim_} values nor a sample: {error}") from None


def _direction(est: BaseAutoencoder, along: Any) -> np.ndarray:
    width = est.latent_dim_
    if isinstance(along, Integral) and not isinstance(along, bool):
        latent = int(along)
        if not 0 <= latent < width:
            raise ParameterError(f"there is no latent {latent}; the code has {width}, from 0 to {width - 1}")
        return np.eye(1, width, latent)[0]
    direction = np.asarray(along, dtype=np.float64)
    if direction.shape != (width,) or not np.isfinite(direction).all() or not direction.any():
        raise ParameterError(
            f"a walk goes along the number of a latent, the name of an attribute, or a direction of {width} values "
            f"that are not all zero; got {along!r}"[:300]
        )
    return direction
