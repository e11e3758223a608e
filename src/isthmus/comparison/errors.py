"""How sure the numbers of a model are, and whether one beats another by more than chance."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from isthmus.data.streams import AnyRows
from isthmus.engines.engine import engine_of
from isthmus.evaluate.clustering import agreement, kmeans
from isthmus.evaluate.disentanglement import MOST_ROWS
from isthmus.evaluate.extractor import some_rows
from isthmus.evaluate.factor_scores import TEST_POINTS, VOTES
from isthmus.evaluate.factors import read_factors
from isthmus.evaluate.jackknife import jackknife
from isthmus.evaluate.mig import mig_locatello
from isthmus.evaluate.representation import check_classes
from isthmus.evaluate.sap import sap

if TYPE_CHECKING:
    from isthmus.models.base import BaseAutoencoder

CERTAIN = 2.0
"""Standard errors by which two numbers must differ."""

# Votes and points that the scores are shares of.
_TRIES = {"factor_vae_score": VOTES, "beta_vae_score": TEST_POINTS}
OF_BITS = ("elbo", "discrete_bound")
"""Bounds on log p(x) by which `evaluate` counts bits; a model without counts those of its reconstruction."""

BOUNDS = (*OF_BITS, "log_likelihood")
"""Numbers of which `score_samples` has the parts."""

_OF_ROWS = ("linear_probe", "knn_accuracy", "cluster_accuracy")
_OF_SAMPLES = ("precision", "recall", "coverage")
# A monotone function of a mean over rows: it orders models as that mean does.
_ORDERED_BY = {"psnr": "mse"}


def row_values(
    estimator: BaseAutoencoder, rows: AnyRows, metrics: Mapping[str, float], scores: np.ndarray
) -> dict[str, np.ndarray]:
    """Parts that rows (n, *event) have in the numbers of `evaluate` that are means over rows, each of shape (n,).

    ``scores`` are those of `BaseAutoencoder.score_samples`: the parts of whichever bound the model has.
    """
    from isthmus.models.inference import by_batch, rebuild

    module = engine_of(estimator.module_)
    data = np.asarray(rows, dtype=np.float64)
    squared = ((rebuild(module, rows) - data) ** 2).reshape(len(data), -1).mean(1)
    nll = by_batch(module, rows, lambda x: -module.log_prob(x, module.code(x)))
    found = {"mse": squared, "reconstruction_nll": nll, **dict.fromkeys(BOUNDS, scores)}
    variance = float(np.mean(data.reshape(len(data), -1).var(0)))
    if variance > 0:
        found["r2"] = 1 - squared / variance
    nats = scores if any(key in metrics for key in OF_BITS) else -nll
    found["bits_per_dim"] = -nats / (estimator.info_.n_values * math.log(2))
    return {key: np.asarray(values, dtype=np.float64) for key, values in found.items() if key in metrics}


def standard_errors(metrics: Mapping[str, float], rows: Mapping[str, np.ndarray]) -> dict[str, float]:
    """Standard errors of the numbers of which they are known.

    Of means over rows from the spread of the rows; of shares of rows or samples from their binomial distribution,
    which takes them for independent.
    """
    found = {key: float(values.std() / len(values) ** 0.5) for key, values in rows.items()}
    if "psnr" in metrics and metrics["mse"] > 0:
        found["psnr"] = 10 / math.log(10) * found["mse"] / metrics["mse"]
    tries = dict.fromkeys(_OF_ROWS, metrics["n_samples"]) | dict.fromkeys(_OF_SAMPLES, metrics.get("n_generated", 1.0))
    tries |= _TRIES | {"dci_informativeness": metrics["n_samples"] / 2}
    found |= {key: math.sqrt(metrics[key] * (1 - metrics[key]) / n) for key, n in tries.items() if key in metrics}
    return found | {key: metrics[f"{key}_error"] for key in metrics if f"{key}_error" in metrics}


def code_errors(codes: np.ndarray, y: Any, factors: Any, random_state: int) -> dict[str, float]:
    """Standard errors of numbers about codes (n, latent_dim) that are no shares, by the jackknife.

    Of ``mig_locatello`` and ``sap`` if there are factors, of ``cluster_nmi`` and ``cluster_ari`` if there are labels,
    for clusters that stay what they are.
    """
    codes = np.asarray(codes, dtype=np.float64)
    found: dict[str, float] = {}
    if factors is not None:
        rows = some_rows(len(codes), MOST_ROWS, random_state)
        known, z = read_factors(factors, len(codes)).take(rows), codes[rows]
        gaps = jackknife(
            lambda kept: np.array([mig_locatello(z[kept], known.take(kept)), sap(z[kept], known.take(kept))]), len(z)
        )
        found |= {"mig_locatello": float(gaps[0]), "sap": float(gaps[1])}
    if y is not None:
        classes = check_classes(y, len(codes))
        labels = kmeans(codes, len(np.unique(classes)), random_state)
        names = ("nmi", "ari")

        def scores(kept: np.ndarray) -> np.ndarray:
            agreed = agreement(classes[kept], labels[kept])
            return np.array([agreed[name] for name in names])

        found |= {f"cluster_{name}": float(e) for name, e in zip(names, jackknife(scores, len(codes)), strict=True)}
    return found


def is_certain(
    key: str,
    values: tuple[float, float],
    errors: tuple[float | None, float | None],
    rows: tuple[Mapping[str, np.ndarray], Mapping[str, np.ndarray]],
) -> bool:
    """Whether two numbers differ by more than twice the standard error of their difference; no, if that is unknown.

    Means over rows are compared row by row, as both models saw the same rows: what makes a row hard for both is no
    difference between them.
    """
    source = _ORDERED_BY.get(key, key)
    if source in rows[0] and source in rows[1]:
        difference = rows[0][source] - rows[1][source]
        return abs(difference.mean()) > CERTAIN * difference.std() / len(difference) ** 0.5
    if errors[0] is not None and errors[1] is not None:
        return abs(values[0] - values[1]) > CERTAIN * math.hypot(errors[0], errors[1])
    return False
