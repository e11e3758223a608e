"""Costs of the descendants of the variational autoencoder: values against naive formulas, gradients against means."""

import math
from typing import Any, cast

import numpy as np
import pytest
import torch
from helpers import compose_linear, mean_and_error
from sklearn.datasets import load_digits
from torch import Tensor
from torch.distributions import Independent, MultivariateNormal, Normal

from isthmus import DIPVAE, IWAE, VAEGAN, AdversarialAutoencoder, BetaTCVAE, FactorVAE, ParameterError, Trainer
from isthmus.bottlenecks import Deterministic
from isthmus.core import Code, Composed, Step
from isthmus.data.info import describe_data
from isthmus.evaluate.bounds import importance_weighted, own_noise
from isthmus.likelihoods import GaussianLikelihood
from isthmus.terms import (
    Capacity,
    Critic,
    Decorrelation,
    DensityRatio,
    Fooling,
    ImportanceWeighted,
    MeanDiscrepancy,
    TotalCorrelation,
)
from isthmus.terms.moments import mean_discrepancy

PICTURES: Any = load_digits().images[:200]


def gaussian(mean: Tensor, std: Tensor) -> Independent:
    return Independent(Normal(mean, std), 1)


def posteriors(n: int = 7, latent_dim: int = 3, seed: int = 0) -> Independent:
    generator = torch.Generator().manual_seed(seed)
    mean = torch.randn(n, latent_dim, generator=generator).double()
    return gaussian(mean, torch.exp(0.5 * torch.randn(n, latent_dim, generator=generator)).double())


def step(q: Independent | None, z: Tensor, model: Any = None) -> Step:
    x = torch.zeros(len(z), 2)
    prior = gaussian(torch.zeros(z.shape[1], dtype=z.dtype), torch.ones(z.shape[1], dtype=z.dtype))
    return Step(x, x, None, Code(z, q), Normal(x, 1.0), prior, data=x, model=cast(Composed, model))


def told_of(term: Any, n_samples: int, latent_dim: int = 3) -> Any:
    """The term, set up for so many samples."""
    term.setup(describe_data(np.random.default_rng(0).normal(size=(n_samples, 2))), latent_dim)
    return term


class TestTotalCorrelation:
    def test_of_all_data_is_that_of_the_mixture_of_posteriors(self):
        q = posteriors()
        z = q.sample()
        joint = torch.tensor(
            [math.log(np.mean([q.log_prob(z[i : i + 1]).exp()[j].item() for j in range(7)])) for i in range(7)]
        )
        each = torch.zeros(7)
        for i in range(7):
            for d in range(3):
                each[i] += math.log(q.base_dist.log_prob(z[i])[:, d].exp().mean().item())
        cost = told_of(TotalCorrelation(), 7)(step(q, z))
        torch.testing.assert_close(cost.float(), (joint - each).float(), rtol=1e-4, atol=1e-4)

    def test_of_a_known_aggregate(self):
        rho, n = 0.8, 1500
        torch.manual_seed(0)
        spread = MultivariateNormal(torch.zeros(2), torch.tensor([[1.0, rho], [rho, 1.0]]) - 0.1 * torch.eye(2))
        q = gaussian(spread.sample(torch.Size([n])), torch.full((n, 2), 0.1**0.5))
        mean, error = mean_and_error(told_of(TotalCorrelation(), n, 2)(step(q, q.sample())))
        assert abs(mean - -0.5 * math.log(1 - rho**2)) < 4 * error + 0.02

    def test_a_batch_stands_for_all_samples(self):
        # A posterior weighs as much as it does among all, whatever the size of the batch.
        q = posteriors(40)
        z = q.sample()
        term = told_of(TotalCorrelation(), 40)
        whole = term(step(q, z)).mean()
        torch.manual_seed(1)
        parts = [torch.randperm(40)[:20] for _ in range(200)]
        some = torch.stack([term(step(gaussian(q.mean[i], q.stddev[i]), z[i])).mean() for i in parts])
        assert abs(some.mean() - whole) < 0.1 * abs(whole) + 0.05

    def test_one_sample_alone_has_none(self):
        q = posteriors(1)
        z = q.sample()
        expected = q.log_prob(z) - q.base_dist.log_prob(z).sum(-1)
        torch.testing.assert_close(told_of(TotalCorrelation(), 50)(step(q, z)), expected)

    def test_needs_a_gaussian_posterior(self):
        with pytest.raises(ParameterError, match=r"needs a Gaussian posterior .* a deterministic one"):
            told_of(TotalCorrelation(), 5)(step(None, torch.zeros(4, 3)))


class TestMoments:
    @pytest.mark.parametrize("of", ["means", "codes"])
    def test_is_the_distance_from_the_identity(self, of):
        q = posteriors(50)
        covariance = np.cov(q.mean.numpy().T, bias=True)
        if of == "codes":
            covariance += np.diag(q.variance.mean(0).numpy())
        off = covariance - np.diag(np.diag(covariance))
        expected = (off**2).sum() + 3.0 * ((np.diag(covariance) - 1) ** 2).sum()
        cost = Decorrelation(diagonal=3.0, of=of)(step(q, q.sample()))
        np.testing.assert_allclose(cost.numpy(), np.full(50, expected), rtol=1e-6)

    def test_discrepancy_is_the_double_sum(self):
        generator = torch.Generator().manual_seed(0)
        z, drawn = (torch.randn(6, 2, generator=generator).double() for _ in range(2))
        typical = 2 * drawn.var(0).sum().item()

        def kernel(a: Tensor, b: Tensor) -> float:
            squared = (a - b).square().sum().item()
            return sum(s * typical / (s * typical + squared) for s in (0.1, 0.2, 0.5, 1, 2, 5, 10))

        pairs = [(i, j) for i in range(6) for j in range(6)]
        within = sum(kernel(z[i], z[j]) + kernel(drawn[i], drawn[j]) for i, j in pairs if i != j) / 30
        expected = within - 2 * sum(kernel(z[i], drawn[j]) for i, j in pairs) / 36
        assert mean_discrepancy(z, drawn).item() == pytest.approx(expected)

    def test_discrepancy_of_the_prior_from_itself_is_nothing_on_average(self):
        torch.manual_seed(0)
        term = MeanDiscrepancy()
        same = torch.stack([term(step(None, torch.randn(50, 3)))[0] for _ in range(200)])
        mean, error = mean_and_error(same)
        assert abs(mean) < 4 * error
        assert term(step(None, torch.randn(50, 3) + 1))[0] > 20 * error
        assert term(step(None, torch.randn(1, 3))).item() == 0


class TestCritic:
    """A critic trained on codes of a known distribution knows what it was trained to tell."""

    @staticmethod
    def train(against: str, covariance: list[list[float]], mean: list[float]) -> tuple[Composed, Any]:
        torch.manual_seed(0)
        q = MultivariateNormal(torch.tensor(mean), torch.tensor(covariance))
        critic = told_of(Critic(cast(Any, against), hidden=(64, 64)), 10, 2)
        model = Composed.__new__(Composed)
        torch.nn.Module.__init__(model)
        model.terms = torch.nn.ModuleDict({"critic": critic})
        optimizer = torch.optim.Adam(critic.parameters(), 3e-3)
        for number in range(500):
            optimizer.param_groups[0]["lr"] = 3e-3 * (1 - number / 500)
            optimizer.zero_grad()
            critic(step(None, q.sample(torch.Size([256])), model)).mean().backward()
            optimizer.step()
        return model, q

    def test_the_ratio_to_the_prior_is_the_divergence(self):
        model, q = self.train("prior", [[0.5, 0.0], [0.0, 0.5]], [0.7, 0.0])
        found = DensityRatio()(step(None, q.sample(torch.Size([4000])), model)).mean()
        expected = 0.5 * (2 * 0.5 + 0.49 - 2 - 2 * math.log(0.5))
        assert abs(found - expected) < 0.08

    def test_the_ratio_to_shuffled_codes_is_the_total_correlation(self):
        model, q = self.train("shuffled", [[1.0, 0.8], [0.8, 1.0]], [0.0, 0.0])
        found = DensityRatio()(step(None, q.sample(torch.Size([4000])), model)).mean()
        assert abs(found - -0.5 * math.log(1 - 0.64)) < 0.08

    def test_each_teaches_its_own(self):
        model, q = self.train("prior", [[1.0, 0.0], [0.0, 1.0]], [1.0, 0.0])
        critic = cast(Critic, model.terms["critic"])
        for term in (Fooling(), DensityRatio()):
            z = q.sample(torch.Size([8])).requires_grad_()
            critic.zero_grad()
            term(step(None, z, model)).sum().backward()
            assert z.grad is not None
            assert z.grad.abs().sum() > 0
            assert all(p.grad is None for p in critic.parameters())
        z = q.sample(torch.Size([8])).requires_grad_()
        critic(step(None, z, model)).sum().backward()
        assert z.grad is None
        assert all(p.grad is not None for p in critic.parameters())

    def test_shuffling_keeps_each_latent(self):
        z = torch.arange(12.0).reshape(4, 3)
        torch.manual_seed(0)
        shuffled = Critic._shuffled(z)
        torch.testing.assert_close(shuffled.sort(0).values, z)
        assert not torch.equal(shuffled, z)

    def test_a_critic_is_asked_for(self):
        model = Composed.__new__(Composed)
        torch.nn.Module.__init__(model)
        model.terms = torch.nn.ModuleDict()
        with pytest.raises(ParameterError, match="needs a Critic among the terms"):
            Fooling()(step(None, torch.zeros(2, 2), model))

    def test_it_moves_at_its_own_pace_and_does_not_choose_the_epoch(self):
        from isthmus.training.precision import Weights

        model = AdversarialAutoencoder(2, max_epochs=2, random_state=0).fit(PICTURES)
        weights = Weights(model.module_, bf16=False)
        paces = dict(zip(weights.names, weights.paces, strict=True))
        assert {pace for name, pace in paces.items() if "critic" in name} == {0.3}
        row = {name: values[-1] for name, values in model.history_.items()}
        assert row["val_loss"] == pytest.approx(row["val_nll"] + 10 * row["val_fooling"], rel=1e-6)
        assert row["val_critic"] > 0


def linear_model() -> tuple[Composed, Tensor]:
    X = np.random.default_rng(0).normal(size=(20, 4)).astype(np.float32)
    torch.manual_seed(0)
    return compose_linear(X, 2, GaussianLikelihood()), torch.tensor(X)


class TestImportanceWeighted:
    def test_more_draws_give_a_better_bound_which_is_the_one_that_is_reported(self):
        module, x = linear_model()
        module.train()
        torch.manual_seed(0)
        means = []
        for k in (1, 8, 64):
            costs = torch.stack([ImportanceWeighted(k)(module.step(x)) for _ in range(200)])
            means.append(mean_and_error(-costs.mean(1)))
        assert means[0][0] < means[1][0] < means[2][0] + 2 * means[2][1]
        module.eval()
        bounds = torch.stack([importance_weighted(module, x, 8, own_noise(s, 0, 20, 2)).mean() for s in range(200)])
        mean, error = mean_and_error(bounds)
        assert abs(mean - means[1][0]) < 4 * (error + means[1][1])

    def test_one_draw_is_the_evidence_bound_on_average(self):
        module, x = linear_model()
        module.train()
        torch.manual_seed(0)
        many = x.repeat(100, 1)
        one = torch.stack([ImportanceWeighted(1)(module.step(many)).mean() for _ in range(30)])
        costs = [module(many) for _ in range(30)]
        plain = torch.stack([c["nll"].mean() + c["kl"].mean() for c in costs])
        (mean, error), (expected, other) = mean_and_error(one), mean_and_error(plain)
        assert abs(mean - expected) < 4 * (error + other)

    @staticmethod
    def gradients(module: Composed, x: Tensor, term: ImportanceWeighted, n: int) -> dict[str, tuple[Tensor, Tensor]]:
        """Mean gradient of encoder and decoder, with its standard error."""
        found: dict[str, list[Tensor]] = {"encoder": [], "decoder": []}
        many = x.repeat(n // 30, 1)
        for _ in range(30):
            module.zero_grad()
            term(module.step(many)).mean().backward()
            for part, gradients in found.items():
                network = getattr(module.network, part)
                gradients.append(torch.cat([p.grad.flatten() for p in network.parameters()]).clone())
        return {part: mean_and_error(torch.stack(gradients)) for part, gradients in found.items()}

    @pytest.mark.parametrize(
        ("options", "encoder", "decoder"),
        [
            ({"doubly_reparameterised": True}, {}, {}),
            ({"n_groups": 3, "doubly_reparameterised": True}, {"n_groups": 3}, {"n_groups": 3}),
            ({"evidence": 0.4, "doubly_reparameterised": True}, {"evidence": 0.4}, {"evidence": 0.4}),
            ({"n_groups": 3, "partial": True}, {"n_groups": 3}, {"n_draws": 12}),
        ],
        ids=["doubly", "doubly in groups", "doubly mixed", "partial"],
    )
    def test_gradients_are_those_of_their_bounds(self, options, encoder, decoder):
        module, x = linear_model()
        module.train()
        torch.manual_seed(0)
        found = self.gradients(module, x, ImportanceWeighted(**{"n_draws": 4, **options}), 3000)
        for part, bound in (("encoder", encoder), ("decoder", decoder)):
            mean, error = found[part]
            expected, other = self.gradients(module, x, ImportanceWeighted(**{"n_draws": 4, **bound}), 3000)[part]
            assert ((mean - expected).abs() < 5 * (error + other) + 1e-6).all()

    def test_the_doubly_reparameterised_gradient_vanishes_with_its_variance_at_the_exact_posterior(self):
        module, x = linear_model()
        decoder, encoder = module.network.decoder[0], module.network.encoder[1]
        with torch.no_grad():
            # With orthogonal columns the latents are independent given x, as q says they are.
            decoder.weight.copy_(torch.linalg.qr(decoder.weight).Q)
            spread = module.likelihood.spread**2
            encoder.weight[:2] = decoder.weight.T / (1 + spread)
            encoder.bias[:2] = -decoder.weight.T @ decoder.bias / (1 + spread)
            encoder.weight[2:] = 0
            encoder.bias[2:] = torch.log(torch.expm1((spread / (1 + spread)).sqrt())) - math.log(math.expm1(1.0))
        module.train()
        torch.manual_seed(0)
        plain = self.gradients(module, x, ImportanceWeighted(16), 300)["encoder"][1]
        doubly = self.gradients(module, x, ImportanceWeighted(16, doubly_reparameterised=True), 300)["encoder"][1]
        assert doubly.square().sum() < 1e-4 * plain.square().sum()

    def test_the_value_does_not_depend_on_how_the_gradient_is_taken(self):
        module, x = linear_model()
        module.train()
        values = []
        for options in ({}, {"partial": True}, {"doubly_reparameterised": True}):
            torch.manual_seed(3)
            values.append(ImportanceWeighted(4, 2, **options)(module.step(x)))
        torch.testing.assert_close(values[0], values[1])
        torch.testing.assert_close(values[0], values[2])

    def test_needs_a_posterior(self):
        X = PICTURES.reshape(200, 64)[:20]
        module = compose_linear(X, 2, GaussianLikelihood(), bottleneck=Deterministic())
        module.terms = torch.nn.ModuleDict({"iwae": ImportanceWeighted()})
        with pytest.raises(ParameterError, match="needs a stochastic code"):
            module(torch.tensor(X))


class TestCapacity:
    def test_grows_and_is_met_from_both_sides(self):
        term = told_of(Capacity(10.0, growth=0.5), 6)
        term.train()
        q = posteriors(6)
        divergence = step(q, q.mean).prior
        kl = torch.distributions.kl_divergence(q, divergence).mean()
        for progress, allowed in ((0.0, 0.0), (0.25, 5.0), (0.5, 10.0), (1.0, 10.0)):
            term.advance(progress)
            torch.testing.assert_close(term(step(q, q.mean))[0].float(), (kl - allowed).abs().float())
        term.advance(0.0)
        term.eval()
        torch.testing.assert_close(term(step(q, q.mean))[0].float(), (kl - 10.0).abs().float())


class TestJudge:
    def test_each_teaches_its_own(self):
        model = VAEGAN(2, max_epochs=1, random_state=0).fit(PICTURES).module_
        model.train()
        taught = {
            "judge": {"terms.judge"},
            "feature_nll": {"network.encoder", "network.decoder"},
            "realism": {"network.decoder"},
        }
        for name, parts in taught.items():
            model.zero_grad()
            model(torch.tensor(PICTURES[:32]))[name].sum().backward()
            moved = {n for n, p in model.named_parameters() if p.grad is not None and p.grad.abs().sum() > 0}
            assert {".".join(n.split(".")[:2]) for n in moved} == parts

    def test_it_sees_no_batch(self):
        from isthmus.networks import Conv

        pictures = np.repeat(np.repeat(PICTURES[:40], 2, 1), 2, 2)
        model = VAEGAN(2, network=Conv(channels=(4, 8), norm="batch"), max_epochs=1, random_state=0).fit(pictures)
        assert not any("BatchNorm" in type(m).__name__ for m in model.module_.terms.modules())


@pytest.mark.parametrize("cls", [AdversarialAutoencoder, BetaTCVAE, DIPVAE, FactorVAE, IWAE, VAEGAN])
def test_a_cost_that_estimates_something_of_the_batch_falls(cls):
    trainer = Trainer(batch_size=50, learning_rate=3e-3, validation_fraction=0)
    history = cls(2, max_epochs=15, random_state=0, trainer=trainer).fit(PICTURES).history_
    assert history["train_loss"][-1] < history["train_loss"][0]


def test_independence_is_worth_more_under_a_higher_price():
    def correlation(beta: float) -> float:
        model = BetaTCVAE(4, beta=beta, max_epochs=60, random_state=0).fit(PICTURES)
        module = model.module_.train()
        torch.manual_seed(0)
        costs = [module(torch.tensor(PICTURES))["total_correlation"].mean().item() for _ in range(5)]
        return float(np.mean(costs))

    assert correlation(30.0) < 0.7 * correlation(1.0)
