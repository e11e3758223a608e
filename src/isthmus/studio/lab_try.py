"""A sample through a model: its reconstruction, the difference, and how unusual it is among the training samples."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from isthmus.data.samples import Samples
from isthmus.errors import IsthmusError

if TYPE_CHECKING:
    from isthmus.studio.opened import OpenedRun

_BINS = 40
# The histogram shows all but the farthest few, so that one wild sample does not squeeze the rest into one bar.
_SHOWN = (0.002, 0.998)


def fitted_names(estimator: Any) -> list[str] | None:
    """Names of the columns that a model was fitted on, if these had names."""
    names = getattr(estimator, "feature_names_in_", None)
    return None if names is None else [str(name) for name in names]


def names_of(run: OpenedRun) -> list[str] | None:
    """Names of a table's columns, from the model or else from its data; None for pictures and where there are none."""
    given = None if run.samples is None else run.samples.feature_names
    known = fitted_names(run.estimator) or (None if given is None else [str(name) for name in given])
    return known if not run.info.is_picture and known is not None and len(known) == run.info.n_values else None


def as_rows(estimator: Any, samples: np.ndarray) -> Any:
    """Samples (n, *event) in the form that the estimator was fitted on, with the names of its columns."""
    rows = samples.reshape(len(samples), -1) if estimator.is_flat_ else samples
    names = fitted_names(estimator)
    return rows if names is None else Samples(rows, "the data", feature_names=tuple(names))


def reconstruct(estimator: Any, samples: np.ndarray) -> np.ndarray:
    """Reconstructions of samples (n, *event), in the same shape."""
    return estimator.reconstruct(as_rows(estimator, samples)).reshape(samples.shape)


def look_at(run: OpenedRun, sample: np.ndarray) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Header and arrays of the answer to ``/api/lab/try``.

    Parameters
    ----------
    run : OpenedRun
        The model, and what is known of its data.
    sample : ndarray of shape ``info.shape``
        In the data's own units.

    Returns
    -------
    header : dict
        ``mse``, ``score`` (nats; None with ``score_problem`` where the model gives none), ``bound`` (whether the score
        is a bound on log p(x)), ``error_place`` and ``score_place`` (None where no data are at hand): ``share`` of the
        training samples that are less unusual, ``sentence``, and ``edges`` and ``counts`` of a histogram.
    arrays : dict
        ``reconstruction`` and ``difference`` (reconstruction less input), of shape ``info.shape``.
    """
    estimator = run.estimator
    rebuilt = reconstruct(estimator, sample[None])[0]
    difference = rebuilt.astype(np.float64) - sample.astype(np.float64)
    mse = float(np.mean(difference**2))
    score, problem = _score(estimator, sample)
    header = {
        "mse": mse,
        "score": score,
        "score_problem": problem,
        "bound": bool(estimator.module_.bottleneck.stochastic),
        "error_place": None if run.errors is None else place(mse, run.errors, unusual="high"),
        "score_place": None if score is None or run.scores is None else place(score, run.scores, unusual="low"),
    }
    return header, {"reconstruction": rebuilt, "difference": difference}


def _score(estimator: Any, sample: np.ndarray) -> tuple[float | None, str | None]:
    try:
        score = float(estimator.score_samples(as_rows(estimator, sample[None]))[0])
    except IsthmusError as error:
        return None, str(error)
    return (score, None) if np.isfinite(score) else (None, "the model gives this input no finite score")


def place(value: float, among: np.ndarray, *, unusual: str) -> dict[str, Any] | None:
    """Where a value lies among those of the training samples.

    Parameters
    ----------
    value : float
        Of the sample.
    among : ndarray of shape (n,)
        Of the training samples; those that are not finite are left out.
    unusual : {"high", "low"}
        On which side the unusual ones lie.

    Returns
    -------
    dict or None
        ``share`` of the training samples that are less unusual than the sample, ``n``, ``sentence``, ``edges`` and
        ``counts``. None if there is nothing to compare with.
    """
    known = np.asarray(among, dtype=np.float64)
    known = known[np.isfinite(known)]
    if not known.size:
        return None
    share = float(np.mean(known < value if unusual == "high" else known > value))
    low, high = np.quantile(known, _SHOWN)
    if not low < high:
        low, high = low - 0.5, high + 0.5
    counts, edges = np.histogram(known, _BINS, (low, high))
    return {
        "share": share,
        "n": int(known.size),
        "sentence": sentence(share, known.size),
        "edges": edges.tolist(),
        "counts": counts.tolist(),
    }


def sentence(share: float, n: int) -> str:
    """What a share of ``n`` training samples that are less unusual means, in words."""
    if share >= 1:
        return f"more unusual than all {n:,} training samples"
    if share <= 0:
        return f"less unusual than any of the {n:,} training samples"
    digits = 1 if min(share, 1 - share) < 0.1 else 0
    # Never rounded up to all of them, nor down to none.
    percent = min(max(round(100 * share, digits), 0.1), 99.9)
    return f"more unusual than {percent:.{digits}f} % of the training samples"
