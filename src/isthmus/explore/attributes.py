"""Attributes: what a few labelled examples say about the code, as a distribution for every sample."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from isthmus.errors import DataError, ParameterError, RunError
from isthmus.explore.axes import Axis

FEWEST_EXAMPLES = 2
MOST_ATTRIBUTES = 1000
_LONGEST_NAME = 60
_FOLDS = 5


@dataclass(frozen=True, eq=False)
class Attribute(Axis):
    """A property of samples, such as a smile, found from examples that have it and examples that lack it.

    On its axis −1 and 1 are the mean codes of the two groups, and 0 lies halfway between them.

    Parameters
    ----------
    weights, direction, offset
        As of an `Axis`.
    n_positive, n_negative : int
        Examples that it was found from.
    accuracy : float
        Share of the examples on the right side of 0, each judged by an attribute that was found without it (5-fold
        cross-validation; the mean of both groups' shares).

    Notes
    -----
    To measure and to move are two things (Haufe et al., 2014). The weights are those of Fisher's linear discriminant:
    they weigh against each other what tells the groups apart and what varies within them, so that a latent which says
    nothing of the attribute can still be used to take away the noise of another. To move along them would change that
    latent for nothing. The direction is the difference of the group means, which is the pattern that belongs to these
    weights.

    The covariance within the groups is that of the codes as distributions: of their means, shrunk for few examples
    (Ledoit & Wolf, 2004), plus the mean variance of q(z|x). So a latent that the model leaves at the prior, where it
    is pure noise, gets hardly any weight.
    """

    n_positive: int
    n_negative: int
    accuracy: float

    def measure(self, mean: np.ndarray, variance: np.ndarray) -> AttributePosterior:
        """Distribution of the attribute for codes N(mean, diag variance), both of shape (n, latent_dim)."""
        return AttributePosterior(self.value(mean), np.sqrt(variance @ self.weights**2))

    def arrays(self) -> dict[str, np.ndarray]:
        """What a run keeps of it as tensors."""
        return {"weights": self.weights, "direction": self.direction, "offset": np.array(self.offset)}

    def record(self) -> dict[str, Any]:
        """What a run keeps of it as parameters."""
        return {"n_positive": self.n_positive, "n_negative": self.n_negative, "accuracy": self.accuracy}


@dataclass(frozen=True, eq=False)
class AttributePosterior:
    """Distribution of an attribute for every sample: Gaussian, on an axis where ±1 are the means of the examples.

    Parameters
    ----------
    mean, std : ndarray of shape (n,)
        Moments; the standard deviation is 0 where the code is deterministic.
    """

    mean: np.ndarray
    std: np.ndarray

    def probability(self, above: float = 0.0) -> np.ndarray:
        """Probability of a value above ``above``, of shape (n,): by default, that a sample has the attribute.

        Without any spread it is 0 or 1, and ½ exactly at the limit.
        """
        from scipy.special import ndtr

        distance = self.mean - above
        spread = np.where(self.std > 0, self.std, 1.0)
        return np.where(self.std > 0, ndtr(distance / spread), 0.5 + 0.5 * np.sign(distance))


Codes = tuple[np.ndarray, np.ndarray]
"""Means and variances of q(z|x), each of shape (n, latent_dim)."""


def find_attribute(positive: Codes, negative: Codes) -> Attribute:
    """Attribute that tells two groups of codes apart.

    Parameters
    ----------
    positive, negative : pair of ndarray of shape (n, latent_dim)
        Means and variances of the codes of each group; variances of 0 for a deterministic code.

    Raises
    ------
    DataError
        A group has fewer than two examples, or both have the same mean code.
    """
    groups = [tuple(np.asarray(part, dtype=np.float64) for part in group) for group in (negative, positive)]
    counts = [len(mean) for mean, _ in groups]
    if min(counts) < FEWEST_EXAMPLES:
        raise DataError(
            f"an attribute needs at least {FEWEST_EXAMPLES} examples with it and {FEWEST_EXAMPLES} without, and there "
            f"are {counts[1]} and {counts[0]}; 10 to 50 of each make a good one"
        )
    axis = _discriminate(groups)
    if axis is None:
        raise DataError("both groups of examples have the same mean code, so nothing tells them apart")
    return Attribute(axis.weights, axis.direction, axis.offset, counts[1], counts[0], _accuracy(groups))


def _discriminate(groups: list[tuple[np.ndarray, ...]]) -> Axis | None:
    """Fisher's discriminant of (negative, positive), each (means, variances); None if their means agree."""
    low, high = (mean.mean(0) for mean, _ in groups)
    half = (high - low) / 2
    if not half.any():
        return None
    within = np.concatenate([mean - mean.mean(0) for mean, _ in groups])
    noise = np.concatenate([variance for _, variance in groups]).mean(0)
    spread = np.sqrt(np.mean(within**2, 0) + noise)
    # What never varies within the groups is trusted no more than what varies most.
    spread = np.where(spread > 1e-9 * spread.max(), spread, spread.max() or 1.0)
    weights = _solve(within / spread, noise / spread**2, half / spread) / spread
    weights /= weights @ half
    return Axis(weights, half, float(weights @ (low + high) / 2))


def _solve(within: np.ndarray, noise: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Shrunk covariance of the rows ``within`` plus diagonal ``noise``, inverted and applied to ``right``."""
    from sklearn.covariance import ledoit_wolf_shrinkage

    n, width = within.shape
    shrinkage = ledoit_wolf_shrinkage(within, assume_centered=True)
    diagonal = np.maximum(shrinkage * np.mean(within**2) + noise, 1e-6)
    rows = within * np.sqrt((1 - shrinkage) / n)
    if width <= n:
        return np.linalg.solve(np.diag(diagonal) + rows.T @ rows, right)
    # By the Woodbury identity: a code may be far wider than there are examples.
    scaled = rows / diagonal
    inner = np.linalg.solve(np.eye(n) + scaled @ rows.T, scaled @ right)
    return right / diagonal - scaled.T @ inner


def _accuracy(groups: list[tuple[np.ndarray, ...]]) -> float:
    n_folds = min(_FOLDS, *(len(mean) for mean, _ in groups))
    folds = [np.arange(len(mean)) % n_folds for mean, _ in groups]
    right: list[list[np.ndarray]] = [[], []]
    for fold in range(n_folds):
        rest = [tuple(part[at != fold] for part in group) for group, at in zip(groups, folds, strict=True)]
        axis = _discriminate(rest)
        for side, (group, at) in enumerate(zip(groups, folds, strict=True)):
            value = np.zeros(int((at == fold).sum())) if axis is None else axis.value(group[0][at == fold])
            right[side].append(value > 0 if side else value < 0)
    return float(np.mean([np.concatenate(parts).mean() for parts in right]))


def check_name(name: Any) -> str:
    """The name of an attribute, if it can be one."""
    if isinstance(name, str) and name.isprintable() and name.strip() == name and 0 < len(name) <= _LONGEST_NAME:
        return name
    raise ParameterError(
        f"the name of an attribute must be a word or a few, of at most {_LONGEST_NAME} characters, and not {name!r}"[
            :200
        ]
    )


def restore_attributes(
    records: dict[str, dict[str, Any]], arrays: dict[str, np.ndarray], latent_dim: int
) -> dict[str, Attribute]:
    """Take back attributes from what a run holds, if every name, shape, type and number is as it must be.

    Parameters
    ----------
    records : dict of str to dict
        `Attribute.record` of each.
    arrays : dict of str to ndarray
        `Attribute.arrays` of all, by ``NAME/ARRAY``.
    latent_dim : int
        Width of the code.
    """
    shapes = {"weights": (latent_dim,), "direction": (latent_dim,), "offset": ()}
    expected = {f"{check_name(name)}/{key}": shape for name in records for key, shape in shapes.items()}
    found = {
        name: array.shape for name, array in arrays.items() if array.dtype == np.float64 and np.isfinite(array).all()
    }
    if len(arrays) != len(expected) or found != expected:
        raise RunError(f"the attributes of a run must be finite float64 arrays of shapes {shapes}, one set for each")
    return {name: _restore(record, name, arrays) for name, record in records.items()}


def _restore(record: dict[str, Any], name: str, arrays: dict[str, np.ndarray]) -> Attribute:
    counts = [record["n_positive"], record["n_negative"]]
    whole = all(type(count) is int and FEWEST_EXAMPLES <= count < 1 << 40 for count in counts)
    if len(record) != 3 or not whole or type(record["accuracy"]) is not float or not 0 <= record["accuracy"] <= 1:
        raise RunError("an attribute of a run has counts and an accuracy that cannot be")
    weights, direction = arrays[f"{name}/weights"], arrays[f"{name}/direction"]
    offset = arrays[f"{name}/offset"].item()
    return Attribute(weights, direction, offset, counts[0], counts[1], record["accuracy"])
