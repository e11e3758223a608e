"""Disentanglement, completeness and informativeness."""

from __future__ import annotations

from typing import Any

import numpy as np

from isthmus.evaluate.factors import Factors

_TREES = 50
_EVERY_LATENT: Any = 1.0  # as a share, which the annotation in scikit-learn does not know


def dci(codes: np.ndarray, factors: Factors, random_state: int = 0) -> dict[str, float]:
    """Disentanglement, completeness and informativeness (Eastwood & Williams, 2018, section 2).

    A random forest predicts each factor from the codes of half of the rows. Its importances, R of shape (latents,
    factors), say which latents it needs.

    Parameters
    ----------
    codes : ndarray of shape (n, latent_dim)
        Mean codes.
    factors : Factors
        Of the rows.
    random_state : int
        Seed of the halves and of the forests.

    Returns
    -------
    dict of str to float
        ``dci_disentanglement``: 1 less the entropy of a latent's importance over the factors (in units of that of
        equal shares), averaged over latents with the weight of their importance; 1 if every latent serves one factor.
        ``dci_completeness``: the same of a factor over the latents, averaged over factors; 1 if every factor sits in
        one latent. ``dci_informativeness``: share of the other half's values that are predicted rightly, mean over
        factors; chance is that of guessing the value.

    Notes
    -----
    The forests are scikit-learn's, of 50 trees that may split on any latent; with a random choice of latents at
    every split, as is its default, importance leaks to latents that say nothing. Other choices, such as the lasso
    of the paper or gradient boosting, give other numbers.
    """
    importance, accuracy = _forests(np.asarray(codes, dtype=np.float64), factors, random_state)
    total = importance.sum()
    by_latent, by_factor = importance.sum(1), importance.sum(0)
    disentangled, complete = _concentration(importance), _concentration(importance.T)
    return {
        "dci_disentanglement": float(np.sum(by_latent / total * disentangled)) if total > 0 else 0.0,
        "dci_completeness": float(np.sum(by_factor / total * complete)) if total > 0 else 0.0,
        "dci_informativeness": accuracy,
    }


def _forests(codes: np.ndarray, factors: Factors, random_state: int) -> tuple[np.ndarray, float]:
    """Importances (latent_dim, n_factors), and the mean accuracy on the other half."""
    from sklearn.ensemble import RandomForestClassifier

    train, test = np.array_split(np.random.RandomState(random_state).permutation(len(codes)), 2)
    importances, accuracies = [], []
    for column in factors.values.T:
        forest = RandomForestClassifier(_TREES, max_features=_EVERY_LATENT, n_jobs=1, random_state=random_state)
        forest.fit(codes[train], column[train])
        importances.append(forest.feature_importances_)
        accuracies.append(forest.score(codes[test], column[test]))
    return np.stack(importances, 1), float(np.mean(accuracies))


def _concentration(importance: np.ndarray) -> np.ndarray:
    """1 less the entropy of each row's shares, in units of that of equal shares; 1 if there is one column."""
    if importance.shape[1] == 1:
        return np.ones(len(importance))
    shares = importance / np.maximum(importance.sum(1, keepdims=True), 1e-300)
    logs = np.log(np.where(shares > 0, shares, 1.0))
    return 1 + (shares * logs).sum(1) / np.log(importance.shape[1])
