"""What the page needs to know of a run before it shows anything."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from isthmus.studio.library import RunSummary
from isthmus.studio.moments import MOST_SHOWN, span, spread_of

if TYPE_CHECKING:
    import numpy as np

    from isthmus.studio.opened import OpenedRun

_ROWS_OF_RANGES = 10_000


def run_info(run: OpenedRun, summary: RunSummary, places: np.ndarray, whole: OpenedRun | None = None) -> dict[str, Any]:
    """RunInfo of a run whose samples lie at positions (n, width); ``docs/studio_api.md`` describes it.

    ``whole`` is the run with all its samples, if this is but a glimpse of it.
    """
    whole = whole or run
    est, info, given = run.est, run.info, run.given
    low, high = info.display_range
    return {
        "name": run.name,
        "model": est.name,
        "title": summary.title,
        "created": summary.created,
        "data": summary.data if given is None else given.samples.name,
        "describe": est.describe(),
        "kind": "picture" if info.is_picture else "row",
        "shape": list(info.shape),
        "dtype": info.dtype,
        "low": low,
        "high": high,
        "features": feature_names(run),
        "ranges": run.keep("ranges", lambda: _ranges(run)),
        "latent_dim": est.latent_dim_,
        "width": run.sliders.width,
        "code": "whole" if run.sliders.whole else "real",
        "latents": _latents(run, places),
        "attributes": _attributes(run, places),
        "has": _has(run),
        "n_rows": len(run.drawn) if given is None else len(given.rows),
        "n_points": len(whole.numbers),
        "classes": list(run.labels.names) if run.labels is not None and run.labels.names else None,
        "conditions": run.classes or None,
        "figures": summary.figures,
        "notes": _notes(whole),
        "complete": whole is run,
    }


def _latents(run: OpenedRun, places: np.ndarray) -> list[dict[str, Any]]:
    spread, names = spread_of(run, places), run.sliders.names()
    return [
        {
            "index": i,
            "name": names[i],
            "activity": float(spread.activity[i]),
            "low": float(spread.low[k]),
            "high": float(spread.high[k]),
            "mean": float(spread.mean[i]),
            "sd": float(spread.sd[i]),
            **run.sliders.steps(i),
        }
        for k, i in enumerate(spread.shown)
    ]


def _attributes(run: OpenedRun, places: np.ndarray) -> list[dict[str, Any]]:
    """Attributes, unless sliders are not latents: then nothing can be moved along a direction."""
    if not run.sliders.are_codes:
        return []
    found = []
    for name, attribute in run.est.attributes_.items():
        values = attribute.value(places)
        low, high = span(values[:, None])
        found.append(
            {
                "name": name,
                "low": float(low[0]),
                "high": float(high[0]),
                "mean": float(values.mean()),
                "sd": float(values.std()),
                "axis": attribute.direction.tolist(),
                "weights": attribute.weights.tolist(),
                "offset": float(attribute.offset),
                "accuracy": attribute.accuracy,
            }
        )
    return found


def _has(run: OpenedRun) -> dict[str, bool]:
    from isthmus.bottlenecks.sparse import Sparse

    est = run.est
    return {
        "data": run.given is not None,
        "labels": run.labels is not None,
        "posterior": hasattr(est, "posterior"),
        "prior": bool(est.module_.prior.has_density),
        "denoise": hasattr(est, "denoise"),
        "chain": hasattr(est, "markov_chain"),
        "sparse": isinstance(est.module_.bottleneck, Sparse),
    }


def feature_names(run: OpenedRun) -> list[str] | None:
    """Names of a table's columns."""
    if run.info.is_picture:
        return None
    names = getattr(run.est, "feature_names_in_", None)
    if names is None and run.given is not None:
        names = run.given.samples.feature_names
    return [f"x{i}" for i in range(run.info.n_values)] if names is None else [str(name) for name in names]


def _ranges(run: OpenedRun) -> dict[str, list[float]] | None:
    """Lowest and highest value of each column of a table, among the samples on the map."""
    if run.info.is_picture:
        return None
    rows = run.rows(run.numbers[:_ROWS_OF_RANGES]).reshape(-1, run.info.n_values)
    return {"low": rows.min(0).astype(float).tolist(), "high": rows.max(0).astype(float).tolist()}


def _notes(run: OpenedRun) -> list[str]:
    """What the page should say, as it shows less than there is."""
    notes = []
    if run.given is None:
        notes.append(f"The map shows draws from the prior: {run.data_problem}")
    elif len(run.numbers) < len(run.given.rows):
        notes.append(f"The map shows {len(run.numbers):,} of the {len(run.given.rows):,} rows, chosen at random.")
    if run.sliders.width > MOST_SHOWN:
        notes.append(f"Sliders are shown for the {MOST_SHOWN} most active of {run.sliders.width:,} latents.")
    return notes
