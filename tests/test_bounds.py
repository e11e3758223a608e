"""Bounds on log p(x) where it is known: linear Gaussian models, and probabilistic PCA among them."""

import math
from typing import Any, cast

import numpy as np
import pytest
import torch
from helpers import compose_linear, mean_and_error
from scipy import stats
from torch import Tensor, nn
from torch.distributions import Independent, Laplace, MultivariateNormal, kl

from isthmus.bottlenecks import Deterministic
from isthmus.core import Composed
from isthmus.evaluate import bounds
from isthmus.evaluate.bounds import common_noise, draw, elbo, importance_weighted, own_noise
from isthmus.likelihoods import GaussianLikelihood
from isthmus.priors import FittedGaussian
from isthmus.terms import kl_per_latent

D, K = 6, 3
joint_normal: Any = stats.multivariate_normal  # SciPy's type stubs do not describe it


def rows(n: int = 300, spectrum: tuple[float, ...] = (4.0, 2.0, 1.0, 0.3, 0.2, 0.1)) -> np.ndarray:
    """Rows whose covariance (with n in the denominator) has exactly this spectrum, away from the origin."""
    rng = np.random.default_rng(0)
    white = rng.normal(size=(n, D))
    white = np.linalg.qr(white - white.mean(0))[0] * n**0.5
    axes = np.linalg.qr(rng.normal(size=(D, D)))[0]
    return (white * np.sqrt(spectrum)) @ axes.T + np.arange(D)


def leading(X: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Variances in decreasing order, and the first k axes as columns."""
    values, vectors = np.linalg.eigh(np.cov(X.T, bias=True))
    return values[::-1], vectors[:, ::-1][:, :k]


def maps(module: Composed) -> tuple[nn.Linear, nn.Linear]:
    return cast(nn.Linear, module.network.encoder[1]), cast(nn.Linear, module.network.decoder[0])


@torch.no_grad()
def set_weights(module: Composed, W: np.ndarray, b: np.ndarray, V: np.ndarray, std: np.ndarray) -> Composed:
    """Make p(x|z) = N(Wz + b, σ²) and q(z|x) = N(V(x − b), std²)."""
    encoder, decoder = maps(module)
    raw = np.log(np.expm1(std - 1e-6)) - np.log(np.expm1(1))
    decoder.weight.copy_(torch.tensor(W))
    decoder.bias.copy_(torch.tensor(b))
    encoder.weight.copy_(torch.tensor(np.vstack([V, np.zeros_like(V)])))
    encoder.bias.copy_(torch.tensor(np.concatenate([-V @ b, raw])))
    return module


def optimum(X: np.ndarray, noise: float) -> Composed:
    """The linear VAE's optimum for this σ (Tipping & Bishop, 1999, eq. 7; Lucas et al., 2019, section 4)."""
    spectrum, axes = leading(X, K)
    kept = np.maximum(spectrum[:K], noise**2)
    W = axes * np.sqrt(kept - noise**2)
    return set_weights(
        compose_linear(X, K, GaussianLikelihood(noise)), W, X.mean(0), (W / kept).T, noise / np.sqrt(kept)
    )


def wrong(X: np.ndarray, noise: float = 0.6, seed: int = 1) -> tuple[Composed, np.ndarray]:
    """A model whose posterior is biased and too wide, and the exact log p of the rows under it."""
    rng = np.random.default_rng(seed)
    W, b = rng.normal(size=(D, K)), X.mean(0)
    precise = W.T @ W + noise**2 * np.eye(K)
    V = np.linalg.solve(precise, W.T) + 0.02 * rng.normal(size=(K, D))
    std = 1.4 * noise * np.sqrt(np.diag(np.linalg.inv(precise)))
    exact = joint_normal(b, W @ W.T + noise**2 * np.eye(D)).logpdf(X)
    return set_weights(compose_linear(X, K, GaussianLikelihood(noise)), W, b, V, std), exact


class TestNoise:
    @pytest.mark.parametrize(("n_draws", "latent_dim"), [(1, 1), (2, 5), (16, 3), (64, 64), (200, 80), (128, 10)])
    def test_mean_is_zero_and_second_moment_the_identity(self, n_draws, latent_dim):
        noise = common_noise(n_draws, latent_dim)
        assert noise.shape == (max(n_draws, 2 * latent_dim), 1, latent_dim)
        flat = noise[:, 0]
        assert torch.equal(flat, -torch.cat([flat[len(flat) // 2 :], flat[: len(flat) // 2]]))
        assert flat.sum(0).abs().max() < 1e-4
        torch.testing.assert_close(flat.T @ flat / len(flat), torch.eye(latent_dim), rtol=0, atol=2e-6)

    def test_wide_codes_get_antithetic_draws_without_blowing_up_their_number(self):
        noise = common_noise(8, 500)
        assert noise.shape == (128, 1, 500)
        assert noise.sum(0).abs().max() < 1e-4
        assert noise.var().item() == pytest.approx(1, abs=0.05)

    def test_the_seed_fixes_the_draws(self):
        assert torch.equal(common_noise(8, 3, seed=1), common_noise(8, 3, seed=1))
        assert not torch.equal(common_noise(8, 3, seed=1), common_noise(8, 3, seed=2))

    def test_other_posteriors_are_drawn_from_by_their_own_means(self):
        q = Independent(Laplace(torch.tensor([[3.0, -2.0]]), 0.1), 1)
        z = draw(q, torch.zeros(50, 1, 2))
        assert z.shape == (50, 1, 2)
        torch.testing.assert_close(z.mean(0), q.mean, rtol=0, atol=0.1)
        assert z.std() > 0


class TestElbo:
    @pytest.mark.parametrize("n_draws", [1, 32])
    def test_exact_for_a_linear_gaussian_model_with_any_posterior(self, n_draws):
        X = rows(40)
        module, exact = wrong(X)
        x = torch.tensor(X)
        found = elbo(module, x, common_noise(n_draws, K)).detach()
        np.testing.assert_allclose(found, self.analytic(module, X, 0.6), rtol=0, atol=5e-5)
        assert (found.numpy() < exact).all()

    def analytic(self, module: Composed, X: np.ndarray, noise: float) -> np.ndarray:
        """E_q log N(x; Wz + b, σ²) − KL, in float64."""
        q = module.encode(torch.tensor(X)).q
        assert q is not None
        mean, std = q.mean.detach().double().numpy(), q.stddev.detach().double().numpy()
        _, decoder = maps(module)
        W, b = decoder.weight.detach().double().numpy(), decoder.bias.detach().double().numpy()
        squares = ((X - mean @ W.T - b) ** 2).sum(1) + std**2 @ (W**2).sum(0)
        divergence = 0.5 * (std**2 + mean**2 - 1 - np.log(std**2)).sum(1)
        return -0.5 * (squares / noise**2 + D * np.log(2 * np.pi * noise**2)) - divergence

    def test_exact_for_a_prior_without_a_closed_form(self):
        X = rows(40)
        standard, _ = wrong(X)
        prior = FittedGaussian()
        module = compose_linear(X, K, GaussianLikelihood(0.6), prior=prior)
        module.network.load_state_dict(standard.network.state_dict())
        prior.fit(
            torch.tensor(np.random.default_rng(2).normal(size=(30, K)) @ np.array([[1, 0.5, 0], [0, 2, 1], [0, 0, 1]]))
        )
        x, noise = torch.tensor(X), common_noise(16, K)
        q = module.encode(x).q
        assert q is not None
        full = MultivariateNormal(q.mean, torch.diag_embed(q.variance))
        closed = kl_per_latent(q, standard.prior())
        assert closed is not None
        expected = elbo(standard, x, noise) + closed.sum(-1) - kl.kl_divergence(full, prior())
        torch.testing.assert_close(elbo(module, x, noise), expected, rtol=0, atol=1e-4)

    def test_rows_do_not_depend_on_each_other(self):
        X = rows(40)
        module, _ = wrong(X)
        noise, x = common_noise(16, K), torch.tensor(X)
        alone = torch.cat([elbo(module, row, noise) for row in x.split(1)])
        torch.testing.assert_close(alone, elbo(module, x, noise), rtol=0, atol=2e-5)

    def test_a_deterministic_code_has_none(self):
        X = rows(40)
        module = compose_linear(X, K, GaussianLikelihood(0.6), bottleneck=Deterministic())
        with pytest.raises(TypeError, match="no bound"):
            elbo(module, torch.tensor(X), common_noise(4, K))


class TestProbabilisticPCA:
    def test_the_optimum_meets_the_exact_log_likelihood(self):
        X = rows()
        spectrum, axes = leading(X, K)
        noise = math.sqrt(spectrum[K:].mean())
        covariance = (axes * (spectrum[:K] - noise**2)) @ axes.T + noise**2 * np.eye(D)
        exact = joint_normal(X.mean(0), covariance).logpdf(X)
        found = elbo(optimum(X, noise), torch.tensor(X), common_noise(8, K)).detach()
        np.testing.assert_allclose(found, exact, rtol=0, atol=2e-5)
        assert found.double().mean().item() == pytest.approx(exact.mean(), abs=1e-5)

    def test_each_latents_divergence_is_half_the_log_of_its_signal_to_noise(self):
        X = rows()
        noise = math.sqrt(leading(X, K)[0][K:].mean())
        per_latent = divergences(optimum(X, noise), X)
        expected = 0.5 * np.log(leading(X, K)[0][:K] / noise**2)
        np.testing.assert_allclose(per_latent, expected, rtol=0, atol=1e-5)

    @pytest.mark.parametrize(("noise", "active"), [(0.5, 3), (1.2, 2), (1.7, 1), (2.1, 0)])
    def test_descent_collapses_exactly_the_latents_below_the_noise(self, noise, active):
        X = rows()
        module = compose_linear(X, K, GaussianLikelihood(noise))
        descend(module, torch.tensor(X))
        expected = 0.5 * np.log(np.maximum(leading(X, K)[0][:K] / noise**2, 1.0))
        found = np.sort(divergences(module, X))[::-1]
        assert (found > 0.01).sum() == active
        np.testing.assert_allclose(found, expected, rtol=0, atol=3e-3)
        best = elbo(optimum(X, noise), torch.tensor(X), common_noise(8, K)).mean().item()
        assert elbo(module, torch.tensor(X), common_noise(8, K)).mean().item() == pytest.approx(best, abs=1e-3)


@torch.no_grad()
def divergences(module: Composed, X: np.ndarray) -> np.ndarray:
    """KL of each latent, averaged over rows."""
    q = module.encode(torch.tensor(X)).q
    assert q is not None
    per_latent = kl_per_latent(q, module.prior())
    assert per_latent is not None
    return per_latent.double().mean(0).numpy()


def descend(module: Composed, x: Tensor) -> None:
    """Maximise the ELBO from random weights; with common noise it is a deterministic function of them."""
    torch.manual_seed(0)
    for parameter in module.parameters():
        nn.init.normal_(parameter, std=0.3)
    noise = common_noise(8, K)
    optimizer = torch.optim.LBFGS(
        list(module.parameters()),
        max_iter=400,
        tolerance_grad=1e-6,
        tolerance_change=1e-9,
        line_search_fn="strong_wolfe",
    )

    def closure() -> Tensor:
        optimizer.zero_grad()
        loss = -elbo(module, x, noise).mean()
        loss.backward()
        return loss

    optimizer.step(closure)  # pyright: ignore[reportArgumentType]


@torch.no_grad()
def weigh(module: Composed, X: np.ndarray, n_draws: int, seed: int = 0) -> Tensor:
    return importance_weighted(module, torch.tensor(X), n_draws, own_noise(seed, 0, len(X), K))


class TestImportanceWeighted:
    def test_does_not_fall_with_more_draws_and_starts_at_the_elbo(self):
        X = rows(200)
        module, exact = wrong(X)
        # The gap to log p(x) varies far less over rows than the bound does.
        gaps = [
            torch.cat([weigh(module, X, k, 1000 * k + seed) - torch.tensor(exact) for seed in range(10)])
            for k in (1, 4, 16, 64)
        ]
        means, errors = zip(*map(mean_and_error, gaps), strict=True)
        for i in range(3):
            assert means[i + 1] > means[i] + 2 * math.hypot(errors[i], errors[i + 1])
        single = elbo(module, torch.tensor(X), common_noise(8, K)).detach().double().numpy() - exact
        assert abs(means[0] - single.mean()) < 4 * errors[0]
        assert means[-1] < 4 * errors[-1]

    def test_meets_log_p_though_the_posterior_is_wrong(self):
        X = rows(20)
        module, exact = wrong(X)
        assert (exact - elbo(module, torch.tensor(X), common_noise(8, K)).detach().numpy()).mean() > 0.2
        found = weigh(module, X, 20_000)
        assert found.dtype == torch.float64
        np.testing.assert_allclose(found, exact, rtol=0, atol=0.05)
        assert found.mean().item() == pytest.approx(exact.mean(), abs=0.01)

    def test_one_draw_is_enough_where_the_posterior_is_exact(self):
        X = rows(50)
        noise = math.sqrt(leading(X, K)[0][K:].mean())
        module = optimum(X, noise)
        exact = elbo(module, torch.tensor(X), common_noise(8, K)).detach()
        np.testing.assert_allclose(weigh(module, X, 1), exact, rtol=0, atol=3e-5)

    def test_more_draws_leave_less_variance(self):
        X = rows(10)
        module, _ = wrong(X)
        few, many = (torch.stack([weigh(module, X, k, seed) for seed in range(60)]).var(0).mean() for k in (50, 800))
        # The variance of the logarithm of a mean of k weights falls as 1 / k.
        assert 16 / 2 < few / many < 16 * 2

    @pytest.mark.parametrize("n_draws", [1, 7, 24, 70])
    def test_every_draw_is_decoded_and_no_more_at_once_than_memory_allows(self, n_draws, monkeypatch):
        X = rows(8)
        module, _ = wrong(X)
        decoded = []
        decode = module.decode
        monkeypatch.setattr(module, "decode", lambda z: decoded.append(tuple(z.shape)) or decode(z))
        monkeypatch.setattr(bounds, "_MOST_VALUES", 20 * 8 * D)
        weigh(module, X, n_draws)
        assert sum(shape[0] for shape in decoded) == n_draws
        assert max(shape[0] for shape in decoded) <= 20
        assert {shape[1:] for shape in decoded} == {(8, K)}

    def test_chunks_change_nothing(self, monkeypatch):
        X = rows(13)
        module, _ = wrong(X)
        whole = weigh(module, X, 50)
        monkeypatch.setattr(bounds, "_MOST_VALUES", 40 * 13 * D)
        torch.testing.assert_close(weigh(module, X, 50), whole, rtol=0, atol=2e-5)
        monkeypatch.setattr(bounds, "_MOST_VALUES", 1)
        torch.testing.assert_close(weigh(module, X, 50), whole, rtol=0, atol=2e-5)

    def test_a_row_has_its_own_noise_whatever_the_batch_and_the_pass(self):
        whole = own_noise(3, 0, 6, K)(48)
        assert torch.equal(own_noise(3, 2, 3, K)(48), whole[:, 2:5])
        piecewise = own_noise(3, 0, 6, K)
        assert torch.equal(torch.cat([piecewise(16), piecewise(32)]), whole)
        assert not torch.equal(whole[:, 0], whole[:, 1])
        assert not torch.equal(own_noise(4, 0, 6, K)(48), whole)
