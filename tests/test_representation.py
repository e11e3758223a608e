"""Probes of a code, against scikit-learn and against what a code is known to hold."""

import numpy as np
import pytest
from sklearn.datasets import load_iris, make_blobs

from isthmus import DataError
from isthmus.evaluate.representation import clustering_scores, knn_accuracy, linear_probe, probes

BLOBS, WHICH = make_blobs([60, 50, 40], 4, cluster_std=0.5, center_box=(-8, 8), random_state=0)
NOISE = np.random.default_rng(0).normal(size=(150, 4))


def test_classes_that_lie_apart_are_read_off_whatever_they_are_called():
    names = np.array(["b", "a", "c"], dtype=object)[WHICH]
    assert set(probes(BLOBS, names).values()) == {1.0}


def test_noise_holds_nothing_beyond_chance():
    y = np.arange(150) % 3
    for measure in (linear_probe, knn_accuracy):
        assert measure(NOISE, y) == pytest.approx(1 / 3, abs=0.12)
    assert abs(clustering_scores(NOISE, y)["cluster_ari"]) < 0.05


def test_the_scale_of_a_latent_does_not_matter():
    X, y = load_iris(return_X_y=True)
    for measure in (linear_probe, knn_accuracy):
        assert measure(X * [1, 1e-3, 1e3, 1], y) == pytest.approx(measure(X, y), abs=1e-9)
        assert measure(X, y) > 0.9


def test_rings_are_seen_by_neighbours_and_not_by_a_linear_probe():
    rng = np.random.default_rng(0)
    angle, y = rng.uniform(0, 2 * np.pi, 400), np.arange(400) % 2
    rings = (1 + 2 * y)[:, None] * np.stack([np.cos(angle), np.sin(angle)], 1)
    assert linear_probe(rings, y) < 0.65
    assert knn_accuracy(rings, y) > 0.98


def test_a_test_set_of_its_own():
    train, test = slice(0, None, 2), slice(1, None, 2)
    assert linear_probe(BLOBS[train], WHICH[train], (BLOBS[test], WHICH[test])) == 1
    assert linear_probe(BLOBS[train], WHICH[train], (BLOBS[test], (WHICH[test] + 1) % 3)) == 0
    assert knn_accuracy(BLOBS[train], WHICH[train], (BLOBS[test], WHICH[test])) == 1


def test_a_small_class_has_fewer_folds():
    rows = np.concatenate([np.arange(40), [60, 61]])
    assert linear_probe(BLOBS[np.argsort(WHICH, kind="stable")][rows], np.sort(WHICH)[rows]) == 1


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (WHICH[:5], r"there are 150 rows and labels of shape \(5,\)"),
        (np.zeros(150), "one class"),
        (NOISE[:, 0], "150 different values, so they are no classes"),
        (np.where(np.arange(150) == 7, np.nan, 1.0), "label of row 7 is missing"),
        (np.arange(150) == 3, "class True has a single row"),
    ],
)
def test_labels_that_do_not_fit_are_refused(y, message):
    with pytest.raises(DataError, match=message):
        linear_probe(BLOBS, y)
