"""What `evaluate` reports of rate and pictures, and what it looks at before its numbers may be believed."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from isthmus.data.streams import AnyRows
from isthmus.engines.engine import engine_of
from isthmus.engines.settings import inference
from isthmus.errors import DataError, ParameterError
from isthmus.evaluate.guards import check_rows_independent, warn_below_entropy
from isthmus.evaluate.pictures import ssim
from isthmus.evaluate.rate import decompose, rows_for
from isthmus.likelihoods import BernoulliLikelihood
from isthmus.terms.kl import is_diagonal_gaussian

if TYPE_CHECKING:
    from isthmus.models.base import BaseAutoencoder

_MOST_PICTURES, _FEW = 2000, 8


def further_metrics(estimator: BaseAutoencoder, X: AnyRows, known: dict[str, float]) -> dict[str, float]:
    """Similarity of pictures, and rate, distortion and what the rate is made of, where they apply.

    Parameters
    ----------
    estimator : BaseAutoencoder
        Fitted.
    X : array of shape (n, *event)
        Rows; of many, some from all over are used.
    known : dict of str to float
        "elbo" and "kl" of all rows, if there are such.
    """
    from isthmus.models.inference import rebuild

    module, info, found = engine_of(estimator.module_), estimator.info_, {}
    if info.is_picture:
        few = _some(X, _MOST_PICTURES)
        low, high = info.display_range
        found["ssim"] = float(ssim(few, rebuild(module, few), max(high - low, 1e-12)).mean())
    if "kl" in known:
        found |= {"rate": known["kl"], "distortion": -known["elbo"] - known["kl"]}
    if _is_gaussian(estimator, X):
        parts = decompose(module, _some(X, rows_for(estimator.latent_dim_)))
        for name in ("mutual_information", "aggregate_gap", "total_correlation", "dimension_kl"):
            value = getattr(parts, name)
            found |= {name: value} if np.isfinite(value) else {}
    return found


def check_trust(estimator: BaseAutoencoder, X: AnyRows, nll: np.ndarray) -> None:
    """Make sure that rows are independent, and that no Bernoulli likelihood is better than its greys allow.

    Parameters
    ----------
    estimator : BaseAutoencoder
        Fitted.
    X : array of shape (n, *event)
        Rows; a few are enough for the first.
    nll : ndarray of shape (n,)
        −log p(x|z) of every row, at any code.

    Raises
    ------
    DependentRowsError
        What the model makes of a row depends on the rows around it.

    Warns
    -----
    BelowEntropyWarning
        The likelihood is too high.
    """
    from isthmus.models.inference import encode_rows, rebuild, score_rows

    # The model as it was trained: rounding to bf16, say, depends on the batch by more than the guard allows.
    with inference("eager"):
        module = engine_of(estimator.module_)
        methods = {
            "code": lambda rows: encode_rows(module, rows),
            "reconstruction": lambda rows: rebuild(module, rows),
            "score": lambda rows: score_rows(module, rows),
        }
        check_rows_independent(methods, _some(X, _FEW))
    if isinstance(estimator.module_.likelihood, BernoulliLikelihood) and not estimator.info_.is_binary:
        warn_below_entropy(nll, X)


def check_greys(estimator: BaseAutoencoder, X: AnyRows, greys: Any) -> None:
    """Warn if the bound on log p(x) of binary rows is higher than the greys they were drawn with allow.

    Parameters
    ----------
    estimator : BaseAutoencoder
        Fitted, with a posterior.
    X : array of shape (n, *event)
        Rows of zeros and ones.
    greys : array-like of n rows
        Probabilities, in the shape of X or as flat rows.

    Raises
    ------
    ParameterError
        The score of this model is no bound on log p(x).
    DataError
        The greys do not fit the rows.

    Warns
    -----
    BelowEntropyWarning
        The likelihood is too high.
    """
    from isthmus.models.inference import score_rows

    if not estimator.module_.bottleneck.stochastic:
        raise ParameterError(
            f"greys are compared with a bound on log p(x), and a {type(estimator).__name__} has none; leave them out"
        )
    given = np.asarray(greys)
    if given.size != math.prod(X.shape):
        raise DataError(f"greys have shape {given.shape}, and the data {X.shape}; give one grey for every value")
    nll = -score_rows(engine_of(estimator.module_), X).astype(np.float64)
    warn_below_entropy(nll, given.reshape(X.shape))


def _some(X: AnyRows, most: int) -> np.ndarray:
    """At most so many rows, from all over."""
    return np.asarray(X[:: -(-len(X) // most)])


def _is_gaussian(estimator: BaseAutoencoder, X: AnyRows) -> bool:
    module = engine_of(estimator.module_)
    if not module.bottleneck.stochastic:
        return False
    with torch.no_grad():
        q = module.encode(torch.tensor(np.asarray(X[:1]), device=module.scaling.shift.device)).q
    return q is not None and is_diagonal_gaussian(q)
