"""Two ways in which a number can be too good to be true, and how they are found.

A model must say of a row what it would say of it alone. One that looks at the rows around it, by a normalisation that
was left in training or by a code that is shared over the batch, may score well by information that it will not have.

Data that are drawn at random from known probabilities, as binarised pictures are, have an entropy that no model can
beat on fresh draws. A likelihood above it means that the draws were seen in training, or that it was computed wrongly.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable

import numpy as np
from scipy.special import entr

from isthmus.data.streams import AnyRows, chunks
from isthmus.errors import BelowEntropyWarning, DataError, DependentRowsError

Method = Callable[[AnyRows], np.ndarray]

_ALONE, _CHUNK = 2, 512
# Rounding differs by the place in the batch, by about 1e-6 of the values; tricks are not that small. Codes that have
# collapsed are nothing but rounding.
_SHARE, _ROUNDING, _NOTHING = 1e-3, 1e-5, 1e-7
_ERRORS = 4.0


def check_rows_independent(methods: dict[str, Method], rows: np.ndarray) -> None:
    """Complain if what is made of a row depends on the rows around it.

    Protocol. Each method is asked about all rows together, about the same rows in the opposite order, and about two of
    them alone. It fails if in one of these comparisons most rows differ by more than a thousandth of the standard
    deviation and what rounding may do: a single row may sit on the edge between two codes, where rounding decides.

    Parameters
    ----------
    methods : dict of str to callable
        What to ask, by the name it has in the message: functions of rows (n, *event) that return (n, ...).
    rows : ndarray of shape (n, *event)
        A handful, at least 2, not all the same.

    Raises
    ------
    DependentRowsError
        The rows are not independent.

    Examples
    --------
    >>> import numpy as np
    >>> check_rows_independent({"score": lambda X: X.sum(1)}, np.eye(4))
    >>> check_rows_independent({"score": lambda X: (X - X.mean(0)).std(1)}, np.eye(4))
    Traceback (most recent call last):
    ...
    isthmus.errors.DependentRowsError: the score of a row depends on the rows around it...
    """
    n_alone = min(_ALONE, len(rows))
    for name, method in methods.items():
        together = method(rows)
        finite = np.where(np.isfinite(together), together, 0).astype(np.float64)
        largest = np.abs(finite).max()
        allowed = _SHARE * finite.std() + _ROUNDING * largest + _NOTHING
        alone = np.concatenate([method(rows[i : i + 1]) for i in range(n_alone)])
        for found, expected in ((alone, together[:n_alone]), (method(rows[::-1].copy())[::-1], together)):
            change = _change(found, expected)
            if (change > allowed).mean() > 0.5:
                raise DependentRowsError(
                    f"the {name} of a row depends on the rows around it: alone or in another order it differs by "
                    f"{change.max():.3g}, where the largest value is {largest:.3g}; look for statistics of the batch "
                    "that are used while evaluating"
                )


def _change(found: np.ndarray, expected: np.ndarray) -> np.ndarray:
    """Largest difference in each row; infinite where only one of two values is finite."""
    with np.errstate(invalid="ignore"):
        difference = np.abs(found.astype(np.float64) - expected)
    same = (found == expected) | (np.isnan(found) & np.isnan(expected))
    difference = np.where(same, 0, np.where(np.isnan(difference), np.inf, difference))
    return difference.reshape(len(found), -1).max(1)


def entropy_floor(greys: AnyRows) -> float:
    """Entropy of pixels drawn as 1 with the probabilities ``greys``, in nats, summed over a sample, mean over samples.

    Protocol. Σ −p log p − (1 − p) log(1 − p). No model of pixels that are freshly drawn can have a smaller mean
    negative log-likelihood, whatever it knows (Gibbs' inequality). Nor can the cross-entropy of the greys themselves,
    which is what a Bernoulli likelihood makes of values between 0 and 1.

    Parameters
    ----------
    greys : array of shape (n, *event)
        Probabilities, in [0, 1].

    Returns
    -------
    float

    Raises
    ------
    DataError
        There are no rows, or values outside [0, 1].

    Examples
    --------
    >>> import numpy as np
    >>> float(entropy_floor(np.full((3, 10), 0.5)) / np.log(2))
    10.0
    """
    if not len(greys):
        raise DataError("there are no rows, so they have no entropy")
    return float(np.concatenate([_entropies(chunk) for chunk in chunks(greys, _CHUNK)]).mean())


def warn_below_entropy(nll: np.ndarray, greys: AnyRows) -> None:
    """Warn if negative log-likelihoods are below what freshly drawn pixels allow.

    Protocol. The entropy of each row is taken from its negative log-likelihood. The warning is given if the mean of the
    difference is below zero by more than four standard errors, as single draws may well be likelier than the average.

    Parameters
    ----------
    nll : ndarray of shape (n,)
        −log p(x), or a bound on it, of every row in nats.
    greys : array of shape (n, *event)
        Probabilities that the pixels were drawn with, in [0, 1], row by row.

    Warns
    -----
    BelowEntropyWarning
        The model knows more than it can.

    Raises
    ------
    DataError
        The greys are not as many as the rows, or outside [0, 1].
    """
    if len(nll) != len(greys):
        raise DataError(f"there are {len(nll):,} rows and {len(greys):,} rows of greys; give the greys of these rows")
    floor = np.concatenate([_entropies(chunk) for chunk in chunks(greys, _CHUNK)])
    excess = np.asarray(nll, dtype=np.float64) - floor
    # A little more, for the rounding of float32.
    error = _ERRORS * excess.std() / max(1, len(excess)) ** 0.5 + 1e-5 * np.abs(nll).mean()
    if excess.mean() < -error:
        warnings.warn(
            f"the mean negative log-likelihood is {np.mean(nll):.3f} nats, below {floor.mean():.3f}, the entropy of "
            "pixels drawn at random with these greys; that is impossible for fresh draws: were they trained on?",
            BelowEntropyWarning,
            stacklevel=3,
        )


def _entropies(greys: np.ndarray) -> np.ndarray:
    p = np.asarray(greys, dtype=np.float64)
    if not ((p >= 0) & (p <= 1)).all():
        raise DataError(f"greys are probabilities in [0, 1], and these range from {p.min():g} to {p.max():g}")
    return (entr(p) + entr(1 - p)).reshape(len(p), -1).sum(1)
