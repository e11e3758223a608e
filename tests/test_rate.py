"""The rate and its parts, where they are known."""

import math

import numpy as np
import pytest
import torch
from helpers import compose_linear
from scipy import integrate, stats
from sklearn.datasets import load_digits, load_iris
from test_bounds import D, K, rows, set_weights
from torch.distributions import Categorical, Independent, MixtureSameFamily, MultivariateNormal, Normal, kl

from isthmus import VAE, ParameterError
from isthmus.bottlenecks import Deterministic, StudentT
from isthmus.core import Composed
from isthmus.evaluate.bounds import common_noise, elbo, posterior
from isthmus.evaluate.metrics import METRICS
from isthmus.evaluate.rate import RateDecomposition, decompose, rows_for
from isthmus.likelihoods import GaussianLikelihood
from isthmus.priors import FittedGaussian

PARTS = ("mutual_information", "aggregate_gap", "total_correlation", "dimension_kl")
TABLE = load_iris().data


def linear(X: np.ndarray, V: np.ndarray, std: np.ndarray, **parts) -> Composed:
    """Model with q(z|x) = N(V(x − b), std²)."""
    return set_weights(compose_linear(X, K, GaussianLikelihood(0.6), **parts), np.ones((D, K)), X.mean(0), V, std)


def gaussians(covariance: np.ndarray) -> tuple[float, float, float]:
    """KL(N(0, C) ‖ N(0, I)), its total correlation and its dimension-wise KL."""
    variances = np.diag(covariance)
    correlation = 0.5 * (np.log(variances).sum() - np.linalg.slogdet(covariance)[1])
    apart = 0.5 * (variances - 1 - np.log(variances)).sum()
    return correlation + apart, correlation, apart


def assert_near(found: RateDecomposition, truth: dict[str, float], slack: float) -> None:
    for name, value in truth.items():
        assert abs(getattr(found, name) - value) < 3.5 * found.errors[name] + slack, name


class TestLinearGaussian:
    rng = np.random.default_rng(3)
    V = 0.3 * rng.normal(size=(K, D)) + 0.5 * rng.normal(size=D)
    std = np.array([0.8, 0.5, 1.1])

    def test_parts_are_those_of_the_closed_form(self):
        X = rows(4000)
        X = np.random.default_rng(0).multivariate_normal(X.mean(0), np.cov(X.T, bias=True), 2000)
        found = decompose(linear(X, self.V, self.std), X)
        signal = self.V @ np.cov(X.T, bias=True) @ self.V.T
        aggregate = signal + np.diag(self.std**2)
        gap, correlation, apart = gaussians(aggregate)
        information = 0.5 * (np.linalg.slogdet(aggregate)[1] - 2 * np.log(self.std).sum())
        truth = {"mutual_information": information, "aggregate_gap": gap}
        truth |= {"total_correlation": correlation, "dimension_kl": apart}
        # 2,000 components are not quite the Gaussian whose draws they are about.
        assert_near(found, truth, 0.02)
        assert min(truth.values()) > 0.1
        assert found.rate == pytest.approx(information + gap, abs=1e-4)
        assert found.n_rows == 2000

    def test_parts_add_up_to_the_rate(self):
        X = rows(100)
        found = decompose(linear(X, self.V, self.std), X, seed=4)
        assert found.mutual_information + found.aggregate_gap == pytest.approx(found.rate, rel=1e-12)
        assert found.total_correlation + found.dimension_kl == pytest.approx(found.aggregate_gap, rel=1e-12)

    def test_the_rate_is_the_bounds_divergence(self):
        X = rows(50)
        module = linear(X, self.V, self.std)
        x, noise = torch.tensor(X), common_noise(200, K)
        with torch.no_grad():
            q = posterior(module, x)
            distortion = -module.log_prob(x, (q.mean + q.stddev * noise).float()).double().mean()
            bound = elbo(module, x, noise).double().mean()
        assert decompose(module, X).rate == pytest.approx(float(-distortion - bound), abs=1e-3)

    def test_errors_are_those_over_draws_and_rows(self):
        module = linear(rows(300), self.V, self.std)
        data = [np.random.default_rng(s).multivariate_normal(np.arange(D), np.cov(rows(300).T), 300) for s in range(30)]
        found = [decompose(module, X, seed) for seed, X in enumerate(data)]
        for name in PARTS:
            over = np.std([getattr(one, name) for one in found])
            assert np.mean([one.errors[name] for one in found]) == pytest.approx(over, rel=0.5), name


class TestMixture:
    """Few rows, whose mixture is no Gaussian: every part by an integral, or by a long mean."""

    mean = np.array([[-2.0, 0.5, 1.0], [0.3, 2.0, -1.0], [2.5, -1.0, 0.0], [0.0, 0.1, 0.2]])
    std = np.array([0.6, 0.4, 0.3])

    def found(self, **parts) -> tuple[RateDecomposition, RateDecomposition]:
        """The parts, and the mean of many of them, of 4 rows with these posteriors."""
        X = np.hstack([self.mean, np.zeros((4, D - K))])
        module = compose_linear(X, K, GaussianLikelihood(0.6), **parts)
        set_weights(module, np.ones((D, K)), np.zeros(D), np.eye(K, D), self.std)
        many = [decompose(module, X, seed) for seed in range(400)]
        means = {name: float(np.mean([getattr(one, name) for one in many])) for name in ("rate", *PARTS)}
        errors = {name: float(np.std([getattr(one, name) for one in many]) / 20) for name in PARTS}
        return many[0], RateDecomposition(**means, errors=errors, n_rows=4)

    def test_dimension_wise_kl_is_that_of_quadrature(self):
        truth = 0.0
        for j in range(K):

            def integrand(z: float, j: int = j) -> float:
                q = stats.norm.pdf(z, self.mean[:, j], self.std[j]).mean()
                return q * (np.log(q) - stats.norm.logpdf(z)) if q > 0 else 0.0

            truth += integrate.quad(integrand, -7, 7, limit=300)[0]
        assert_near(self.found()[1], {"dimension_kl": truth}, 0.003)

    def test_other_parts_are_those_of_a_long_mean(self):
        components = Independent(Normal(torch.tensor(self.mean), torch.tensor(self.std).expand(4, K)), 1)
        torch.manual_seed(0)
        mixture = MixtureSameFamily(Categorical(torch.ones(4, dtype=torch.float64)), components)
        z = mixture.sample((200_000,))
        log_q = mixture.log_prob(z)
        marginals = sum(
            MixtureSameFamily(Categorical(torch.ones(4)), Normal(torch.tensor(self.mean[:, j]), self.std[j])).log_prob(
                z[:, j]
            )
            for j in range(K)
        )
        entropy = components.entropy().mean()
        truth = {
            "mutual_information": float(-log_q.mean() - entropy),
            "total_correlation": float((log_q - marginals).mean()),
            "aggregate_gap": float((log_q - Normal(0.0, 1.0).log_prob(z).sum(1)).mean()),
        }
        one, many = self.found()
        assert_near(many, truth, 0.012)
        assert many.mutual_information < math.log(4)
        assert one.is_saturated
        assert "rate" in str(one)

    def test_a_prior_whose_latents_depend_on_each_other_has_no_dimension_wise_kl(self):
        prior = FittedGaussian()
        standard, _ = self.found()
        prior.setup(K)
        X = np.hstack([self.mean, np.zeros((4, D - K))])
        module = compose_linear(X, K, GaussianLikelihood(0.6), prior=prior)
        set_weights(module, np.ones((D, K)), np.zeros(D), np.eye(K, D), self.std)
        prior.set_moments(torch.zeros(K), torch.tensor([[2.0, 0.5, 0], [0.5, 1, 0], [0, 0, 1]]))
        found = [decompose(module, X, seed) for seed in range(100)]
        assert math.isnan(found[0].dimension_kl)
        assert found[0].mutual_information == standard.mutual_information
        q = MultivariateNormal(torch.tensor(self.mean).float(), torch.diag(torch.tensor(self.std**2)).float())
        truth = kl.kl_divergence(q, prior()).mean().item()
        assert np.mean([one.rate for one in found]) == pytest.approx(truth, abs=0.05)
        assert found[0].rate == pytest.approx(found[0].mutual_information + found[0].aggregate_gap)


def test_codes_that_say_nothing_have_no_parts():
    X = rows(60)
    module = linear(X, np.zeros((K, D)), np.ones(K))
    found = decompose(module, X)
    for name in ("rate", *PARTS):
        assert getattr(found, name) == pytest.approx(0, abs=2e-5)
    assert not found.is_saturated


def test_needs_a_posterior_that_is_gaussian():
    X = rows(20)
    with pytest.raises(TypeError, match="no bound"):
        decompose(compose_linear(X, K, GaussianLikelihood(0.6), bottleneck=Deterministic()), X)


def test_other_posteriors_are_refused():
    X = rows(20)
    with pytest.raises(ParameterError, match="needs a Gaussian posterior"):
        decompose(compose_linear(X, K, GaussianLikelihood(0.6), bottleneck=StudentT()), X)


def test_wide_codes_compare_fewer_rows():
    assert rows_for(2) == rows_for(16) == 2000
    assert 256 <= rows_for(100_000) < rows_for(128) < 2000


class TestEvaluate:
    def test_has_the_parts_and_they_add_up(self):
        vae = VAE(2, max_epochs=20, random_state=0).fit(TABLE)
        metrics = vae.evaluate(TABLE)
        assert {"rate", "distortion", *PARTS} <= metrics.keys() <= METRICS.keys()
        assert metrics["rate"] == metrics["kl"]
        assert metrics["rate"] + metrics["distortion"] == pytest.approx(-metrics["elbo"], rel=1e-9)
        parts = metrics["mutual_information"] + metrics["total_correlation"] + metrics["dimension_kl"]
        assert parts == pytest.approx(metrics["kl"], rel=1e-5)
        assert metrics["bits_per_dim"] == pytest.approx(-metrics["elbo"] / 4 / np.log(2))
        assert "ssim" not in metrics

    def test_is_the_same_every_time(self):
        vae = VAE(2, max_epochs=1, random_state=0).fit(load_digits().images[:100])
        assert vae.evaluate(load_digits().images[:50]) == vae.evaluate(load_digits().images[:50])
