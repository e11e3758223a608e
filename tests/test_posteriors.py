"""Posteriors other than the Gaussian: against SciPy, quadrature, changes of variables; in every pair with a prior."""

import builtins
import math
import pickle
from functools import cache

import numpy as np
import pytest
import torch
from scipy import stats
from sklearn.datasets import load_digits
from torch.autograd.functional import jacobian

import isthmus
from isthmus import VAE, MissingExtraError, ParameterError, Trainer
from isthmus.bottlenecks import (
    Bottleneck,
    DiagonalGaussian,
    Hyperspherical,
    InverseAutoregressive,
    NeuralSpline,
    StudentT,
    TopK,
)
from isthmus.core import named_parts
from isthmus.evaluate.bounds import common_noise, divergence
from isthmus.models.variational import choose_latents
from isthmus.priors import MixturePrior, Prior, StandardNormal, UniformSphere, VampPrior
from isthmus.terms import kl_closed

X = load_digits().images[:120]
FAMILIES = ["gaussian", "iaf", "nsf", "hyperspherical", "student_t"]
PAIRS = [
    (family, prior)
    for family in FAMILIES
    for prior in ("normal", "vamp", "mixture", "flow", "student_t")
    if family != "hyperspherical" or prior in ("normal", "vamp")
]
every_pair = pytest.mark.parametrize(("family", "prior"), PAIRS, ids=["-".join(pair) for pair in PAIRS])
pytestmark = pytest.mark.filterwarnings("ignore::isthmus.CollapseWarning")


def set_up(bottleneck, latent_dim, seed=0):
    torch.manual_seed(seed)
    bottleneck.setup(latent_dim)
    with torch.no_grad():
        for parameter in bottleneck.parameters():
            # The flows start near the identity, where a wrong sign of a determinant would hardly show.
            parameter.mul_(3)
    return bottleneck.eval()


def features(bottleneck, n):
    return torch.randn(n, bottleneck.n_features)


@cache
def fitted(family="gaussian", prior="normal"):
    return VAE(2, posterior_family=family, prior=prior, max_epochs=2, random_state=0).fit(X)


# ------------------------------------------------------------------ laws of every pair


@every_pair
def test_every_parameter_of_a_pair_receives_a_gradient(family, prior):
    module = VAE(2, posterior_family=family, prior=prior, max_epochs=1, random_state=0).fit(X).module_
    module.train()
    module.loss(module(torch.tensor(X[:64]))).backward()
    silent = [name for name, p in module.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
    assert silent == []


@every_pair
def test_a_pair_is_deterministic_row_by_row_and_survives_saving(family, prior, tmp_path):
    model = fitted(family, prior)
    model.save(tmp_path / "run")
    again = isthmus.load(tmp_path / "run")
    for method in ("transform", "reconstruct", "score_samples"):
        whole = getattr(model, method)(X)
        np.testing.assert_array_equal(whole, getattr(model, method)(X))
        np.testing.assert_array_equal(whole, getattr(again, method)(X))
        rows = np.concatenate([getattr(model, method)(X[i : i + 1]) for i in range(3)])
        np.testing.assert_allclose(whole[:3], rows, rtol=1e-4, atol=1e-4 * np.abs(whole).max())
    np.testing.assert_array_equal(model.sample(3, random_state=0), again.sample(3, random_state=0))
    np.testing.assert_array_equal(
        model.posterior(X).sample(2, random_state=0), again.posterior(X).sample(2, random_state=0)
    )


@every_pair
def test_a_pair_can_be_pickled(family, prior):
    model = fitted(family, prior)
    scores = model.score_samples(X[:5])
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(model)).score_samples(X[:5]), scores)


@every_pair
def test_more_samples_tighten_the_bound_of_a_pair(family, prior):
    model = fitted(family, prior)
    means = [model.log_likelihood(X, n_samples=k).mean() for k in (1, 10, 100)]
    assert model.score(X) <= means[-1] + 1e-3
    assert means[0] <= means[1] + 0.3
    assert means[1] <= means[2] + 0.3
    # One sample is an unbiased estimate of what the score has a mean or a closed form of.
    assert means[0] == pytest.approx(model.score(X), abs=1.0)


@every_pair
def test_the_same_seed_gives_the_same_pair(family, prior):
    again = VAE(2, posterior_family=family, prior=prior, max_epochs=2, random_state=0).fit(X)
    np.testing.assert_array_equal(fitted(family, prior).transform(X), again.transform(X))


@pytest.mark.parametrize("family", FAMILIES)
def test_moments_of_the_posterior_are_those_of_its_draws(family):
    posterior = fitted(family).posterior(X[:20])
    drawn = posterior.sample(4000, random_state=0)
    assert drawn.shape == (4000, 20, 2)
    mean = drawn.mean(0)
    if family == "hyperspherical":  # the mean direction
        mean /= np.linalg.norm(mean, axis=-1, keepdims=True)
    np.testing.assert_allclose(mean, posterior.mean, atol=0.08)
    np.testing.assert_allclose(drawn.std(0), posterior.std, rtol=0.12, atol=0.01)
    np.testing.assert_allclose(posterior.mean, fitted(family).transform(X[:20]), atol=1e-5)


def test_the_divergence_is_evaluated_whatever_the_pair():
    for family, prior in (("iaf", "normal"), ("hyperspherical", "vamp")):
        metrics = fitted(family, prior).evaluate(X)
        assert metrics["elbo"] < -metrics["kl"] < 0


def test_a_default_model_is_what_it_was():
    parts = choose_latents("gaussian", "normal")
    assert type(parts["bottleneck"]) is DiagonalGaussian
    assert type(parts["prior"]) is StandardNormal
    assert VAE().recipe()["bottleneck"].config() == {}


# ------------------------------------------------------------------ choice


def test_parts_may_be_given_and_are_saved_with_their_arguments(tmp_path):
    family = NeuralSpline(n_transforms=1, hidden=(8,), n_context=3, n_bins=4)
    model = VAE(2, posterior_family=family, prior=MixturePrior(5), max_epochs=1, random_state=0).fit(X)
    model.save(tmp_path / "run")
    again = isthmus.load(tmp_path / "run")
    assert repr(again.posterior_family) == repr(family)
    assert repr(again.prior) == "MixturePrior(n_components=5)"
    np.testing.assert_array_equal(model.transform(X), again.transform(X))
    # The parts of two models are not the same.
    assert model.module_.bottleneck is not family


def test_a_sphere_takes_the_uniform_prior_by_itself():
    assert type(choose_latents("hyperspherical", "normal")["prior"]) is UniformSphere
    assert type(choose_latents("hyperspherical", VampPrior(3))["prior"]) is VampPrior


@pytest.mark.parametrize(
    ("family", "prior", "message"),
    [
        ("hyperspherical", "mixture", r"codes of a Hyperspherical lie on a sphere, .* use prior='uniform_sphere'"),
        ("hyperspherical", StandardNormal(), "a StandardNormal has its density in all of space"),
        ("gaussian", "uniform_sphere", r"codes of a DiagonalGaussian lie in all of space.* use prior='normal'"),
        ("gauss", "normal", "unknown posterior 'gauss'; choose from"),
        ("iaf", "standard", "unknown prior 'standard'; choose from"),
        (TopK(), "normal", "a TopK has no distribution"),
    ],
)
def test_pairs_that_do_not_go_together(family, prior, message):
    with pytest.raises(ParameterError, match=message):
        VAE(2, posterior_family=family, prior=prior, max_epochs=1).fit(X)


def test_a_prior_without_density_is_refused():
    class Unknown(StandardNormal):
        has_density = False

    with pytest.raises(ParameterError, match="Unknown has no density"):
        VAE(2, prior=Unknown(), max_epochs=1).fit(X)


def test_without_zuko_flows_say_what_to_install(monkeypatch):
    real = builtins.__import__

    def fake(name, *args, **kwargs):
        if name.startswith("zuko"):
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", fake)
    with pytest.raises(MissingExtraError, match=r"isthmus\[flows\]"):
        VAE(2, posterior_family="iaf", max_epochs=1).fit(X)


@pytest.mark.parametrize(
    ("bottleneck", "message"),
    [
        (InverseAutoregressive(n_transforms=0), "n_transforms must be from 1"),
        (InverseAutoregressive(hidden=()), "the number of hidden layers must be from 1"),
        (InverseAutoregressive(hidden=(0,)), "the width of a hidden layer"),
        (InverseAutoregressive(n_context=-1), "n_context"),
        (NeuralSpline(n_bins=1), "n_bins must be from 2"),
        (StudentT(dof=2.0), "dof=2 leaves no variance"),
        (StudentT(dof="many"), "or 'learned', got 'many'"),
    ],
)
def test_arguments_out_of_range(bottleneck, message):
    with pytest.raises(ParameterError, match=message):
        bottleneck.setup(2)


def test_widths_that_cannot_be():
    with pytest.raises(ParameterError, match="latent_dim of at least 2"):
        Hyperspherical().setup(1)
    with pytest.raises(ParameterError, match="latent_dim=513 is too wide"):
        InverseAutoregressive().setup(513)


def test_a_flow_is_not_compiled_and_trains_all_the_same():
    options = {"validation_fraction": 0, "batch_size": 60}
    plain, asked = (
        VAE(
            2,
            posterior_family="iaf",
            network="linear",
            max_epochs=1,
            random_state=0,
            trainer=Trainer(compile=c, **options),
        ).fit(X)
        for c in (False, True)
    )
    assert "cannot be compiled" in asked.choices_["compile"].reason
    np.testing.assert_array_equal(plain.transform(X), asked.transform(X))


# ------------------------------------------------------------------ densities

UNCONDITIONAL = [InverseAutoregressive, NeuralSpline, StudentT]


@pytest.mark.parametrize("make", UNCONDITIONAL, ids=lambda cls: cls.__name__)
def test_a_density_integrates_to_one(make):
    bottleneck = set_up(make(), 2)
    with torch.no_grad():
        q = bottleneck.posterior(features(bottleneck, 1))
        drawn = q.from_noise(torch.randn(4000, 1, bottleneck.noise_dim))[:, 0]
    # A grid around the draws; a tail of Student's t is left out.
    middle, reach = drawn.mean(0), 8 * drawn.std(0)
    axes = [torch.linspace(float(m - r), float(m + r), 201) for m, r in zip(middle, reach, strict=True)]
    grid = torch.cartesian_prod(*axes)
    cell = math.prod(float(axis[1] - axis[0]) for axis in axes)
    with torch.no_grad():
        total = q.log_prob(grid[:, None]).double().exp().sum() * cell
    assert float(total) == pytest.approx(1, abs=1e-2)


@pytest.mark.parametrize("make", [InverseAutoregressive, NeuralSpline])
@pytest.mark.parametrize("latent_dim", [1, 4])
def test_a_flow_changes_variables(make, latent_dim):
    """log q(z) = log N(ε) − log |det dz/dε|, at draws, and at the same points found by inverting the flow."""
    bottleneck = set_up(make(), latent_dim)
    q = bottleneck.posterior(features(bottleneck, 3))
    noise = torch.randn(2, 3, latent_dim)
    slopes = jacobian(lambda e: q.from_noise(e).sum((0, 1)), noise)  # (latent_dim, 2, 3, latent_dim)
    expected = stats.norm.logpdf(noise).sum(-1) - torch.linalg.slogdet(slopes.permute(1, 2, 0, 3))[1].numpy()
    z = q.from_noise(noise)
    np.testing.assert_allclose(q.log_prob(z).detach(), expected, atol=2e-4)
    np.testing.assert_allclose(q.log_prob(z.clone()).detach(), expected, atol=2e-3)


@pytest.mark.parametrize("family", FAMILIES[1:])
def test_draws_are_made_of_noise_row_by_row(family):
    bottleneck = set_up(named_parts(Bottleneck)[family][0](), 3)
    h = features(bottleneck, 5)
    noise = torch.randn(4, 5, bottleneck.noise_dim)
    z = bottleneck.posterior(h).from_noise(noise)
    assert z.shape == (4, 5, 3)
    torch.testing.assert_close(bottleneck.posterior(h).from_noise(noise), z)
    alone = bottleneck.posterior(h[2:3]).from_noise(noise[:, 2:3])
    torch.testing.assert_close(alone[:, 0], z[:, 2], rtol=1e-4, atol=1e-5)
    shared = bottleneck.posterior(h).from_noise(noise[:, :1])
    torch.testing.assert_close(shared[:, 0], z[:, 0], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("dof", [2.5, 5.0, 1e5])
def test_draws_of_student_t_have_its_distribution(dof):
    bottleneck = set_up(StudentT(dof), 1)
    h = features(bottleneck, 1).double()
    q = bottleneck.posterior(h)
    drawn = q.from_noise(torch.randn(20_000, 1, 2, dtype=torch.float64))[:, 0, 0].numpy()
    reference = stats.t(dof, float(q.loc), float(q.scale))
    assert stats.kstest(drawn, reference.cdf).pvalue > 1e-3
    np.testing.assert_allclose(q.log_prob(torch.tensor(drawn[:9])[:, None, None])[:, 0], reference.logpdf(drawn[:9]))
    assert float(q.stddev) == pytest.approx(reference.std(), rel=1e-6)


def test_opposite_noise_gives_opposite_tails():
    q = set_up(StudentT(3.0), 2).posterior(torch.zeros(1, 4))
    noise = common_noise(8, 4)
    torch.testing.assert_close(q.from_noise(noise)[:4], -q.from_noise(noise)[4:])


def test_codes_lie_on_the_sphere():
    model = fitted("hyperspherical")
    drawn = model.posterior(X[:9]).sample(5, random_state=0)
    for codes in (model.transform(X), drawn):
        np.testing.assert_allclose(np.linalg.norm(codes, axis=-1), 1, atol=1e-5)


# ------------------------------------------------------------------ what a flow is for


def test_a_flow_fits_a_posterior_that_no_gaussian_fits():
    """KL from a ring-shaped density: a flow comes closer than the best Gaussian of the same training."""

    def log_ring(z):
        return -0.5 * ((z.norm(dim=-1) - 2) / 0.2).square()

    reached = {}
    small = {"n_transforms": 2, "hidden": (16,), "n_context": 0}
    for make, options in ((DiagonalGaussian, {}), (InverseAutoregressive, small), (NeuralSpline, small)):
        torch.manual_seed(0)
        bottleneck = make(**options)
        bottleneck.setup(2)
        bottleneck.train()
        h = torch.nn.Parameter(torch.zeros(1, bottleneck.n_features))
        optimizer = torch.optim.Adam([h, *bottleneck.parameters()], lr=2e-2)
        for _ in range(60):
            code = bottleneck(h.expand(64, -1))
            cost = (code.q.log_prob(code.z) - log_ring(code.z)).mean()
            optimizer.zero_grad()
            cost.backward()
            optimizer.step()
        with torch.no_grad():
            code = bottleneck(h.expand(4000, -1))
            reached[make] = float((code.q.log_prob(code.z) - log_ring(code.z)).mean())
    assert reached[InverseAutoregressive] < reached[DiagonalGaussian] - 0.1
    assert reached[NeuralSpline] < reached[DiagonalGaussian] - 0.1


def test_the_divergence_of_rows_is_that_of_the_bound():
    module = fitted("hyperspherical").module_
    noise = common_noise(32, module.bottleneck.noise_dim)
    with torch.no_grad():
        found = divergence(module, torch.tensor(X[:5]), noise)
        code = module.encode(torch.tensor(X[:5]))
    assert code.q is not None
    torch.testing.assert_close(found.float(), kl_closed(code.q, module.prior()), rtol=1e-4, atol=1e-5)


def test_every_name_stands_for_a_part():
    assert {*FAMILIES} <= named_parts(Bottleneck).keys()
    assert {"normal", "vamp", "mixture", "flow", "student_t", "uniform_sphere"} <= named_parts(Prior).keys()
