"""Annealed importance sampling where log p(x) is known, and bounds from both sides."""

import warnings

import numpy as np
import pytest
import torch
from scipy import integrate, stats
from sklearn.datasets import load_digits, load_iris
from test_bounds import D, joint_normal, maps, rows, wrong
from torch import nn

import isthmus
from isthmus import VAE, Autoencoder, LikelihoodWarning, ParameterError, SparseAutoencoder
from isthmus.core import Composed
from isthmus.evaluate.annealing import Annealing, annealed_estimate, bidirectional
from isthmus.evaluate.density import pairwise_log_prob
from isthmus.likelihoods import GaussianLikelihood
from isthmus.models.base import BaseAutoencoder
from isthmus.priors import Prior

PICTURES = load_digits().images[:60]
TABLE = load_iris().data
both_starts = pytest.mark.parametrize("start", ["posterior", "prior"])


def exact_log_p(module: Composed, X: np.ndarray, noise: float = 0.6) -> np.ndarray:
    """Of a linear model with a standard normal prior and the noise of `wrong`."""
    _, decoder = maps(module)
    W, b = (tensor.detach().double().numpy() for tensor in (decoder.weight, decoder.bias))
    return joint_normal(b, W @ W.T + noise**2 * np.eye(D)).logpdf(X)


class TestSchedule:
    def test_goes_from_0_to_1_slowly_at_both_ends(self):
        betas = np.array(Annealing(50).betas)
        assert betas[0] == 0
        assert betas[-1] == pytest.approx(1)
        assert len(betas) == 51
        assert (np.diff(betas) > 0).all()
        np.testing.assert_allclose(betas + betas[::-1], 1, atol=1e-12)
        assert np.diff(betas)[25] > 5 * np.diff(betas)[0]

    def test_one_step_is_importance_sampling(self):
        X = rows(10)
        module, exact = wrong(X)
        found = annealed_estimate(module, X, 400, 0, Annealing(1))
        assert (np.abs(found.log_p - exact) < 5 * found.error).all()


class TestWhereItIsKnown:
    @both_starts
    def test_errors_cover_the_truth_as_often_as_they_should(self, start):
        X = rows(60)
        module, exact = wrong(X)
        n_steps = 25 if start == "posterior" else 60
        found = [annealed_estimate(module, X, 24, seed, Annealing(n_steps, 2, start)) for seed in range(3)]
        away = np.stack([(estimate.log_p - exact) / estimate.error for estimate in found])
        # Of 24 chains the error itself is uncertain, so that its tails are a little heavier than normal.
        assert (np.abs(away) < 1).mean() == pytest.approx(0.68, abs=0.1)
        assert (np.abs(away) < 2).mean() > 0.88
        means = [abs(estimate.mean - exact.mean()) / estimate.mean_error for estimate in found]
        assert max(means) < 3.5
        assert found[0].reliable

    @both_starts
    def test_chains_from_both_ends_bracket_the_truth(self, start):
        module, _ = wrong(rows(60))
        found = bidirectional(module, 60, 8, 0, Annealing(30 if start == "posterior" else 60, 2, start))
        exact = exact_log_p(module, found.X)
        for gap in (exact - found.lower, found.upper - exact):
            assert gap.mean() > -3 * gap.std() / 60**0.5
        assert 0 < found.gap < 0.6
        assert found.gap == pytest.approx((found.upper - found.lower).mean())
        assert found.gap_error == pytest.approx((found.upper - found.lower).std(ddof=1) / 60**0.5)
        assert "gap" in str(found)

    def test_weights_are_unbiased_in_both_directions(self):
        X = rows(8)
        module, _ = wrong(X)
        found = bidirectional(module, 200, 16, 0, Annealing(12, 2, "prior"))
        exact = exact_log_p(module, found.X)
        for ratio in (np.exp(found.lower - exact), np.exp(exact - found.upper)):
            assert abs(ratio.mean() - 1) < 4 * ratio.std() / 200**0.5

    def test_more_steps_close_the_gap(self):
        module, _ = wrong(rows(40))
        few, many = (bidirectional(module, 40, 4, 0, Annealing(n, 2, "prior")).gap for n in (6, 60))
        assert many < 0.5 * few

    def test_drawn_rows_have_the_models_distribution(self):
        module, _ = wrong(rows(40))
        found = bidirectional(module, 400, 1, 0, Annealing(1))
        _, decoder = maps(module)
        W, b = (tensor.detach().double().numpy() for tensor in (decoder.weight, decoder.bias))
        whitened = np.linalg.solve(np.linalg.cholesky(W @ W.T + 0.36 * np.eye(D)), (found.X - b).T)
        np.testing.assert_allclose(whitened.mean(1), 0, atol=0.2)
        np.testing.assert_allclose(np.cov(whitened), np.eye(D), atol=0.25)


class TestBentLine:
    """A decoder that bends, z ↦ (z, z² − 1), whose p(x) is an integral over one latent."""

    noise = 0.3

    def model(self) -> Composed:
        X = np.random.default_rng(0).normal(size=(50, 2))
        vae = VAE(
            1, network="linear", likelihood=GaussianLikelihood(self.noise), scaling="none", max_epochs=1, random_state=0
        )
        vae.fit(X)
        module = vae.module_
        module.network.decoder = _Bend()
        return module.eval()

    def truth(self, X: np.ndarray) -> np.ndarray:
        def joint(z: float, x: np.ndarray) -> float:
            means = np.array([z, z**2 - 1])
            return stats.norm.pdf(z) * np.prod(stats.norm.pdf(x, means, self.noise))

        return np.log([integrate.quad(joint, -6, 6, args=(x,), points=[-2, -1, 0, 1, 2], limit=400)[0] for x in X])

    @both_starts
    def test_meets_quadrature(self, start):
        module = self.model()
        X = np.array([[0.0, 0.6], [1.2, 0.5], [0.1, -1.0], [-1.5, 1.0], [0.2, 1.0]])
        found = annealed_estimate(module, X, 48, 1, Annealing(80, 2, start))
        assert (np.abs(found.log_p - self.truth(X)) < 4 * found.error + 0.02).all()
        assert found.error.max() < 0.35

    def test_is_bracketed(self):
        module = self.model()
        found = bidirectional(module, 30, 8, 1, Annealing(40, 2, "prior"))
        exact = self.truth(found.X)
        for gap in (exact - found.lower, found.upper - exact):
            assert gap.mean() > -3 * gap.std() / 30**0.5
        assert found.gap < 1.5


class _Bend(nn.Module):
    """Its parameter is there to be turned into float64."""

    def __init__(self) -> None:
        super().__init__()
        self.one = nn.Parameter(torch.ones(1))

    def forward(self, z):
        return (self.one * torch.cat([z, z.square() - 1], 1)).unsqueeze(-1)


class TestRows:
    annealing = Annealing(15)

    def test_the_same_seed_gives_the_same_bits_and_another_others(self):
        X = rows(6)
        module, _ = wrong(X)
        first, again, other = (annealed_estimate(module, X, 20, seed, self.annealing).log_p for seed in (1, 1, 2))
        np.testing.assert_array_equal(first, again)
        assert not np.isclose(first, other).any()

    @both_starts
    def test_a_row_does_not_depend_on_those_after_it_nor_on_the_memory(self, start, monkeypatch):
        from isthmus.models import inference

        X = rows(12)
        module, _ = wrong(X)
        annealing = Annealing(40, start=start)
        whole = annealed_estimate(module, X, 20, 1, annealing)
        np.testing.assert_allclose(annealed_estimate(module, X[:3], 20, 1, annealing).log_p, whole.log_p[:3], rtol=1e-9)
        monkeypatch.setitem(inference._MOST_VALUES, "cpu", 2 * 20 * D)
        np.testing.assert_allclose(annealed_estimate(module, X, 20, 1, annealing).log_p, whole.log_p, rtol=1e-9)

    def test_many_chains_are_run_some_at_a_time(self, monkeypatch):
        from isthmus.evaluate import annealing

        X = rows(6)
        module, exact = wrong(X)
        sizes = []
        begin = annealing._Path.begin
        monkeypatch.setattr(annealing._Path, "begin", lambda self, k: sizes.append(k) or begin(self, k))
        found = annealed_estimate(module, X, 150, 1, self.annealing)
        assert sizes == [4, 64, 64, 22]
        assert (np.abs(found.log_p - exact) < 5 * found.error).all()

    def test_leaves_model_and_random_numbers_as_they_were(self):
        X = rows(6)
        module, _ = wrong(X)
        before = {name: tensor.clone() for name, tensor in module.state_dict().items()}
        torch.manual_seed(0)
        state = torch.get_rng_state()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", LikelihoodWarning)
            annealed_estimate(module, X, 4, 1, Annealing(3, start="prior"))
        bidirectional(module, 4, 2, 1, Annealing(3))
        assert torch.equal(torch.get_rng_state(), state)
        for name, tensor in module.state_dict().items():
            assert torch.equal(tensor, before[name])
            assert tensor.dtype == before[name].dtype
        assert all(p.requires_grad and p.grad is None for p in module.parameters())


@pytest.mark.parametrize(
    "likelihood", ["gaussian", "laplace", "bernoulli", "continuous_bernoulli", "categorical", "poisson"]
)
def test_agrees_with_importance_sampling_for_every_likelihood(likelihood):
    X = (PICTURES > 7).astype(np.float32)
    vae = VAE(2, likelihood=likelihood, max_epochs=8, random_state=0).fit(X)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", LikelihoodWarning)
        weighed = vae.estimate_likelihood(X[:8], 4000)
        annealed = vae.estimate_likelihood(X[:8], method="annealed", n_steps=30)
    error = np.hypot(weighed.error, annealed.error) + 0.02
    assert (np.abs(weighed.log_p - annealed.log_p) < 5 * error).all()
    assert annealed.n_samples == 16


@pytest.mark.parametrize("cls", isthmus.models().values(), ids=lambda cls: cls.name)
def test_every_model_is_bracketed_or_says_why_not(cls):
    model = cls(latent_dim=2, max_epochs=1, random_state=0).fit(PICTURES)
    if not hasattr(model, "bidirectional_likelihood"):
        assert type(model).log_likelihood is not BaseAutoencoder.log_likelihood
        return
    try:
        found = model.bidirectional_likelihood(5, 8, n_steps=20)
    except ParameterError as error:
        assert "no density over all real numbers" in str(error)  # noqa: PT017 (either is fine)
        return
    assert found.gap > -4 * found.gap_error - 0.2
    assert found.X.shape == (5, 8, 8)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", LikelihoodWarning)
        assert np.isfinite(model.estimate_likelihood(PICTURES[:3], 4, method="annealed", n_steps=3).log_p).all()


@pytest.mark.parametrize("parts", [{"prior": "vamp"}, {"prior": "mixture"}, {"posterior_family": "student_t"}])
def test_other_priors_and_posteriors(parts):
    vae = VAE(2, max_epochs=2, random_state=0, **parts).fit(PICTURES)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", LikelihoodWarning)
        weighed = vae.estimate_likelihood(PICTURES[:6], 4000)
        annealed = vae.estimate_likelihood(PICTURES[:6], method="annealed", n_steps=30)
    away = (annealed.log_p - weighed.log_p) / (np.hypot(weighed.error, annealed.error) + 0.01)
    assert (away > -5).all()
    # Where the weights have a heavy tail, importance sampling is too low by more than it knows.
    trusted = weighed.tail < 0.7
    assert trusted.sum() >= 2
    assert (away[trusted] < 5).all()


def test_codes_on_a_sphere_cannot_be_moved_among():
    vae = VAE(2, posterior_family="hyperspherical", max_epochs=1, random_state=0).fit(PICTURES)
    assert vae.estimate_likelihood(PICTURES, 2000).log_p.shape == (60,)
    with pytest.raises(ParameterError, match="no density over all real numbers"):
        vae.estimate_likelihood(PICTURES, method="annealed")


class TestEstimators:
    plain = Autoencoder(2, max_epochs=20, random_state=0).fit(TABLE)

    def test_a_plain_autoencoder_has_a_likelihood_under_its_fitted_prior(self):
        found = self.plain.bidirectional_likelihood(20, n_steps=100)
        assert found.X.shape == (20, 4)
        assert -3 * found.gap_error < found.gap < 2
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", LikelihoodWarning)
            annealed = self.plain.estimate_likelihood(TABLE[:12], 32, method="annealed", n_steps=100)
        # By the prior's own draws, of which there must be very many.
        z = self.plain.module_.prior().sample(torch.Size([60_000]))
        with torch.no_grad():
            p = self.plain.module_.decode(z)
            truth = pairwise_log_prob(p, torch.tensor(TABLE[:12])).logsumexp(1) - np.log(60_000)
        assert np.mean(annealed.log_p - truth.numpy()) == pytest.approx(0, abs=0.3)

    def test_pictures_have_their_own_shape(self):
        vae = VAE(2, max_epochs=1, random_state=0, image_shape=(8, 8)).fit(PICTURES.reshape(-1, 64))
        assert vae.bidirectional_likelihood(3, 2, n_steps=2).X.shape == (3, 64)

    def test_the_posterior_of_a_plain_code_is_no_start(self):
        with pytest.raises(ParameterError, match="use start='prior'"):
            self.plain.estimate_likelihood(TABLE, method="annealed", start="posterior")

    def test_codes_with_a_spike_cannot_be_moved_among(self):
        sparse = SparseAutoencoder(max_epochs=1, random_state=0).fit(TABLE)
        with pytest.raises(ParameterError, match="have no density over all real numbers"):
            sparse.estimate_likelihood(TABLE, method="annealed")

    def test_a_prior_that_can_only_be_drawn_from_has_none_either(self, monkeypatch):
        monkeypatch.setattr(Prior, "has_density", False)
        with pytest.raises(ParameterError, match="have no density"):
            self.plain.bidirectional_likelihood()

    @pytest.mark.parametrize("n_rows", [0, 1])
    def test_a_gap_needs_two_rows(self, n_rows):
        with pytest.raises(ParameterError, match="n_rows must be"):
            self.plain.bidirectional_likelihood(n_rows)

    def test_an_estimate_from_too_few_steps_is_not_reliable(self):
        with pytest.warns(LikelihoodWarning, match="use more n_steps, or a larger n_samples"):
            self.plain.estimate_likelihood(TABLE[:10], method="annealed", n_steps=3)


def test_unfitted_models_say_so():
    from sklearn.exceptions import NotFittedError

    for call in (
        lambda model: model.estimate_likelihood(TABLE),
        lambda model: model.bound_curve(TABLE),
        lambda model: model.bidirectional_likelihood(),
    ):
        with pytest.raises(NotFittedError):
            call(isthmus.VAE())
