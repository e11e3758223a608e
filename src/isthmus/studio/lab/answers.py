"""What the lab's routes answer, once the model is open: for the thread that uses the models."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import numpy as np

from isthmus.studio.lab import chain, features, moments, noise, results
from isthmus.studio.lab.bodies import brought, packed
from isthmus.studio.lab.inputs import Fit, Options
from isthmus.studio.shown import shown

if TYPE_CHECKING:
    from isthmus.studio.opened import OpenedRun


def about(run: OpenedRun) -> dict[str, Any]:
    """What can be tried with a model."""
    info = run.info
    low, high = info.display_range
    noises = {"kinds": noise.kinds_for(run), "remark": noise.remark(run.est)}
    return {
        "kind": "picture" if info.is_picture else "row",
        "shape": list(info.shape),
        "low": low,
        "high": high,
        "features": results.names_of(run),
        "columns": moments.columns(run),
        "n_rows": 0 if run.given is None else len(run.given.rows),
        "data_problem": run.data_problem,
        "noise": noises if noise.restores(run.est) else None,
        "chain": chain.limits_for(run),
        "sparse": features.is_sparse(run.est),
    }


def reconstruction(
    run: OpenedRun, body: bytes, media: str, pixels: int, name: str, fit: str, invert: bool, index: int
) -> bytes:
    """A frame with a sample, its reconstruction, their difference, and its error and score."""
    options = Options(cast(Fit, fit), invert, index)
    taken, header = brought(run, body, media, name=name, options=options, pixels=pixels)
    found, arrays = results.look_at(run, taken.sample)
    both = np.stack([taken.sample.astype(np.float64), arrays["reconstruction"].astype(np.float64)])
    arrays |= {"difference": _without_colour(arrays["difference"], 2), "shown": shown(both, run.info)}
    return packed({**header, "notes": taken.notes, "of": taken.of, **found}, sample=taken.sample, **arrays)


def with_noise(run: OpenedRun, body: bytes, media: str, pixels: int, kind: str, strength: float, seed: int) -> bytes:
    """A frame with a sample, a noisy copy of it, and what the model makes of that."""
    clean = brought(run, body, media, pixels=pixels)[0].sample
    noisy = noise.corrupt(run, clean, kind, strength, seed)
    restored = noise.denoise(run, noisy)
    samples = np.stack([sample.astype(np.float64) for sample in (clean, noisy, restored)])
    header = noise.compare(run, samples[0], samples[1], samples[2])
    return packed(header, samples=samples, shown=shown(samples, run.info))


def needs_codes(run: OpenedRun) -> bool:
    """Whether `top_features` has use for the codes of the data."""
    return features.is_sparse(run.est) and run.given is not None


def top_features(run: OpenedRun, body: bytes, media: str, pixels: int, codes: np.ndarray | None) -> bytes:
    """A frame with the strongest features of a sample; ``codes`` as `features.top_features` wants them."""
    sample = brought(run, body, media, pixels=pixels)[0].sample
    header, arrays = features.top_features(run, sample, codes)
    return packed(header, parts=_without_colour(arrays["parts"], 3))


def _without_colour(pictures: np.ndarray, n_axes: int) -> np.ndarray:
    """Numbers with the colours of each pixel, if there are any, replaced by their mean."""
    return pictures.mean(-1) if pictures.ndim > n_axes else pictures
