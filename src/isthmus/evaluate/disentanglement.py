"""How far single latents stand for single generating factors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np

from isthmus.errors import ParameterError
from isthmus.evaluate.dci import dci
from isthmus.evaluate.extractor import some_rows
from isthmus.evaluate.factor_scores import beta_vae_score, factor_vae_score
from isthmus.evaluate.factors import read_factors
from isthmus.evaluate.mig import mig_chen, mig_locatello
from isthmus.evaluate.sap import sap

if TYPE_CHECKING:
    from isthmus.models.base import BaseAutoencoder

Scores = Literal["all", "fast"]

MOST_ROWS = 5000
"""Rows from which the scores are computed, chosen at random if there are more."""


def disentanglement(
    estimator: BaseAutoencoder, X: Any, factors: Any, *, scores: Scores = "all", random_state: int = 0
) -> dict[str, float]:
    """Scores of the disentanglement of a model's code.

    Parameters
    ----------
    estimator : BaseAutoencoder
        Fitted.
    X : array-like
        Data.
    factors : dict of str to array-like of shape (n,), or array-like of shape (n, n_factors)
        Generating factors of the rows; see `isthmus.evaluate.factors.read_factors`.
    scores : {"all", "fast"}
        ``"fast"`` leaves out ``mig_chen`` and those of DCI, which take most of the time.
    random_state : int
        Seed of the rows, if there are more than 5,000, and of what a score draws.

    Returns
    -------
    dict of str to float
        Keys of the group "disentanglement" of `isthmus.evaluate.catalogue.EXTRAS`. ``mig_chen`` is there only for a
        code that is a distribution.

    Raises
    ------
    DataError
        The factors do not fit the rows.
    """
    if hasattr(estimator, "posterior"):
        q = estimator.posterior(X)
        return score_codes(q.mean, factors, q.std, scores=scores, random_state=random_state)
    return score_codes(estimator.transform(X), factors, scores=scores, random_state=random_state)


def score_codes(
    mean: np.ndarray,
    factors: Any,
    std: np.ndarray | None = None,
    *,
    scores: Scores = "all",
    random_state: int = 0,
) -> dict[str, float]:
    """`disentanglement` of codes (n, latent_dim), with the standard deviations of q(z|x) if there are any."""
    if scores not in get_args(Scores):
        raise ParameterError(f"scores must be one of {', '.join(map(repr, get_args(Scores)))}, got {scores!r}")
    known = read_factors(factors, len(mean))
    rows = some_rows(len(mean), MOST_ROWS, random_state)
    if len(rows) < len(mean):
        mean, known, std = mean[rows], known.take(rows), None if std is None else std[rows]
    found = {
        "mig_locatello": mig_locatello(mean, known),
        "sap": sap(mean, known, random_state),
        "factor_vae_score": factor_vae_score(mean, known, std, random_state),
        "beta_vae_score": beta_vae_score(mean, known, random_state),
    }
    if scores == "fast":
        return found
    if std is not None:
        found["mig_chen"] = mig_chen(mean, std, known, random_state)
    return found | dci(mean, known, random_state)
