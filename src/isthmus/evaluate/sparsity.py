"""How sparse a code is, and how good a dictionary."""

from __future__ import annotations

import math

import numpy as np

from isthmus.core import Composed
from isthmus.data.streams import AnyRows, chunks
from isthmus.errors import DataError


def firing(module: Composed, X: AnyRows) -> tuple[np.ndarray, np.ndarray]:
    """How many latents each row activates, and how often each latent is active.

    Parameters
    ----------
    module : Composed
        A model whose code has exact zeros.
    X : ndarray or Rows of shape (n, *event)
        Rows.

    Returns
    -------
    counts : ndarray of shape (n,), int64
        Latents that are not zero.
    rates : ndarray of shape (latent_dim,), float64
        Share of the rows for which the latent is not zero.
    """
    from isthmus.models.inference import batch_size, by_batch

    counts, total = [], np.zeros(module.bottleneck.latent_dim_, dtype=np.int64)
    # The codes of all rows at once may not fit in memory.
    size = batch_size(module, math.prod(X.shape[1:]))
    for chunk in chunks(X, size):
        active = by_batch(module, chunk, lambda x: module.encode(x).mean != 0)
        counts.append(active.sum(1))
        total += active.sum(0)
    return np.concatenate(counts), total / len(X)


def code_sparsity(module: Composed, X: AnyRows) -> dict[str, float]:
    """The metrics ``l0`` and ``dead_share`` of `isthmus.evaluate.metrics.METRICS`."""
    counts, rates = firing(module, X)
    return {"l0": float(counts.mean()), "dead_share": float((rates == 0).mean())}


def variance_explained(truth: np.ndarray, rebuilt: np.ndarray) -> np.ndarray:
    """R² of every value of the data: the share of its variance over the rows that the reconstruction explains.

    Parameters
    ----------
    truth, rebuilt : ndarray of shape (n, *event)
        Data and reconstructions.

    Returns
    -------
    r2 : ndarray of shape event, float64
        At most 1; NaN where the value is constant.
    """
    truth = np.asarray(truth, dtype=np.float64)
    variance, error = truth.var(0), ((truth - rebuilt) ** 2).mean(0)
    return np.where(variance > 0, 1 - error / np.where(variance > 0, variance, 1.0), np.nan)


def mmcs(learned: np.ndarray, truth: np.ndarray) -> float:
    """Mean maximum cosine similarity: how well a known dictionary was found (Sharkey et al., 2022).

    For every true atom the cosine of the angle to the learned atom that is closest to it; their mean. 1 if each was
    found, in whatever order and size. Atoms that were learned beside the true ones cost nothing.

    Parameters
    ----------
    learned, truth : ndarray of shape (n_atoms, *event)
        Atoms, as `SparseAutoencoder.dictionary_` has them; their numbers may differ.

    Raises
    ------
    DataError
        The atoms differ in size, or a true one is zero.
    """
    found, known = (np.asarray(atoms, dtype=np.float64).reshape(len(atoms), -1) for atoms in (learned, truth))
    if found.shape[1] != known.shape[1]:
        raise DataError(f"the learned atoms have {found.shape[1]} values and the true ones {known.shape[1]}")
    size = np.linalg.norm(known, axis=1)
    if not size.all():
        raise DataError(f"true atom {int(size.argmin())} is zero, so it has no direction")
    found = found / np.maximum(np.linalg.norm(found, axis=1, keepdims=True), 1e-300)
    return float((known / size[:, None] @ found.T).max(1).mean())


def weight_and_code_density(weight: np.ndarray, codes: np.ndarray) -> tuple[float, float]:
    """Share of the weights, and share of the code, that are not zero.

    The two have nothing to do with each other. With the identity matrix as encoder and as decoder, 1/d of the weights
    are not zero and the reconstruction is perfect, but every latent is active: sparse weights do not make a code
    sparse.

    Parameters
    ----------
    weight : ndarray of shape (latent_dim, d)
        Weights of a linear encoder or decoder.
    codes : ndarray of shape (n, latent_dim)
        Codes that it makes or reads.
    """
    return float(np.mean(np.asarray(weight) != 0)), float(np.mean(np.asarray(codes) != 0))
