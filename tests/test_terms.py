"""Codes, priors and costs: closed forms against Monte Carlo, torch and SciPy."""

from typing import Any, cast

import numpy as np
import pytest
import torch
from helpers import compose_linear, mean_and_error
from scipy import stats
from torch import Tensor
from torch.distributions import Independent, Laplace, MultivariateNormal, Normal, kl
from torch.nn.functional import softplus

from isthmus.bottlenecks import Deterministic, DiagonalGaussian
from isthmus.core import Code, Composed, Step
from isthmus.errors import ParameterError
from isthmus.likelihoods import GaussianLikelihood
from isthmus.priors import FittedGaussian, StandardNormal
from isthmus.terms import KL, NLL, SeenNLL, Term, kl_divergence, kl_per_latent

# SciPy's frozen distributions, which its type stubs do not describe.
normal: Any = stats.norm
joint_normal: Any = stats.multivariate_normal


def gaussian(mean: Tensor, std: Tensor) -> Independent:
    return Independent(Normal(mean, std), 1)


def posterior(batch: int = 6, latent_dim: int = 3) -> Independent:
    """Narrow, wide, near and far from the standard normal."""
    generator = torch.Generator().manual_seed(0)
    mean = 2 * torch.randn(batch, latent_dim, generator=generator)
    return gaussian(mean, torch.exp(torch.randn(batch, latent_dim, generator=generator)))


def step(q, prior, z: Tensor | None = None) -> Step:
    x = torch.zeros(6, 2)
    z = torch.zeros(6, 3) if z is None else z
    return Step(x, x, None, Code(z, q), Normal(x, 1.0), prior, data=x, model=cast(Composed, None))


def standard_normal(latent_dim: int = 3) -> StandardNormal:
    prior = StandardNormal()
    prior.setup(latent_dim)
    return prior


PRIORS = {
    "standard": standard_normal()(),
    "other": gaussian(torch.tensor([0.5, -1.0, 3.0]), torch.tensor([0.3, 1.0, 2.0])),
}


class TestKL:
    @pytest.mark.parametrize("prior", PRIORS.values(), ids=PRIORS)
    def test_closed_form_is_torchs(self, prior):
        q = posterior()
        each = kl_per_latent(q, prior)
        assert each is not None
        torch.testing.assert_close(each, kl.kl_divergence(q.base_dist, prior.base_dist), rtol=1e-5, atol=1e-6)
        torch.testing.assert_close(KL()(step(q, prior)), each.sum(-1))
        torch.testing.assert_close(kl_divergence(q, prior, q.mean), each.sum(-1))

    @pytest.mark.parametrize("prior", PRIORS.values(), ids=PRIORS)
    def test_closed_form_is_the_mean_of_the_log_ratio(self, prior):
        q = posterior()
        torch.manual_seed(0)
        z = q.sample(torch.Size([20_000]))
        mean, error = mean_and_error(q.log_prob(z) - prior.log_prob(z))
        assert ((KL()(step(q, prior)) - mean).abs() < 4 * error).all()

    def test_no_divergence_from_itself(self):
        assert KL()(step(gaussian(torch.zeros(6, 3), torch.ones(6, 3)), PRIORS["standard"])).abs().max() == 0

    @pytest.mark.parametrize(
        ("q", "prior"),
        [
            (posterior(), MultivariateNormal(torch.ones(3), 2 * torch.eye(3) + 0.5)),
            (Independent(Laplace(torch.ones(6, 3), 0.5), 1), PRIORS["standard"]),
        ],
    )
    def test_without_a_closed_form_it_is_estimated_at_the_sample(self, q, prior):
        assert kl_per_latent(q, prior) is None
        torch.manual_seed(0)
        draws = q.sample(torch.Size([4000]))
        estimates = torch.stack([KL()(step(q, prior, z)) for z in draws])
        torch.testing.assert_close(estimates[0], q.log_prob(draws[0]) - prior.log_prob(draws[0]))
        mean, error = mean_and_error(estimates)
        reference = (
            kl.kl_divergence(MultivariateNormal(q.mean, torch.diag_embed(q.variance)), prior)
            if isinstance(prior, MultivariateNormal)
            else kl.kl_divergence(q.base_dist, prior.base_dist).sum(-1)
        )
        assert ((mean - reference).abs() < 4 * error).all()

    def test_free_bits_are_a_floor_per_latent_and_sample(self):
        q, prior = posterior(), PRIORS["standard"]
        each = kl_per_latent(q, prior)
        assert each is not None
        floor = float(each.median())
        torch.testing.assert_close(KL(free_bits=floor)(step(q, prior)), each.clamp_min(floor).sum(-1))
        alone = gaussian(q.mean[:1], q.stddev[:1])
        torch.testing.assert_close(KL(free_bits=floor)(step(alone, prior)), KL(free_bits=floor)(step(q, prior))[:1])

    def test_below_the_free_bits_nothing_pulls_on_the_posterior(self):
        mean = torch.full((6, 3), 0.1, requires_grad=True)
        KL(free_bits=0.5)(step(gaussian(mean, torch.ones(6, 3)), PRIORS["standard"])).sum().backward()
        assert mean.grad is not None
        assert mean.grad.abs().max() == 0

    def test_what_it_cannot_do_is_said(self):
        with pytest.raises(ParameterError, match="stochastic bottleneck"):
            KL()(step(None, PRIORS["standard"]))
        with pytest.raises(ParameterError, match="free_bits needs a KL in closed form"):
            KL(free_bits=1.0)(step(posterior(), MultivariateNormal(torch.zeros(3), torch.eye(3))))


class TestWeights:
    @pytest.mark.parametrize("term", [KL(weight=4.0), NLL(weight=4.0)])
    def test_constant_without_warmup(self, term):
        assert [term.weight_at(progress) for progress in (0.0, 0.5, 1.0)] == [4.0, 4.0, 4.0]

    def test_linear_from_zero_while_warming_up(self):
        found = [KL(weight=4.0, warmup=0.5).weight_at(progress) for progress in (0.0, 0.125, 0.25, 0.5, 0.75, 1.0)]
        assert found == pytest.approx([0.0, 1.0, 2.0, 4.0, 4.0, 4.0])

    def test_linear_from_the_start_that_was_asked_for(self):
        term = KL(weight=4.0, warmup=0.5, start=20.0)
        assert [term.weight_at(progress) for progress in (0.0, 0.25, 0.5, 1.0)] == pytest.approx([20, 12, 4, 4])

    def test_a_start_without_a_warmup_would_be_ignored(self):
        with pytest.raises(ParameterError, match="starts with the weight 20 needs a warm-up"):
            KL(weight=4.0, start=20.0)
        assert KL(weight=4.0, start=4.0).weight_at(0.0) == 4.0

    def test_the_loss_is_the_weighted_sum_of_means_over_the_batch(self):
        module = compose_linear(np.random.default_rng(0).normal(size=(20, 4)), 2, GaussianLikelihood(0.5))
        kl_term = cast(KL, module.terms["kl"])
        kl_term.weight = 3.0
        x = torch.randn(7, 4)
        costs = module(x)
        assert {name: cost.shape for name, cost in costs.items()} == {"nll": (7,), "kl": (7,)}
        torch.testing.assert_close(module.loss(costs), costs["nll"].mean() + 3 * costs["kl"].mean())
        kl_term.warmup = 0.5
        torch.testing.assert_close(
            module.loss(costs, torch.tensor(list(module.weights(0.25).values()))),
            costs["nll"].mean() + 1.5 * costs["kl"].mean(),
        )
        assert module.weights(0.0) == {"nll": 1.0, "kl": 0.0}

    def test_configurations_say_how_to_make_the_same_term(self):
        term = KL(weight=2.0, warmup=0.1, free_bits=0.5)
        assert term.config() == {"weight": 2.0, "warmup": 0.1, "free_bits": 0.5, "start": 0.0}
        assert repr(term) == "KL(weight=2.0, warmup=0.1, free_bits=0.5, start=0.0)"
        assert isinstance(term, Term)


def test_nll_is_minus_log_p_of_the_target_summed_over_values():
    X = np.random.default_rng(0).normal(size=(7, 4))
    module = compose_linear(X, 2, GaussianLikelihood(0.5))
    x, target = torch.tensor(X).float(), torch.tensor(X[::-1].copy()).float()
    taken = module.step(x, target)
    assert isinstance(module.likelihood, GaussianLikelihood)
    reference = normal(taken.p.mean.detach().numpy(), 0.5).logpdf(X[::-1]).sum(1)
    np.testing.assert_allclose(NLL()(taken).detach(), -reference, rtol=1e-5)
    assert module.step(x).x is x


class TestDiagonalGaussian:
    def make(self) -> tuple[DiagonalGaussian, Tensor]:
        bottleneck = DiagonalGaussian()
        bottleneck.setup(3)
        torch.manual_seed(0)
        return bottleneck, torch.randn(5, bottleneck.n_features)

    def test_layout_and_link(self):
        bottleneck, h = self.make()
        q = bottleneck(h).q
        assert bottleneck.stochastic
        assert bottleneck.n_features == 6
        assert q.event_shape == (3,)
        assert torch.equal(q.mean, h[:, :3])
        torch.testing.assert_close(q.stddev, softplus(h[:, 3:] + np.log(np.expm1(1.0))) + 1e-6)
        torch.testing.assert_close(bottleneck(torch.zeros(1, 6)).q.stddev, torch.ones(1, 3), rtol=1e-5, atol=0)

    def test_spread_neither_overflows_nor_vanishes(self):
        q = self.make()[0](torch.tensor([[0.0, 0, 0, -1e4, 0, 1e4]])).q
        assert (q.stddev > 0).all()
        assert q.stddev.isfinite().all()

    def test_evaluation_gives_the_mean(self):
        bottleneck, h = self.make()
        code = bottleneck.eval()(h)
        assert torch.equal(code.z, h[:, :3])
        assert torch.equal(code.mean, code.z)

    @pytest.mark.parametrize("how", ["training", "sampling"])
    def test_training_and_sampling_draw_from_the_posterior(self, how):
        bottleneck, h = self.make()
        bottleneck.train(how == "training")
        bottleneck.sampling = how == "sampling"
        draws = torch.stack([bottleneck(h).z for _ in range(3000)])
        q = bottleneck(h).q
        error = q.stddev / 3000**0.5
        assert ((draws.mean(0) - q.mean).abs() < 4.5 * error).all()
        assert ((draws.std(0) / q.stddev - 1).abs() < 0.08).all()
        assert torch.equal(bottleneck(h).mean, q.mean)

    def test_draws_pass_gradients_to_mean_and_spread(self):
        bottleneck, h = self.make()
        h.requires_grad_()
        bottleneck.train()(h).z.sum().backward()
        assert h.grad is not None
        assert torch.equal(h.grad[:, :3], torch.ones(5, 3))
        assert (h.grad[:, 3:] != 0).all()


def test_the_deterministic_code_is_the_features():
    bottleneck = Deterministic()
    bottleneck.setup(3)
    h = torch.randn(4, bottleneck.n_features)
    code = bottleneck(h)
    assert code.q is None
    assert not bottleneck.stochastic
    assert torch.equal(code.z, h)
    assert torch.equal(code.mean, h)


class TestPriors:
    def fitted(self, codes: np.ndarray) -> FittedGaussian:
        prior = FittedGaussian()
        prior.setup(codes.shape[1])
        prior.fit(torch.tensor(codes).float())
        return prior

    def test_standard_normal_is_scipys(self):
        z = torch.randn(10, 4)
        expected = normal().logpdf(z.numpy()).sum(1)
        np.testing.assert_allclose(standard_normal(4)().log_prob(z), expected, rtol=1e-5)

    @pytest.mark.parametrize("latent_dim", [1, 4])
    def test_fitted_gaussian_has_the_mean_and_covariance_of_the_codes(self, latent_dim):
        rng = np.random.default_rng(0)
        codes = 5 + rng.normal(size=(500, latent_dim)) @ rng.normal(size=(latent_dim, latent_dim))
        p = self.fitted(codes)()
        covariance = np.cov(codes.T, bias=True).reshape(latent_dim, latent_dim)
        np.testing.assert_allclose(p.mean, codes.mean(0), rtol=1e-5)
        np.testing.assert_allclose(p.covariance_matrix, covariance, rtol=1e-4, atol=1e-5 * covariance.max())
        expected = joint_normal(codes.mean(0), covariance).logpdf(codes[:20])
        np.testing.assert_allclose(p.log_prob(torch.tensor(codes[:20]).float()), expected, rtol=1e-3, atol=1e-3)

    def test_fitted_gaussian_starts_as_the_standard_normal(self):
        prior = FittedGaussian()
        prior.setup(3)
        z = torch.randn(10, 3)
        torch.testing.assert_close(prior().log_prob(z).float(), standard_normal(3)().log_prob(z))

    @pytest.mark.parametrize("codes", [np.full((50, 3), 2.0), np.eye(3)[np.arange(50) % 2], np.ones((1, 3))])
    def test_latents_that_do_not_vary_leave_a_density(self, codes):
        p = self.fitted(codes)()
        assert p.log_prob(torch.tensor(codes).float()).isfinite().all()
        np.testing.assert_allclose(p.mean, codes.mean(0), rtol=1e-5)

    def test_codes_are_fitted_in_place_so_that_they_are_saved(self):
        prior = self.fitted(np.random.default_rng(0).normal(size=(50, 2)))
        assert set(prior.state_dict()) == {"mean", "scale_tril"}
        assert prior.state_dict()["mean"].abs().max() > 0


class TestSeenNLL:
    """The cost of what the encoder could see."""

    X = np.random.default_rng(0).normal(size=(40, 5)) * [1, 2, 0.5, 1, 3]
    module = compose_linear(X, 1, GaussianLikelihood())

    def masked(self, mask: Tensor) -> Step:
        x = torch.tensor(self.X)
        return self.module.complete(x, torch.where(mask, 0.0, x), mask, x)

    def test_it_leaves_out_what_is_hidden_and_nothing_else(self):
        mask = torch.rand(40, 5, generator=torch.Generator().manual_seed(0)) < 0.4
        step = self.masked(mask)
        scale = step.p.stddev
        each = normal.logpdf(self.X, step.p.mean.detach(), scale.detach())
        np.testing.assert_allclose(SeenNLL()(step).detach(), -(each * ~mask.numpy()).sum(1), rtol=1e-5)
        torch.testing.assert_close(SeenNLL()(self.masked(mask & False)), NLL()(self.masked(mask & False)))
        torch.testing.assert_close(SeenNLL()(self.masked(mask | True)), torch.zeros(40))

    def test_without_a_mask_it_is_the_whole_cost(self):
        whole = self.module.step(torch.tensor(self.X))
        torch.testing.assert_close(SeenNLL()(whole), NLL()(whole))

    @pytest.mark.parametrize("hidden", [[], [0], [1, 4], [0, 1, 2, 3, 4]])
    def test_the_best_posterior_is_that_of_the_seen_values(self, hidden):
        """For a linear Gaussian decoder: precision 1 + Σ w²/σ² over the seen values (Bishop, 2006, eq. 12.41)."""
        x, mask = torch.tensor(self.X[:1]), torch.zeros(1, 5, dtype=torch.bool)
        mask[0, hidden] = True
        sd = self.module.decode(torch.zeros(1, 1)).stddev.detach().double()[0]
        shift = self.module.decode(torch.zeros(1, 1)).mean.detach().double()[0]
        slope = self.module.decode(torch.ones(1, 1)).mean.detach().double()[0] - shift
        seen = ~mask[0]
        precision = 1 + (slope[seen] ** 2 / sd[seen] ** 2).sum()
        mean = (slope[seen] * (x[0] - shift)[seen] / sd[seen] ** 2).sum() / precision

        # Over a grid of q, the cost plus the divergence is least at that posterior. Draws at ±1 are exact here.
        def cost(m: Tensor, s: Tensor) -> Tensor:
            nodes = torch.stack([m - s, m + s]).reshape(2, 1).float()
            p = self.module.decode(nodes)
            steps = Step(
                x.expand(2, 5).float(), x, mask.expand(2, 5), Code(nodes), p, PRIORS["standard"], x, self.module
            )
            return SeenNLL()(steps).mean().double() + 0.5 * (m**2 + s**2 - 1) - s.log()

        best = (mean, precision**-0.5)
        least = cost(*best)
        for dm, ds in ((0.05, 1), (-0.05, 1), (0, 1.1), (0, 1 / 1.1)):
            assert cost(best[0] + dm, best[1] * ds) > least
