"""Distances between samples and data, each against an answer that is known without it."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.linalg import sqrtm
from scipy.spatial.distance import cdist

from isthmus import DataError
from isthmus.evaluate.extractor import Extractor
from isthmus.evaluate.frechet import frechet_distance, frechet_error, gaussian_distance
from isthmus.evaluate.kernel import kernel_distance, squared_discrepancy
from isthmus.evaluate.neighbours import density_coverage, kth_distance, precision_recall
from isthmus.evaluate.samples import compare_features, sample_quality

RNG = np.random.default_rng


def covariance(rng, d):
    root = rng.normal(size=(d, d))
    return root @ root.T


# ------------------------------------------------------------------ Fréchet


def test_frechet_of_gaussians_with_common_axes_is_in_closed_form():
    axes = np.linalg.qr(RNG(0).normal(size=(5, 5)))[0]
    a, b, shift = np.array([1, 2, 3, 0, 5.0]), np.array([4, 0, 3, 1, 2.0]), np.arange(5.0)
    found = gaussian_distance(np.zeros(5), (axes * a**2) @ axes.T, shift, (axes * b**2) @ axes.T)
    assert found == pytest.approx(np.sum(shift**2) + np.sum((a - b) ** 2))


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 1000), st.integers(1, 6))
def test_frechet_agrees_with_a_general_square_root_and_is_symmetric(seed, d):
    rng = RNG(seed)
    first, second = covariance(rng, d) + 0.1 * np.eye(d), covariance(rng, d) + 0.1 * np.eye(d)
    means = rng.normal(size=(2, d))
    direct = np.sum((means[0] - means[1]) ** 2) + np.trace(first + second - 2 * np.real(sqrtm(first @ second)))
    assert gaussian_distance(means[0], first, means[1], second) == pytest.approx(direct, abs=1e-8)
    assert gaussian_distance(means[1], second, means[0], first) == pytest.approx(direct, abs=1e-8)


def test_frechet_of_samples_tends_to_that_of_their_distributions():
    rng = RNG(0)
    first, second = rng.normal(size=(20_000, 2)), rng.normal([1, 0], [2, 1], size=(20_000, 2))
    assert frechet_distance(first, second) == pytest.approx(1 + 1, abs=4 * frechet_error(first, second))


def test_frechet_of_a_set_and_itself_or_a_turned_copy_in_a_plane():
    rows = RNG(0).normal(size=(50, 4)) @ np.diag([3, 1, 1, 0])  # singular covariance
    assert frechet_distance(rows, rows) == pytest.approx(0, abs=1e-6)
    assert frechet_distance(rows, rows + np.array([0, 0, 0, 2])) == pytest.approx(4, abs=1e-6)


def test_frechet_is_biased_upwards_and_less_so_for_more_rows():
    def floor(n):
        return np.mean([frechet_distance(*RNG(seed).normal(size=(2, n, 8))) for seed in range(10)])

    few, many = floor(50), floor(400)
    assert few > 4 * many > 0


def test_the_jackknife_error_is_the_spread_of_the_distance():
    pairs = [(RNG(s).normal(size=(300, 2)), RNG(1000 + s).normal([2, 0], 1, size=(300, 2))) for s in range(60)]
    spread = np.std([frechet_distance(*pair) for pair in pairs])
    assert np.mean([frechet_error(*pair) for pair in pairs]) == pytest.approx(spread, rel=0.3)


# ------------------------------------------------------------------ kernel


def test_discrepancy_is_the_direct_double_sum():
    x, y = RNG(0).normal(size=(2, 7, 3))

    def kernel(a, b):
        return (a @ b / 3 + 1) ** 3

    pairs = [(i, j) for i in range(7) for j in range(7) if i != j]
    direct = np.mean([kernel(x[i], x[j]) + kernel(y[i], y[j]) for i, j in pairs])
    direct -= 2 * np.mean([kernel(a, b) for a in x for b in y])
    assert squared_discrepancy(x, y) == pytest.approx(direct)


def test_kernel_distance_of_one_distribution_is_zero_within_its_error():
    found = [kernel_distance(*RNG(seed).normal(size=(2, 200, 4))) for seed in range(100)]
    far = [abs(value) > 2 * error for value, error in found]
    assert np.mean(far) < 0.15  # 7 % for ten blocks, by Student's t
    values = np.array([value for value, _ in found])
    assert abs(values.mean()) < 3 * values.std() / 10
    assert values.min() < 0 < values.max()


def test_kernel_distance_has_the_expectation_of_the_kernel():
    # In one dimension E (xy + 1)³ of independent x and y is a sum of products of moments: N(0, 1) against N(m, 1).
    m, rng = 0.7, RNG(0)
    moments = {0: [1, 0, 1, 0], m: [1, m, m**2 + 1, m**3 + 3 * m]}
    binomial = [1, 3, 3, 1]

    def expected(a, b):
        return sum(c * moments[a][i] * moments[b][i] for i, c in enumerate(binomial))

    truth = expected(0, 0) + expected(m, m) - 2 * expected(0, m)
    value, error = kernel_distance(rng.normal(size=(5000, 1)), rng.normal(m, 1, size=(5000, 1)))
    assert value == pytest.approx(truth, abs=4 * error)
    assert error < 0.2 * truth


# ------------------------------------------------------------------ neighbours


def test_neighbours_of_a_hand_made_set():
    real = np.array([[0.0], [1.0], [2.0], [10.0]])
    np.testing.assert_allclose(kth_distance(real, 1), [1, 1, 1, 8])
    np.testing.assert_allclose(kth_distance(real, 2), [2, 1, 2, 9])
    # Regions for k = 1: real [−1, 3] and [2, 18]; made {−5, −4, 0.5, 50} is [−6, −3], [−4, 5] and [0.5, 99.5].
    made = np.array([[-5.0], [-4.0], [0.5], [50.0]])
    assert precision_recall(real, made, k=1) == (1 / 4, 1)
    # 0.5 lies in the balls about 0 and 1, the others in none.
    assert density_coverage(real, made, k=1) == (2 / 4, 2 / 4)


def test_distances_are_those_of_scipy_far_from_the_origin():
    rows = RNG(0).normal(size=(60, 5)) + 1e3
    np.testing.assert_allclose(kth_distance(rows, 4), np.sort(cdist(rows, rows), axis=1)[:, 4], rtol=1e-9)


def test_neighbours_tell_collapse_from_copies_and_from_noise():
    real = RNG(0).normal(size=(300, 2))
    collapsed, noise = np.repeat(real[:1], 300, axis=0), RNG(1).normal(size=(300, 2)) * 30
    assert precision_recall(real, real.copy()) == (1, 1)
    precision, recall = precision_recall(real, collapsed)
    assert precision == 1
    assert recall < 0.05
    assert density_coverage(real, collapsed)[1] < 0.05
    precision, recall = precision_recall(real, noise)
    assert precision < 0.1
    assert recall > 0.9  # the known weakness: sparse samples cover everything
    assert density_coverage(real, noise)[0] < 0.1


def test_density_and_coverage_of_one_distribution_have_their_known_expectations():
    found = [density_coverage(*RNG(seed).normal(size=(2, 300, 3)), k=5) for seed in range(20)]
    density, coverage = np.mean(found, axis=0)
    assert density == pytest.approx(1, abs=0.05)
    chance = np.prod([(300 - i) / (600 - i) for i in range(1, 6)])  # Naeem et al., 2020, equation 8
    assert coverage == pytest.approx(1 - chance, abs=0.02)


def test_one_outlier_deceives_precision_but_not_density():
    real, made = RNG(0).normal(size=(200, 2)), RNG(1).normal(scale=3, size=(200, 2))
    outlying = np.concatenate([real[:-1], [[60.0, 0.0]]])
    before, after = precision_recall(real, made)[0], precision_recall(outlying, made)[0]
    assert after > before + 0.08
    assert density_coverage(outlying, made)[0] == pytest.approx(density_coverage(real, made)[0], abs=0.05)


# ------------------------------------------------------------------ together


def test_the_floor_is_what_a_perfect_model_gets():
    rng = RNG(0)
    X = rng.normal(size=(1500, 3)) * [1, 5, 20]
    train, test, perfect = X[:500], X[500:1000], X[1000:]
    found = sample_quality(perfect, test, train, Extractor.fit(train))
    shifted = sample_quality(perfect + np.array([1, 0, 0]), test, train, Extractor.fit(train))
    assert found["n_generated"] == 500
    assert abs(found["fid"] - found["fid_floor"]) < 3 * (found["fid_error"] + found["fid_floor_error"])
    assert abs(found["kid"]) < 3 * found["kid_error"]
    assert {key: shifted[key] for key in shifted if "floor" in key} == {
        key: found[key] for key in found if "floor" in key
    }
    assert shifted["fid"] > shifted["fid_floor"] + 5 * shifted["fid_error"]
    assert shifted["kid"] > 5 * shifted["kid_error"]
    assert all(type(value) is float for value in found.values())


def test_sets_that_cannot_be_compared_are_refused():
    rows = RNG(0).normal(size=(30, 2))
    with pytest.raises(DataError, match=r"theirs are \(30, 2\) and \(20, 2\); take as many samples of each"):
        compare_features(rows, rows[:20])
    extractor = Extractor.fit(rows)
    with pytest.raises(DataError, match="20 of each kind at least, and there are 10"):
        sample_quality(rows[:10], rows, rows, extractor)
    with pytest.raises(DataError, match="30 samples and 25 training rows"):
        sample_quality(rows, rows, rows[:25], extractor)
