"""Ladders of latents: densities, divergences and bounds against closed forms, and the convolutional network."""

import contextlib
from typing import Any

import numpy as np
import pytest
import torch
from helpers import compose_linear, mean_and_error
from sklearn.datasets import load_digits, load_iris
from torch import nn
from torch.distributions import Independent, MultivariateNormal, Normal

import isthmus
from isthmus import VAE, Autoencoder, CollapseWarning, LadderVAE, ParameterError, Trainer
from isthmus.bottlenecks import LadderGaussian
from isthmus.bottlenecks.ladder import AnyLinear, divided
from isthmus.evaluate.bounds import common_noise, elbo, importance_weighted, log_weights, own_noise, posterior
from isthmus.evaluate.metrics import divergences
from isthmus.likelihoods.continuous import GaussianLikelihood
from isthmus.models.ladder import spread_layers
from isthmus.networks import Ladder
from isthmus.priors import LadderPrior, StandardNormal
from isthmus.terms import KL, kl_divergence, kl_per_latent

TABLE = load_iris().data.astype(np.float32)
# Large enough for convolutions, of odd sides, and in colour.
_LARGE = np.kron(load_digits().images[:40], np.ones((1, 3, 3)))[:, :21, 3:20]
PICTURES = np.stack([level < _LARGE for level in (3, 6, 9)], -1)

pytestmark = pytest.mark.filterwarnings(f"ignore::{CollapseWarning.__module__}.{CollapseWarning.__name__}")


def ladder(latent_dim: int = 4, n_layers: int = 2, *, scale: float = 1.0, prior=None) -> Any:
    """Model of the table with random weights, in eval mode; its latents depend on each other visibly."""
    torch.manual_seed(0)
    bottleneck = LadderGaussian(n_layers, width=16)
    module = compose_linear(
        TABLE - TABLE.mean(0),
        latent_dim,
        GaussianLikelihood(scale=scale),
        bottleneck=bottleneck,
        prior=prior or LadderPrior(),
    )
    with torch.no_grad():
        for name, parameter in bottleneck.ladder.named_parameters():
            if name.endswith("bias"):
                parameter.normal_(std=0.2)
            elif "answer" in name or "foresee.3" in name:
                parameter.mul_(0.3)
    return module


def rows(n: int) -> torch.Tensor:
    return torch.tensor((TABLE - TABLE.mean(0))[:: len(TABLE) // n][:n])


@pytest.fixture(scope="module")
def pictured():
    network = Ladder((2, 1), width=8, latents=2)
    return LadderVAE(network=network, max_epochs=4, random_state=0, trainer=Trainer(batch_size=10)).fit(PICTURES)


# ------------------------------------------------------------------ densities


def test_one_layer_is_the_ordinary_posterior_prior_and_bound():
    module, x = ladder(3, n_layers=1), rows(10)
    q, noise = module.encode(x).q, common_noise(16, 3)
    plain, normal = Independent(Normal(q.mean, q.stddev), 1), StandardNormal()
    normal.setup(3)
    z = plain.mean + plain.stddev * noise
    torch.testing.assert_close(q.log_prob(z), plain.log_prob(z))
    torch.testing.assert_close(module.prior().log_prob(z), normal().log_prob(z))
    closed = kl_per_latent(plain, normal())
    assert closed is not None
    expected = module.log_prob(x, z).mean(0) - closed.sum(-1)
    torch.testing.assert_close(elbo(module, x, noise), expected, rtol=1e-4, atol=1e-3)


def test_divergences_by_layer_average_to_the_divergence():
    module, x = ladder(), rows(4)
    torch.manual_seed(1)
    with torch.no_grad():
        q, prior = posterior(module, x), module.prior()
        z = q.rsample([40_000])
        sampled, error = mean_and_error(q.log_prob(z) - prior.log_prob(z))
        by_layer, smaller = mean_and_error(kl_divergence(q, prior, z))
    assert smaller.sum() < error.sum()
    assert ((sampled - by_layer).abs() < 5 * error).all()
    assert (by_layer > 0).all()


def test_a_prior_of_another_kind_is_compared_at_the_sample():
    module, x = ladder(prior=StandardNormal()), rows(4)
    q, z = posterior(module, x), torch.randn(3, 4, 4)
    prior = module.prior()
    assert kl_per_latent(q, prior, z) is None
    torch.testing.assert_close(kl_divergence(q, prior, z), q.log_prob(z) - prior.log_prob(z))


@pytest.mark.parametrize("which", ["posterior", "prior"])
def test_densities_are_those_of_the_draws(which):
    module, noise = ladder(3, n_layers=3), torch.randn(3)
    taps = module.bottleneck.taps(module.features(rows(1))) if which == "posterior" else None

    def walk(noise: torch.Tensor) -> torch.Tensor:
        return module.bottleneck.ladder.descend(1, taps, noise=noise[None]).z[0]

    q: Any = module.encode(rows(1)).q if which == "posterior" else module.prior()
    z = walk(noise)
    if which == "posterior":
        torch.testing.assert_close(q.from_noise(noise[None])[0], z)
    volume = torch.autograd.functional.jacobian(walk, noise).slogdet().logabsdet  # pyright: ignore[reportAttributeAccessIssue]
    expected = Normal(0, 1).log_prob(noise).sum() - volume
    torch.testing.assert_close(q.log_prob(z[None])[0], expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("which", ["posterior", "prior"])
def test_densities_integrate_to_one(which):
    module = ladder(2)
    line = torch.linspace(-12, 12, 481)
    grid = torch.cartesian_prod(line, line)[:, None]
    with torch.no_grad():
        q: Any = posterior(module, rows(1)) if which == "posterior" else module.prior()
        mass = q.log_prob(grid).exp().sum() * (line[1] - line[0]) ** 2
    assert float(mass) == pytest.approx(1, abs=1e-3)


def test_samples_of_the_prior_have_its_density():
    module = ladder(2)
    prior = module.prior()
    torch.manual_seed(0)
    z = prior.sample(torch.Size([20_000]))
    assert z.shape == (20_000, 2)
    # E[r(z) / p(z)] = 1 for any density r that p covers.
    narrow = Independent(Normal(z.mean(0), 0.5 * z.std(0)), 1)
    with torch.no_grad():
        mean, error = mean_and_error((narrow.log_prob(z) - prior.log_prob(z)).exp())
    assert abs(float(mean) - 1) < 5 * float(error)
    with pytest.raises(NotImplementedError):
        prior.mean  # noqa: B018


def test_importance_sampling_meets_the_likelihood_of_a_linear_chain():
    module, x = ladder(2), 0.3 * rows(6)
    upper, lower = module.bottleneck.ladder.rungs
    slope, log_scale = 0.8, -0.4
    with torch.no_grad():
        # z2 given z1 is N(0.8 z1, exp(-0.4)²): the state is z1 as it is.
        upper.take, upper.refine = AnyLinear(1, 16), nn.Identity()
        upper.take.bias.zero_()
        upper.take.weight.zero_()[0] = 1
        lower.foresee = AnyLinear(16, 2)
        lower.foresee.weight.zero_()[0, 0] = slope
        lower.foresee.bias.copy_(torch.tensor([0.0, 5 * np.arctanh(log_scale / 5)]))
        chain = torch.tensor([[1, slope], [slope, slope**2 + np.exp(2 * log_scale)]]).float()
        layer = module.network.decoder[0]
        covariance = layer.weight @ chain @ layer.weight.T + torch.eye(4)
        expected = MultivariateNormal(layer.bias, covariance).log_prob(x)
        found = importance_weighted(module, x, 8000, own_noise(0, 0, len(x), 2))
    np.testing.assert_allclose(found, expected, atol=0.05)
    bound = elbo(module, x, common_noise(128, 2))
    assert (bound < expected).all()


def test_the_lower_posterior_depends_on_what_was_drawn_above():
    module, x = ladder(), rows(3)
    q: Any = posterior(module, x)
    z = q.rsample()
    above, below = z.clone(), z.clone()
    above[:, 0] += 1
    below[:, -1] += 1
    means = [q.descent(code).posterior[0] for code in (z, above, below)]
    assert (means[1][:, 2:] != means[0][:, 2:]).all()
    torch.testing.assert_close(means[1][:, :2], means[0][:, :2])
    torch.testing.assert_close(means[2], means[0])


# ------------------------------------------------------------------ as a model


def test_the_training_cost_is_the_divergence_at_the_code():
    module, x = ladder().train(), rows(20)
    torch.manual_seed(3)
    step = module.step(x)
    expected = step.code.q.descent(step.code.z.clone()).divergence().detach()
    torch.testing.assert_close(KL()(step), expected.sum(-1), rtol=1e-4, atol=1e-5)
    by_layer = torch.stack([expected[:, :2].sum(1), expected[:, 2:].sum(1)], 1)
    free = by_layer.median().item()
    torch.testing.assert_close(KL(free_bits=free)(step), by_layer.clamp_min(free).sum(1), rtol=1e-4, atol=1e-5)


def test_layers_share_the_code():
    assert divided(7, 3) == [2, 2, 3]
    assert [sum(divided(n, 4)) for n in (4, 9)] == [4, 9]
    model = LadderVAE(5, n_layers=2, width=8, max_epochs=1, random_state=0).fit(TABLE)
    assert model.module_.bottleneck.ladder.widths == [2, 3]
    assert LadderVAE(2, max_epochs=1, random_state=0).fit(TABLE).module_.bottleneck.ladder.widths == [1, 1]


@pytest.mark.parametrize(
    ("n", "side", "layers"), [(12, 28, (4, 4, 4)), (2, 28, (1, 1, 0)), (5, 64, (2, 1, 1, 1)), (1, 16, (1, 0))]
)
def test_layers_are_spread_over_scales(n, side, layers):
    assert spread_layers(n, side) == layers


def test_pictures_have_latents_at_several_scales(pictured):
    module = pictured.module_
    assert module.bottleneck.ladder.sizes == [(6, 5), (6, 5), (11, 9)]
    assert pictured.latent_dim_ == 2 * 4 * 30 + 2 * 99
    assert pictured.transform(PICTURES).shape == (40, pictured.latent_dim_)
    assert pictured.sample(3, random_state=0).shape == (3, 21, 17, 3)
    assert pictured.reconstruct(PICTURES).shape == PICTURES.shape


def test_pictures_give_every_parameter_a_gradient_once(pictured):
    module = pictured.module_.train()
    module.loss(module(torch.tensor(PICTURES))).backward()
    module.eval()
    assert [name for name, p in module.named_parameters() if not p.grad.abs().sum() > 0] == []
    assert not [name for name in module.state_dict() if name.startswith(("bottleneck", "prior"))]


def test_the_picture_of_a_step_is_that_of_its_code(pictured):
    module = pictured.module_.train()
    step = module.step(torch.tensor(PICTURES[:5]))
    module.eval()
    torch.testing.assert_close(step.p.mean, module.decode(step.code.z).mean, rtol=1e-3, atol=1e-4)


def test_bounds_of_pictures_are_deterministic_and_row_by_row(pictured):
    score = pictured.score_samples(PICTURES[:6])
    np.testing.assert_array_equal(score, pictured.score_samples(PICTURES[:6]))
    np.testing.assert_allclose(pictured.score_samples(PICTURES[3:4]), score[3:4], rtol=1e-4)
    tight = pictured.log_likelihood(PICTURES[:6], n_samples=64)
    np.testing.assert_allclose(pictured.log_likelihood(PICTURES[:2], n_samples=64), tight[:2], rtol=1e-5)
    assert tight.mean() > score.mean()


def test_weights_of_pictures_are_those_of_one_way_down(pictured):
    module, x = pictured.module_, torch.tensor(PICTURES[:3])
    noise = torch.randn(2, 3, pictured.latent_dim_)
    q = module.encode(x).q
    descent = q.descent(q.from_noise(noise))
    direct = (descent.log_prior() - descent.log_posterior()).reshape(2, 3)
    z = descent.z.reshape(2, 3, -1)
    torch.testing.assert_close(log_weights(module, x, noise), module.log_prob(x, z) + direct, rtol=1e-4, atol=1e-2)


def test_evaluation_adds_up(pictured):
    X = PICTURES[:6]
    metrics = pictured.evaluate(X)
    assert metrics["kl"] == pytest.approx(float(divergences(pictured, X).sum(1).mean()), rel=1e-4)
    module, x = pictured.module_, torch.tensor(X)
    noise = common_noise(32, pictured.latent_dim_)
    q: Any = posterior(module, x)
    expected = module.log_prob(x, q.from_noise(noise)).detach().mean()
    assert metrics["elbo"] == pytest.approx(float(expected) - metrics["kl"], rel=1e-4)


def test_a_saved_ladder_is_the_same(pictured, tmp_path):
    pictured.save(tmp_path / "run")
    again = isthmus.load(tmp_path / "run")
    np.testing.assert_array_equal(again.transform(PICTURES), pictured.transform(PICTURES))
    np.testing.assert_array_equal(again.sample(2, random_state=0), pictured.sample(2, random_state=0))


def test_auto_makes_a_ladder_of_convolutions_for_pictures():
    X = PICTURES[:, :16, :16, 0]
    model = LadderVAE(n_layers=2, width=4, max_epochs=1, random_state=0).fit(X)
    assert isinstance(model.module_.network, Ladder)
    assert model.module_.network.layers == (1, 1)
    dense = LadderVAE(3, width=4, max_epochs=1, random_state=0).fit(X)
    assert not isinstance(dense.module_.network, Ladder)


def overcomplete(model):
    """A plain autoencoder is warned of its width before its network is laid out."""
    plain = isinstance(model, Autoencoder)
    return pytest.warns(isthmus.OvercompleteWarning) if plain else contextlib.nullcontext()


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (LadderVAE(2, n_layers=3), "n_layers=3, but there are 2 latents"),
        (LadderVAE(n_layers=0), "n_layers"),
        (LadderVAE(network=Ladder((0, 1))), "from the smallest scale on"),
        (LadderVAE(network=Ladder((1,), dropout=1.0)), "dropout at least 0 and below 1"),
        (LadderVAE(4, network=Ladder((1,))), "latent_dim=4, but Ladder passes on"),
        (VAE(network=Ladder((1,))), "a Ladder has no place for the code of this model"),
        (Autoencoder(network=Ladder((1,))), "a Ladder has no place for the code of this model"),
    ],
)
def test_what_does_not_fit_is_refused(model, message):
    with pytest.raises(ParameterError, match=message), overcomplete(model):
        model.fit(PICTURES[..., 0])


def test_a_ladder_prior_needs_a_ladder():
    with pytest.raises(ParameterError, match="use it with the bottleneck LadderGaussian"):
        compose_linear(TABLE, 2, GaussianLikelihood(), prior=LadderPrior())
    with pytest.raises(ParameterError, match="a Ladder needs pictures"):
        LadderVAE(network=Ladder((1,))).fit(TABLE)
