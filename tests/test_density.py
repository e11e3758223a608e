"""Estimates of log p(x) from samples, on cases where the truth is known."""

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
from helpers import CASES, fitted, named
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from sklearn.neighbors import KernelDensity
from torch.distributions import Independent, MultivariateNormal, Normal

from isthmus import DataError, DenoisingAutoencoder, ParameterError, ParzenWarning
from isthmus.corruptions import GaussianNoise
from isthmus.evaluate import density
from isthmus.evaluate.density import conservative_log_likelihood, pairwise_log_prob, parzen, parzen_paradox
from isthmus.explore.exact import ExactDenoiser, stationary_covariance

# One leaf: in many dimensions scikit-learn loses digits by the bounds of its tree.
WHOLE = 10_000
DENOISER = ExactDenoiser([[1.0, 0.6], [0.6, 0.8]], noise=0.7)


@pytest.mark.parametrize("name", CASES)
@settings(max_examples=5, deadline=None)
@given(data=st.data())
def test_pairs_are_what_the_distributions_say_one_by_one(name, data):
    X = CASES[name].training_data((3, 2))
    likelihood = fitted(named(name), X)
    seed = data.draw(st.integers(0, 1000))
    y = torch.randn(5, 3, 2, likelihood.n_outputs, generator=torch.Generator().manual_seed(seed))
    x = torch.tensor(X[:4])
    with torch.no_grad():
        found = pairwise_log_prob(likelihood(y), x)
        expected = torch.stack([likelihood(one[None]).log_prob(x) for one in y], 1)
    assert found.dtype == torch.float64
    torch.testing.assert_close(found, expected.double(), rtol=1e-4, atol=1e-4)


def test_pairs_of_samples_far_from_zero_keep_their_digits():
    mean = 1e4 + torch.randn(50, 20, dtype=torch.float64)
    x = 1e4 + torch.randn(30, 20, dtype=torch.float64)
    p = Independent(Normal(mean, 1e-2), 1)
    torch.testing.assert_close(pairwise_log_prob(p, x), p.log_prob(x.unsqueeze(1)), rtol=1e-7, atol=0)


def test_blocks_change_nothing(monkeypatch):
    x = torch.randn(23, 4, dtype=torch.float64)
    parts = [Independent(Normal(torch.randn(n, 4), 1.0), 1) for n in (7, 2)]
    for p in (parts[0], MultivariateNormal(torch.randn(5, 4).double(), torch.eye(4).double())):
        whole = pairwise_log_prob(p, x), conservative_log_likelihood(x, [p, parts[1]])
        monkeypatch.setattr(density, "_MOST_VALUES", 40)
        monkeypatch.setattr(density, "_MOST_PAIRS", 20)
        torch.testing.assert_close(pairwise_log_prob(p, x), whole[0])
        torch.testing.assert_close(conservative_log_likelihood(x, [p, parts[1]]), whole[1])
        monkeypatch.undo()


def test_it_is_the_logarithm_of_the_mean_over_all_states_however_they_come():
    x, mean = torch.randn(6, 2).double(), torch.randn(100, 2).double()
    whole = Independent(Normal(mean, 0.5), 1)
    expected = whole.log_prob(x.unsqueeze(1)).exp().mean(1).log()
    torch.testing.assert_close(conservative_log_likelihood(x, [whole]), expected)
    parts = [Independent(Normal(part, 0.5), 1) for part in mean.split(33)]
    torch.testing.assert_close(conservative_log_likelihood(x, iter(parts)), expected)
    with pytest.raises(DataError, match="no states"):
        conservative_log_likelihood(x, [])


class TestKnownDensity:
    """States of the exact chain of normal data, whose log p(x) is known."""

    x = torch.tensor(np.random.default_rng(0).multivariate_normal([0, 0], DENOISER.covariance.numpy(), 40))
    truth = DENOISER.log_prob(x)

    def estimate(self, n_states: int, seed: int) -> torch.Tensor:
        rng = np.random.default_rng(seed)
        corrupted = torch.tensor(rng.multivariate_normal([0, 0], DENOISER.noisy.numpy(), n_states))
        return conservative_log_likelihood(self.x, [DENOISER.reconstruct(corrupted)])

    def test_it_is_a_lower_bound_on_average_that_more_states_tighten(self):
        means = []
        for n_states, repeats in ((1, 400), (10, 200), (100, 50), (1000, 10), (10_000, 2)):
            found = torch.stack([self.estimate(n_states, seed) for seed in range(repeats)])
            error = found.mean(1).std() / repeats**0.5
            assert found.mean() < self.truth.mean() + 3 * error
            means.append(found.mean())
        assert all(first < second for first, second in pairwise(means))
        assert self.truth.mean() - means[0] > 2
        assert means[-1].item() == pytest.approx(self.truth.mean().item(), abs=0.02)

    def test_with_many_states_every_row_comes_right(self):
        torch.testing.assert_close(self.estimate(20_000, 0), self.truth, rtol=0, atol=0.15)


class TestModel:
    covariance = np.array([[2.0, 1.2], [1.2, 1.5]])
    X = np.random.default_rng(0).multivariate_normal([5.0, -3.0], covariance, 2000)
    dae = DenoisingAutoencoder(
        2,
        corruption=GaussianNoise(0.8, "data"),
        network="linear",
        likelihood="gaussian",
        scaling="center",
        max_epochs=40,
        random_state=0,
    ).fit(X)

    def test_it_is_the_density_of_the_chains_stationary_distribution(self):
        likelihood: Any = self.dae.module_.likelihood
        origin = self.dae.denoise(np.zeros((1, 2)))
        gain = (self.dae.denoise(np.eye(2)) - origin).T
        centre = np.linalg.solve(np.eye(2) - gain, origin[0])
        spread = likelihood.spread.item() ** 2 * np.eye(2)
        covariance = stationary_covariance(gain, 0.64 * np.eye(2), spread)
        rows = self.X[:50]
        truth = MultivariateNormal(torch.tensor(centre).double(), torch.tensor(covariance)).log_prob(torch.tensor(rows))
        np.testing.assert_allclose(self.dae.log_likelihood(rows, n_samples=20_000), truth, atol=0.25)
        assert self.dae.log_likelihood(rows, n_samples=20_000).mean() == pytest.approx(truth.mean().item(), abs=0.05)

    def test_more_samples_tighten_it(self):
        few, many = (
            np.mean([self.dae.log_likelihood(self.X, n_samples=n, random_state=seed).mean() for seed in range(4)])
            for n in (10, 1000)
        )
        assert few < many

    @pytest.mark.parametrize("n", [1, 7, 100, 101, 250])
    def test_it_uses_as_many_states_as_it_was_asked_for(self, n):
        states = [p.batch_shape[0] for p in self.dae._conditionals(n)]
        assert sum(states) == n
        assert max(states) <= 100

    def test_it_depends_on_the_seed_alone(self):
        first, again, other = (self.dae.log_likelihood(self.X[:5], 50, random_state=seed) for seed in (1, 1, 2))
        np.testing.assert_array_equal(first, again)
        assert not np.array_equal(first, other)
        assert first.dtype == np.float64
        # Nor on the rows that are asked about together.
        np.testing.assert_allclose(self.dae.log_likelihood(self.X[2:3], 50, random_state=1), first[2:3], rtol=1e-9)
        with pytest.raises(ParameterError, match="n_samples must be at least 1"):
            self.dae.log_likelihood(self.X[:5], 0)


class TestParzen:
    digits = load_digits().images / 16

    def parts(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        train, rest = train_test_split(self.digits, test_size=800, random_state=0)
        return train, rest[:400], rest[400:]

    @pytest.mark.parametrize("bandwidth", [0.05, 0.2, 1.0])
    def test_it_is_scikit_learns_kernel_density(self, bandwidth):
        train, validation, test = self.parts()
        with pytest.warns(ParzenWarning):
            found = parzen(train, validation, test, bandwidths=[bandwidth])
        reference = KernelDensity(bandwidth=bandwidth, leaf_size=WHOLE).fit(train.reshape(len(train), -1))
        np.testing.assert_allclose(found.log_density, reference.score_samples(test.reshape(len(test), -1)), rtol=1e-9)
        assert found.bandwidth == bandwidth

    def test_the_bandwidth_is_the_best_on_the_validation_rows(self):
        train, validation, test = self.parts()
        grid = [0.05, 0.1, 0.15, 0.2, 0.3, 0.5]
        rows = [part.reshape(len(part), -1) for part in (train, validation)]
        scores = [KernelDensity(bandwidth=width, leaf_size=WHOLE).fit(rows[0]).score(rows[1]) for width in grid]
        with pytest.warns(ParzenWarning):
            assert parzen(train, validation, test, bandwidths=grid).bandwidth == grid[int(np.argmax(scores))]
        with pytest.warns(ParzenWarning):
            found = parzen(train, validation, test)
        # The grid that it makes itself has the best one inside, not at an end.
        assert KernelDensity(bandwidth=found.bandwidth, leaf_size=WHOLE).fit(rows[0]).score(rows[1]) > max(
            scores
        ) - 0.02 * abs(max(scores))

    def test_it_never_comes_without_its_warning(self):
        train, validation, test = self.parts()
        with pytest.warns(ParzenWarning, match="k-means centroids score above samples of the true distribution"):
            found = parzen(train, validation, test, bandwidths=[0.2])
        assert "no measure of a model" in found.warning
        assert found.warning in str(found)
        assert f"{found.log_density.mean():.1f}" in str(found)

    def test_it_prefers_k_means_to_the_truth(self):
        train, validation, test = self.parts()
        found = parzen_paradox(train, validation, test, n=200)
        assert found.keys() == {"truth", "k_means"}
        assert found["k_means"] > found["truth"] + 1
        assert found == parzen_paradox(train, validation, test, n=200)
        with pytest.raises(DataError, match="n=5000 centroids need more rows"):
            parzen_paradox(train, validation, test, n=5000)

    def test_the_true_density_is_far_from_what_it_says(self):
        rng = np.random.default_rng(0)
        samples, validation, test = (rng.normal(size=(500, 50)) for _ in range(3))
        with pytest.warns(ParzenWarning):
            found = parzen(samples, validation, test).log_density
        truth = -0.5 * (test**2).sum(1) - 25 * np.log(2 * np.pi)
        assert found.mean() < truth.mean() - 5

    @pytest.mark.filterwarnings("ignore::isthmus.ParzenWarning")
    def test_samples_that_do_not_fit_together_are_refused(self):
        with pytest.raises(DataError, match=r"\(5, 2\), \(4, 3\), \(4, 2\)"):
            parzen(np.ones((5, 2)), np.ones((4, 3)), np.ones((4, 2)))
        with pytest.raises(DataError, match=r"\(0, 2\)"):
            parzen(np.ones((0, 2)), np.ones((4, 2)), np.ones((4, 2)))
