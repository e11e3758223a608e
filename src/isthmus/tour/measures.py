"""Numbers that several chapters give."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from isthmus.models.base import BaseAutoencoder
    from isthmus.tour.guide import Guide

_RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def scientific(value: float) -> str:
    """A small number with one digit, such as 4 · 10⁻⁷."""
    digit, _, power = f"{value:.0e}".partition("e")
    return f"{digit} · 10{str(int(power)).translate(_RAISED)}"


def gain(value: float) -> str:
    """Decibels more or less, with a sign."""
    return f"{value:+.1f} dB".replace("-", "−")


def decibels(X: np.ndarray, truth: np.ndarray, span: tuple[float, float]) -> float:
    """Peak signal-to-noise ratio of X."""
    mse = np.mean((X.astype(np.float64) - truth) ** 2)
    return float(10 * np.log10((span[1] - span[0]) ** 2 / mse))


def probe(model: BaseAutoencoder, guide: Guide, unseen: np.ndarray) -> float:
    """Accuracy of a linear classifier, which learned from the codes of training pictures, on those of unseen ones."""
    return classify(model.transform(guide.train), model.transform(unseen), guide)


def classify(train: np.ndarray, test: np.ndarray, guide: Guide) -> float:
    """Accuracy on the test rows of a logistic regression that learns from the training rows."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    classifier = make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000))
    classifier.fit(train.reshape(len(train), -1), guide.train_labels)
    return float(classifier.score(test.reshape(len(test), -1), guide.test_labels))
