"""What quantised codes are worth: the bound that they give, and how much of their codebooks is used."""

from __future__ import annotations

import numpy as np
from torch import Tensor

from isthmus.core import Composed
from isthmus.data.streams import AnyRows
from isthmus.evaluate.bounds import log_prob


def bound_rows(module: Composed, rows: AnyRows) -> np.ndarray:
    """Log p(x|z) + log P(z) at the code z of each row, in nats, of shape (n,), float32.

    A lower bound on log p(x) = log Σ P(z) p(x|z), of which it is the logarithm of one summand.
    """
    from isthmus.models.inference import by_batch

    def bound(x: Tensor) -> Tensor:
        z = module.code(x)
        return (log_prob(module, x, z[None])[0].double() + module.prior().log_prob(z)).float()

    return by_batch(module, rows, bound)


def usage(tokens: np.ndarray, n_codes: int) -> tuple[np.ndarray, np.ndarray]:
    """How much of each codebook is used.

    Parameters
    ----------
    tokens : ndarray of int, shape (n, n_tokens) or (n, n_tokens, depth)
        Numbers of codes.
    n_codes : int
        K, codes of each codebook.

    Returns
    -------
    used : ndarray of shape (depth,)
        Share of the codes that are found at all.
    perplexity : ndarray of shape (depth,)
        exp(−Σ p log p) of their frequencies: K if all are found equally often, 1 if only one is.
    """
    books = tokens.reshape(len(tokens), tokens.shape[1], -1)
    counts = np.stack([np.bincount(book.ravel(), minlength=n_codes) for book in np.moveaxis(books, 2, 0)])
    p = counts / counts.sum(1, keepdims=True)
    entropy = -(p * np.log(np.where(p > 0, p, 1))).sum(1)
    return (counts > 0).mean(1), np.exp(entropy)
