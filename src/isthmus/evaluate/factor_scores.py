"""Scores by guessing which factor was held fixed: those of the β-VAE and of the FactorVAE."""

from __future__ import annotations

import numpy as np

from isthmus.evaluate.factors import Factors

VOTES, TEST_POINTS = 800, 500
"""Tries that the scores are shares of."""

_BATCH, _POINTS = 64, 1000
_COLLAPSED = 0.05


def factor_vae_score(
    codes: np.ndarray, factors: Factors, std: np.ndarray | None = None, random_state: int = 0
) -> float:
    """FactorVAE score (Kim & Mnih, 2018, section 4).

    A factor and a value of it are chosen at random, and 64 rows that have it (or all, if there are fewer). The latent
    whose codes vary least over them, each in units of its own spread, votes for that factor. Of 800 votes a table is
    made of which factor each latent mostly votes for, and the score is how often 800 further votes agree with it.

    Parameters
    ----------
    codes : ndarray of shape (n, latent_dim)
        Mean codes.
    factors : Factors
        Of the rows.
    std : ndarray of shape (n, latent_dim), optional
        Standard deviations of q(z|x), for a model with a standard normal prior: latents whose mean code varies by
        less than 0.05 (variance) have collapsed onto the prior and may not vote, as the smallest variance would always
        be theirs. Without it, latents that do not vary at all may not.
    random_state : int
        Seed of the choices.

    Returns
    -------
    float
        From chance, about one over the number of factors, to 1.

    Notes
    -----
    Rows of one value of a binned factor still differ by up to a bin, which with ten bins leaves a hundredth of its
    variance.
    """
    generator = np.random.RandomState(random_state)
    variance = np.asarray(codes, dtype=np.float64).var(0)
    may_vote = np.flatnonzero(variance > (1e-12 * variance.max() if std is None else _COLLAPSED))
    if not len(may_vote):
        return 0.0
    scaled = codes[:, may_vote] / np.sqrt(variance[may_vote])
    groups = _rows_by_value(factors)
    votes = np.array([_vote(scaled, groups, generator) for _ in range(2 * VOTES)])
    table = np.zeros((len(may_vote), len(groups)))
    np.add.at(table, tuple(votes[:VOTES].T), 1)
    latent, factor = votes[VOTES:].T
    return float(np.mean(table.argmax(1)[latent] == factor))


def beta_vae_score(codes: np.ndarray, factors: Factors, random_state: int = 0) -> float:
    """β-VAE score (Higgins et al., 2017, section 3).

    A factor is chosen at random, and 64 pairs of rows that agree in it; a linear classifier has to tell which factor it
    was by the mean absolute difference of their codes. It is trained on 1,000 such points and tested on 500.

    Parameters
    ----------
    codes : ndarray of shape (n, latent_dim)
        Mean codes.
    factors : Factors
        Of the rows.
    random_state : int
        Seed of the choices.

    Returns
    -------
    float
        From chance, one over the number of factors, to 1. It is lenient: a rotated code with some axis closer to one
        factor than to another often gets 1 as well.

    Notes
    -----
    Codes are standardised first, and the classifier is logistic regression on standardised differences.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    generator = np.random.RandomState(random_state)
    spread = np.asarray(codes, dtype=np.float64).std(0)
    scaled = codes / np.where(spread > 0, spread, 1.0)
    groups = _rows_by_value(factors)
    points, answers = [], []
    for _ in range(_POINTS + TEST_POINTS):
        k = generator.randint(len(groups))
        first, second = _pairs(groups[k], factors.values[:, k], generator)
        points.append(np.abs(scaled[first] - scaled[second]).mean(0))
        answers.append(k)
    x, y = np.array(points), np.array(answers)
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
    return float(model.fit(x[:_POINTS], y[:_POINTS]).score(x[_POINTS:], y[_POINTS:]))


def _rows_by_value(factors: Factors) -> list[list[np.ndarray]]:
    """Numbers of the rows of every value of every factor."""
    return [
        [np.flatnonzero(column == value) for value in range(n)]
        for column, n in zip(factors.values.T, factors.counts, strict=True)
    ]


def _vote(scaled: np.ndarray, groups: list[list[np.ndarray]], generator: np.random.RandomState) -> tuple[int, int]:
    """The latent that varies least over rows that share a value, and the factor that they share."""
    k = generator.randint(len(groups))
    # A single row varies in nothing.
    values = [rows for rows in groups[k] if len(rows) > 1] or [np.concatenate(groups[k])]
    rows = values[generator.randint(len(values))]
    chosen = rows[generator.permutation(len(rows))[:_BATCH]]
    return int(scaled[chosen].var(0).argmin()), int(k)


def _pairs(
    groups: list[np.ndarray], column: np.ndarray, generator: np.random.RandomState
) -> tuple[np.ndarray, np.ndarray]:
    """Rows at random, and for each another one at random of the same value."""
    first = generator.randint(len(column), size=_BATCH)
    second = np.array([groups[value][generator.randint(len(groups[value]))] for value in column[first]])
    return first, second
