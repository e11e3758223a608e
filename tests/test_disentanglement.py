"""Scores of disentanglement: near 1 where latents are factors, near chance where they are mixed or random."""

from itertools import product

import numpy as np
import pytest
from scipy.linalg import hadamard
from sklearn.metrics import mutual_info_score

from isthmus import VAE, Autoencoder, DataError, ParameterError
from isthmus.data import load
from isthmus.evaluate.dci import dci
from isthmus.evaluate.disentanglement import disentanglement, score_codes
from isthmus.evaluate.factor_scores import beta_vae_score, factor_vae_score
from isthmus.evaluate.factors import read_factors
from isthmus.evaluate.mig import in_bins, mig_chen, mig_locatello, told_by_latents
from isthmus.evaluate.sap import sap

# A full grid of four factors of five values, as codes: themselves, mixed so that no latent favours a factor, and noise.
GRID = np.array(list(product(range(5), repeat=4)))
FACTORS = read_factors(GRID, len(GRID))
IDENTITY = GRID - 2.0
ROTATED = IDENTITY @ hadamard(4) / 2
RANDOM = np.random.default_rng(0).normal(size=GRID.shape)
TINY = np.full(GRID.shape, 0.01)
TO_ONE = ["mig_locatello", "mig_chen", "sap", "dci_disentanglement", "dci_completeness"]
OF_CHANCE = ["factor_vae_score", "beta_vae_score", "dci_informativeness"]


@pytest.fixture(scope="module")
def scores():
    return {
        name: score_codes(codes, GRID, TINY)
        for name, codes in (("identity", IDENTITY), ("rotated", ROTATED), ("random", RANDOM))
    }


@pytest.mark.parametrize("key", [*TO_ONE, *OF_CHANCE])
def test_identity_codes_score_one(scores, key):
    assert scores["identity"][key] == pytest.approx(1, abs=0.03)


@pytest.mark.parametrize("key", TO_ONE)
def test_mixed_and_random_codes_score_low(scores, key):
    assert scores["rotated"][key] < 0.2
    assert scores["random"][key] < 0.2


@pytest.mark.parametrize("key", ["factor_vae_score", "beta_vae_score"])
def test_guesses_about_mixed_and_random_codes_are_chance(scores, key):
    assert scores["rotated"][key] < 0.45
    assert scores["random"][key] < 0.45


def test_informativeness_sees_that_a_rotation_loses_nothing_and_noise_has_nothing(scores):
    assert scores["rotated"]["dci_informativeness"] > scores["random"]["dci_informativeness"] + 0.1
    assert scores["random"]["dci_informativeness"] == pytest.approx(1 / 5, abs=0.05)


def test_order_sign_and_size_of_the_latents_do_not_matter(scores):
    moved = score_codes(IDENTITY[:, [2, 0, 3, 1]] * [-3, 10, 0.5, 7], GRID, TINY * [3, 10, 0.5, 7])
    assert moved == pytest.approx(scores["identity"], abs=0.03)


def test_a_factor_in_two_latents_has_no_gap_but_counts_as_disentangled():
    twice = np.concatenate([IDENTITY, IDENTITY[:, :1] ** 3], axis=1)
    others = 3 / 4  # three factors of four have a latent of their own
    assert mig_locatello(twice, FACTORS) == pytest.approx(others, abs=0.01)
    assert sap(twice, FACTORS) == pytest.approx(others, abs=0.02)
    assert dci(twice, FACTORS)["dci_disentanglement"] == pytest.approx(1, abs=0.03)


def test_latents_that_carry_nothing_change_little():
    more = np.concatenate([IDENTITY, RANDOM[:, :2]], axis=1)
    std = np.full(more.shape, 0.2)
    for key, value in score_codes(more, GRID, std).items():
        assert value == pytest.approx(1, abs=0.06), key


def test_binned_information_is_scikit_learns():
    bins = in_bins(ROTATED + 0.3 * RANDOM)
    assert bins.min() == 0
    assert bins.max() == 19
    information = np.array([[mutual_info_score(z, v) for v in GRID.T] for z in bins.T])
    best = np.sort(information, axis=0)[::-1]
    expected = np.mean((best[0] - best[1]) / np.log(5))
    assert mig_locatello(ROTATED + 0.3 * RANDOM, FACTORS) == pytest.approx(expected)


def test_information_of_a_noisy_latent_is_that_of_its_channel():
    # Two values at ±1 under noise of sd s: the mutual information is an integral in one dimension.
    n, s = 2000, 0.8
    value = np.arange(n) % 2
    other = np.arange(n) // 2 % 2
    factors = read_factors(np.stack([value, other], 1), n)
    mean, std = 2.0 * np.stack([value, other], 1) - 1, np.full((n, 2), s)
    z = np.linspace(-8, 8, 4001)
    p = [np.exp(-0.5 * ((z - m) / s) ** 2) / s / np.sqrt(2 * np.pi) for m in (-1, 1)]
    mixture = (p[0] + p[1]) / 2
    entropy = -np.trapezoid(mixture * np.log(mixture), z)
    information = entropy - 0.5 * np.log(2 * np.pi * np.e * s**2)
    found = mig_chen(mean, std, factors)
    assert found == pytest.approx(information / np.log(2), abs=0.05)
    assert told_by_latents(mean, std, factors) == pytest.approx(np.eye(2) * information, abs=0.05)


def test_a_wide_posterior_loses_the_gap_of_chen_but_not_that_of_the_means():
    wide = np.full(GRID.shape, 5.0)
    assert mig_chen(IDENTITY, wide, FACTORS) < 0.15
    assert mig_locatello(IDENTITY, FACTORS) == pytest.approx(1, abs=0.01)


def test_a_posterior_narrower_than_the_gaps_between_rows_knows_every_row():
    # Each latent then tells the row, hence every factor, so that none is ahead of another.
    narrow = np.full((len(GRID), 2), 1e-6)
    assert mig_chen(RANDOM[:, :1], narrow[:, :1], FACTORS) == pytest.approx(1, abs=0.01)
    assert mig_chen(RANDOM[:, :2], narrow, FACTORS) == pytest.approx(0, abs=0.01)


def test_collapsed_latents_may_not_vote():
    collapsed = np.concatenate([IDENTITY, 0.01 * RANDOM[:, :1]], axis=1)
    std = np.concatenate([TINY, np.ones((len(GRID), 1))], axis=1)
    assert factor_vae_score(collapsed, FACTORS, std) == pytest.approx(1, abs=0.02)
    assert factor_vae_score(np.zeros_like(IDENTITY), FACTORS) == 0
    assert beta_vae_score(np.zeros_like(IDENTITY), FACTORS) == pytest.approx(1 / 4, abs=0.08)


# ------------------------------------------------------------------ factors


def test_factors_are_made_discrete():
    n = 400
    given = {
        "angle": np.linspace(0, 1, n),
        "kind": np.array(["a", "b"] * (n // 2), dtype=object),
        "constant": np.zeros(n),
        "few": np.arange(n) % 3 * 0.5,
    }
    found = read_factors(given, n)
    assert found.names == ("angle", "kind", "few")
    assert found.counts == [10, 2, 3]
    assert np.bincount(found.values[:, 0]).tolist() == [40] * 10
    part = found.take(np.arange(0, 60))
    assert part.counts == [2, 2, 3]


@pytest.mark.parametrize(
    ("factors", "message"),
    [
        (np.zeros(5), r"and these have shape \(5,\)"),
        ({"a": np.zeros(4)}, r"values of factor 'a' of shape \(4,\)"),
        ({"a": [1, 2, 3, 4, np.nan]}, "factor 'a' has missing values"),
        ({"a": np.arange(5), "b": np.zeros(5)}, "and 1 of these vary"),
    ],
)
def test_factors_that_do_not_fit_are_refused(factors, message):
    with pytest.raises(DataError, match=message):
        read_factors(factors, 5)


# ------------------------------------------------------------------ models


def test_scores_of_models():
    shapes = load("shapes:n=200,size=8")
    vae = VAE(3, max_epochs=1, random_state=0).fit(shapes)
    plain = Autoencoder(3, max_epochs=1, random_state=0).fit(shapes)
    fast = disentanglement(vae, shapes, shapes.factors, scores="fast")
    every = disentanglement(vae, shapes, shapes.factors)
    assert fast.keys() == {"mig_locatello", "sap", "factor_vae_score", "beta_vae_score"}
    assert every.keys() == set(TO_ONE) | set(OF_CHANCE)
    assert {key: every[key] for key in fast} == fast
    assert disentanglement(plain, shapes, shapes.factors).keys() == every.keys() - {"mig_chen"}
    with pytest.raises(ParameterError, match="scores must be one of 'all', 'fast'"):
        disentanglement(vae, shapes, shapes.factors, scores="some")
