"""Groups in the code: against scikit-learn, against brute force, on every variant."""

from functools import cache
from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.cluster import KMeans
from sklearn.datasets import load_digits, make_blobs
from sklearn.exceptions import NotFittedError
from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score
from sklearn.mixture import GaussianMixture

import isthmus
from isthmus import Autoencoder, DataError, LinearAutoencoder, ParameterError
from isthmus.evaluate.clustering import Clustering, _standardised, matched_accuracy

DIGITS = load_digits().images[:200]
BLOBS, WHICH = make_blobs([120, 90, 60], 6, cluster_std=1.0, center_box=(-12, 12), random_state=0)
every_model = pytest.mark.parametrize("cls", isthmus.models().values(), ids=lambda cls: cls.name)
every_method = pytest.mark.parametrize("method", ["kmeans", "gmm"])


@cache
def fitted(cls):
    return cls(latent_dim=2, max_epochs=2, random_state=0).fit(DIGITS)


@cache
def flat():
    return LinearAutoencoder(2).fit(BLOBS)


# ------------------------------------------------------------------ scores


def brute_force(y, labels):
    """Best agreement over every one-to-one matching of clusters and classes."""
    classes, clusters = list(np.unique(y)), list(np.unique(labels))
    if len(classes) < len(clusters):
        classes, clusters, y, labels = clusters, classes, labels, y
    return max(
        sum(np.sum((y == a) & (labels == b)) for a, b in zip(order, clusters, strict=True)) / len(y)
        for order in permutations(classes, len(clusters))
    )


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 3)), min_size=1, max_size=40))
def test_accuracy_is_that_of_the_best_matching(pairs):
    y, labels = np.array(pairs).T
    assert matched_accuracy(y, labels) == pytest.approx(brute_force(y, labels))


def test_scores_do_not_care_what_groups_are_called():
    y = np.array(["b", "a", "a", "c", "c", "c"])
    labels = np.array([2, 0, 0, 1, 1, 0])
    found = Clustering(labels, np.zeros((3, 1)), np.zeros((3, 1)))
    assert found.scores(y) == pytest.approx(
        {
            "accuracy": 5 / 6,
            "nmi": normalized_mutual_info_score(y, labels),
            "ari": adjusted_rand_score(y, labels),
        }
    )
    assert Clustering(labels, found.centres, found.centres).scores(labels) == {"accuracy": 1, "nmi": 1, "ari": 1}
    with pytest.raises(DataError, match=r"there are 6 rows and labels of shape \(2,\)"):
        found.scores([1, 2])


# ------------------------------------------------------------------ groups


def same_groups(first, second):
    return adjusted_rand_score(first, second) == 1


def test_kmeans_is_scikit_learns_on_the_codes():
    est = flat()
    codes = est.transform(BLOBS).astype(float)
    theirs = KMeans(3, n_init=10, random_state=0).fit(codes)
    ours = est.cluster(BLOBS, 3)
    assert same_groups(ours.labels, theirs.labels_)
    order = np.argsort(-np.bincount(theirs.labels_))
    np.testing.assert_allclose(ours.centres, theirs.cluster_centers_[order], atol=1e-6)
    np.testing.assert_allclose(ours.decoded_centres, est.inverse_transform(ours.centres))
    assert ours.probabilities is None
    assert ours.scores(WHICH)["accuracy"] == 1


def test_a_mixture_is_scikit_learns_on_standardised_codes():
    est = flat()
    codes = est.transform(BLOBS).astype(float)
    scaled = (codes - codes.mean(0)) / codes.std(0)
    theirs = GaussianMixture(3, n_init=5, reg_covar=1e-3, random_state=0).fit(scaled)
    ours = est.cluster(BLOBS, 3, method="gmm")
    order = np.argsort(-np.bincount(theirs.predict(scaled)))
    np.testing.assert_allclose(ours.probabilities, theirs.predict_proba(scaled)[:, order], atol=1e-6)
    np.testing.assert_allclose(ours.centres, (codes.std(0) * theirs.means_ + codes.mean(0))[order], atol=1e-6)
    np.testing.assert_array_equal(ours.labels, ours.probabilities.argmax(1))


@every_model
@every_method
def test_every_model_clusters(cls, method):
    est = fitted(cls)
    found = est.cluster(DIGITS, 4, method=method)
    assert found.labels.shape == (200,)
    assert found.centres.shape == (4, 2)
    assert found.decoded_centres.shape == (4, 8, 8)
    assert found.sizes.sum() == 200
    if method == "gmm":
        np.testing.assert_allclose(found.probabilities.sum(1), 1)
    again = est.cluster(DIGITS, 4, method=method)
    np.testing.assert_array_equal(found.labels, again.labels)


def test_the_largest_cluster_comes_first():
    sizes = flat().cluster(BLOBS[:200], 3, random_state=3).sizes
    assert list(sizes) == sorted(sizes, reverse=True)


@every_method
def test_as_many_clusters_as_rows_and_one_for_all(method):
    est = flat()
    assert len(set(est.cluster(BLOBS[:5], 5, method=method).labels)) == 5
    alone = est.cluster(BLOBS, 1, method=method)
    np.testing.assert_allclose(alone.centres[0], est.transform(BLOBS).mean(0), atol=1e-4)


def test_a_latent_that_hardly_varies_is_not_blown_up():
    codes = np.random.default_rng(0).normal(size=(500, 4)) * [1, 20, 1e-3, 0] + 5
    spread = _standardised(codes).std(0)
    np.testing.assert_allclose(spread, [codes[:, 0].std() / (0.1 * codes[:, 1].std()), 1, 0, 0], atol=1e-3)
    assert np.all(_standardised(np.ones((3, 2))) == 0)


@pytest.mark.parametrize(
    ("n_clusters", "method", "message"),
    [
        (0, "kmeans", "n_clusters must lie between 1 and the number of rows, 5, got 0"),
        (6, "kmeans", "got 6"),
        (2, "spectral", "method must be one of 'kmeans', 'gmm', got 'spectral'"),
    ],
)
def test_clusters_that_cannot_be(n_clusters, method, message):
    with pytest.raises(ParameterError, match=message):
        flat().cluster(BLOBS[:5], n_clusters, method=method)
    with pytest.raises(NotFittedError):
        Autoencoder().cluster(BLOBS, 2)
