"""A sample through a model: its reconstruction, the difference, its error and its score."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from isthmus.errors import IsthmusError
from isthmus.studio.lab.moments import spread
from isthmus.studio.refusal import scrubbed

if TYPE_CHECKING:
    from isthmus.studio.opened import OpenedRun


def fitted_names(run: OpenedRun) -> list[str] | None:
    """Names of the columns that a model was fitted on, if these had names."""
    names = getattr(run.est, "feature_names_in_", None)
    return None if names is None or run.info.is_picture else [str(name) for name in names]


def names_of(run: OpenedRun) -> list[str] | None:
    """Names of a table's columns, from the model or else from its data; None for pictures and where there are none."""
    given = None if run.given is None else run.given.samples.feature_names
    known = fitted_names(run) or (None if given is None else [str(name) for name in given])
    return known if not run.info.is_picture and known is not None and len(known) == run.info.n_values else None


def reconstruct(run: OpenedRun, samples: np.ndarray) -> np.ndarray:
    """Reconstructions of samples (n, *event), in the same shape."""
    return run.est.reconstruct(run.taken(samples)).reshape(samples.shape)


def squared_errors(run: OpenedRun, difference: np.ndarray) -> np.ndarray:
    """Mean square (n,) of differences (n, *event).

    In the data's own units for pictures; in standard deviations of each column for tables, whose columns would have
    nothing to do with each other else.
    """
    if not run.info.is_picture:
        difference = difference / spread(run)
    return np.mean(difference.reshape(len(difference), -1) ** 2, axis=1)


def look_at(run: OpenedRun, sample: np.ndarray) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """What a model makes of a sample.

    Parameters
    ----------
    run : OpenedRun
        The model.
    sample : ndarray of shape ``info.shape``
        In the data's own units.

    Returns
    -------
    header : dict
        ``mse``, of `squared_errors`; ``score`` in nats, None with ``score_problem`` where the model
        gives none; ``bound``: whether the score is a bound on log p(x).
    arrays : dict
        ``reconstruction`` and ``difference`` (reconstruction less input), of shape ``info.shape``.
    """
    rebuilt = reconstruct(run, sample[None])[0]
    difference = rebuilt.astype(np.float64) - sample.astype(np.float64)
    score, problem = _score(run, sample)
    header = {
        "mse": float(squared_errors(run, difference[None])[0]),
        "score": score,
        "score_problem": problem,
        "bound": bool(run.est.module_.bottleneck.stochastic),
    }
    return header, {"reconstruction": rebuilt, "difference": difference}


def _score(run: OpenedRun, sample: np.ndarray) -> tuple[float | None, str | None]:
    try:
        score = float(run.scores(sample[None])[0])
    except IsthmusError as error:
        return None, scrubbed(error)
    return (score, None) if np.isfinite(score) else (None, "the model gives this input no finite score")
