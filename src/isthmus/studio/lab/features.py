"""Which features of a sparse model a sample uses, what each adds to it, and which inputs fire it most."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from isthmus.bottlenecks.sparse import Sparse
from isthmus.errors import ParameterError

if TYPE_CHECKING:
    from isthmus.studio.opened import OpenedRun

MOST_FEATURES, MOST_INPUTS = 12, 8


def is_sparse(estimator: Any) -> bool:
    """Whether the code of a model is mostly zeros, each latent with an atom of its own."""
    return isinstance(estimator.module_.bottleneck, Sparse)


def top_features(
    run: OpenedRun, sample: np.ndarray, codes: np.ndarray | None
) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """The strongest features of a sample.

    Parameters
    ----------
    run : OpenedRun
        A sparse model.
    sample : ndarray of shape ``info.shape``
        In the data's own units.
    codes : ndarray of shape (n, latent_dim) or None
        Of the samples with the numbers ``run.numbers``, if the data are at hand.

    Returns
    -------
    header : dict
        ``features``, the strongest first: ``latent``, ``activation``, ``share`` of the data that fire it and ``rows``
        of these that fire it most (both None where no data are at hand); ``n_active``; ``latent_dim``; ``limit``: the
        largest value of the parts, for their colours.
    arrays : dict
        ``parts``: float32 of shape (features, *event): what each feature adds to the reconstruction of this sample, in
        the data's own units, with the others as they are where the decoder is linear, else with all others off.

    Raises
    ------
    ParameterError
        The model is not sparse.
    """
    estimator = run.est
    if not is_sparse(estimator):
        raise ParameterError(f"the code of a {type(estimator).__name__} is not sparse, so it has no features to list")
    code = estimator.transform(run.taken(sample[None]))[0]
    active = np.flatnonzero(code)
    strongest = active[np.argsort(-code[active], kind="stable")][:MOST_FEATURES]
    parts = _parts(estimator, code, strongest, run.info.shape)
    header = {
        "n_active": len(active),
        "latent_dim": int(estimator.latent_dim_),
        "limit": float(np.abs(parts).max(initial=0.0)),
        "features": [
            {"latent": int(latent), "activation": float(code[latent]), **_firing(run, codes, int(latent))}
            for latent in strongest
        ],
    }
    return header, {"parts": parts.astype(np.float32)}


def _parts(estimator: Any, code: np.ndarray, latents: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """What each latent adds at its strength in this code, to what is decoded when all are off."""
    alone = np.zeros((len(latents) + 1, len(code)), np.float32)
    alone[np.arange(len(latents)), latents] = code[latents]
    decoded = estimator.inverse_transform(alone).reshape(len(alone), *shape).astype(np.float64)
    return decoded[:-1] - decoded[-1]


def _firing(run: OpenedRun, codes: np.ndarray | None, latent: int) -> dict[str, Any]:
    if codes is None:
        return {"share": None, "rows": None}
    fired = codes[:, latent]
    rows = np.argsort(-fired, kind="stable")[:MOST_INPUTS]
    return {"share": float(np.mean(fired != 0)), "rows": run.numbers[rows[fired[rows] > 0]].tolist()}
