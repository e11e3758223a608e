"""What simple classifiers can read off a code."""

from __future__ import annotations

from typing import Any

import numpy as np

from isthmus.errors import DataError

NEIGHBOURS = 10
_FOLDS, _MOST_CLASSES, _MOST_ITERATIONS = 5, 1000, 1000


def linear_probe(codes: np.ndarray, y: Any, test: tuple[np.ndarray, Any] | None = None) -> float:
    """Accuracy of a linear classifier on codes (Alain & Bengio, 2016): are the classes directions of the code?

    Logistic regression with scikit-learn's ridge penalty (C = 1), on codes of which each latent is standardised with
    the moments of the rows that it is trained on.

    Parameters
    ----------
    codes : ndarray of shape (n, latent_dim)
        Codes.
    y : array-like of shape (n,)
        Class of each row, numbers or names.
    test : (ndarray, array-like), optional
        Codes and classes to test on. Without them the accuracy is the mean of five folds, each tested on a fifth of the
        rows and trained on the others, with the classes in equal shares.

    Raises
    ------
    DataError
        The labels do not fit the codes, are not classes, or a class has a single row.
    """
    from sklearn.linear_model import LogisticRegression

    return _accuracy(LogisticRegression(max_iter=_MOST_ITERATIONS), codes, y, test)


def knn_accuracy(codes: np.ndarray, y: Any, test: tuple[np.ndarray, Any] | None = None, k: int = NEIGHBOURS) -> float:
    """Accuracy of the vote of the ``k`` nearest codes: do rows of a class lie close together?

    The codes are standardised, and rows are tested, as for `linear_probe`.
    """
    from sklearn.neighbors import KNeighborsClassifier

    smallest = len(codes) if test is not None else len(codes) - -(-len(codes) // _FOLDS)
    return _accuracy(KNeighborsClassifier(max(1, min(k, smallest))), codes, y, test)


def clustering_scores(codes: np.ndarray, y: Any, random_state: int = 0) -> dict[str, float]:
    """Agreement of k-means with known classes, k being their number; see `isthmus.evaluate.clustering`.

    Returns
    -------
    dict of str to float
        ``cluster_accuracy``, ``cluster_nmi`` and ``cluster_ari``.
    """
    from isthmus.evaluate.clustering import agreement, kmeans

    y = check_classes(y, len(codes))
    labels = kmeans(np.asarray(codes, dtype=np.float64), len(np.unique(y)), random_state)
    return {f"cluster_{name}": value for name, value in agreement(y, labels).items()}


def check_classes(y: Any, n: int) -> np.ndarray:
    """Labels as an array of n classes; `DataError` for a wrong number, for numbers that are no classes, for gaps."""
    y = np.asarray(y)
    if y.shape != (n,):
        raise DataError(f"there are {n:,} rows and labels of shape {y.shape}; give one per row")
    if y.dtype.kind == "f" and not np.isfinite(y).all():
        raise DataError(f"the label of row {int(np.argmin(np.isfinite(y)))} is missing; leave such rows out")
    if y.dtype.kind == "O":
        y = np.array([str(value) for value in y])
    n_classes = len(np.unique(y))
    if n_classes > _MOST_CLASSES or (y.dtype.kind == "f" and np.any(y != np.rint(y))):
        raise DataError(f"the labels have {n_classes:,} different values, so they are no classes; pass them as factors")
    return y


def _accuracy(classifier: Any, codes: np.ndarray, y: Any, test: tuple[np.ndarray, Any] | None) -> float:
    from sklearn.model_selection import StratifiedKFold, cross_val_score
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    codes, y = np.asarray(codes, dtype=np.float64), check_classes(y, len(codes))
    model = make_pipeline(StandardScaler(), classifier)
    classes, counts = np.unique(y, return_counts=True)
    if len(classes) < 2:
        raise DataError("all rows are of one class, so there is nothing to tell apart")
    if test is not None:
        return float(
            model.fit(codes, y).score(np.asarray(test[0], dtype=np.float64), check_classes(test[1], len(test[0])))
        )
    if counts.min() < 2:
        raise DataError(f"class {classes[counts.argmin()]} has a single row; leave it out, as it cannot be tested")
    folds = StratifiedKFold(min(_FOLDS, int(counts.min())), shuffle=True, random_state=0)
    return float(np.mean(cross_val_score(model, codes, y, cv=folds)))


def probes(codes: np.ndarray, y: Any, random_state: int = 0) -> dict[str, float]:
    """Keys ``linear_probe``, ``knn_accuracy`` and ``cluster_*`` of `isthmus.evaluate.catalogue.EXTRAS`."""
    return {
        "linear_probe": linear_probe(codes, y),
        "knn_accuracy": knn_accuracy(codes, y),
        **clustering_scores(codes, y, random_state),
    }
