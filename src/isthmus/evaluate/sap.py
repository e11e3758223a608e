"""The separated attribute predictability score."""

from __future__ import annotations

import numpy as np

from isthmus.evaluate.factors import Factors


def sap(codes: np.ndarray, factors: Factors, random_state: int = 0) -> float:
    """Separated attribute predictability (Kumar et al., 2018, section 3.2).

    How well each factor is predicted by a single latent, by thresholds that are fitted on half of the rows and
    tested on the other half; the score is the gap between the two best latents, averaged over factors.

    Parameters
    ----------
    codes : ndarray of shape (n, latent_dim)
        Mean codes.
    factors : Factors
        Of the rows.
    random_state : int
        Seed of the halves.

    Returns
    -------
    float
        From 0 to 1.

    Notes
    -----
    The thresholds are those of a decision tree with twice as many leaves as the factor has values. Its accuracy,
    averaged over the values so that frequent ones do not count for more, is moved so that chance is 0 and perfection
    is 1; otherwise the largest gap would depend on the number of values. Other implementations use a linear support
    vector machine for discrete factors, which cannot cut out a middle value, and give lower numbers.
    """
    codes = np.asarray(codes, dtype=np.float64)
    halves = np.array_split(np.random.RandomState(random_state).permutation(len(codes)), 2)
    gaps = []
    for k, n_values in enumerate(factors.counts):
        scores = [_score(latent, factors.values[:, k], n_values, *halves) for latent in codes.T]
        best = sorted([0.0, 0.0, *scores])[-2:]
        gaps.append(best[1] - best[0])
    return float(np.mean(gaps))


def _score(latent: np.ndarray, values: np.ndarray, n_values: int, train: np.ndarray, test: np.ndarray) -> float:
    """Balanced accuracy beyond chance of thresholds on one latent; not below 0."""
    from sklearn.tree import DecisionTreeClassifier

    tree = DecisionTreeClassifier(max_leaf_nodes=2 * n_values, class_weight="balanced", random_state=0)
    found = tree.fit(latent[train, None], values[train]).predict(latent[test, None])
    kinds = np.unique(values[test])
    accuracy = np.mean([np.mean(found[values[test] == kind] == kind) for kind in kinds])
    chance = 1 / n_values
    return max(0.0, float((accuracy - chance) / (1 - chance)))
