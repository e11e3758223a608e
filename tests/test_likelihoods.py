"""Every likelihood, in the data's own units, against SciPy."""

from typing import Any

import numpy as np
import pytest
import torch
from helpers import CASES, N_LEVELS, compose_linear, fitted, named, real
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import integrate, special, stats
from torch.func import functional_call

from isthmus.core import named_parts
from isthmus.data.info import describe_data
from isthmus.errors import DataError, ParameterError
from isthmus.likelihoods import (
    GaussianLikelihood,
    LaplaceLikelihood,
    Likelihood,
)

SHAPES = [(3,), (1,), (2, 3), (2, 2, 3)]
LEADS = [(), (4,), (2, 3), (2, 1, 3)]

NAMES = pytest.mark.parametrize("name", CASES)
CONTINUOUS = pytest.mark.parametrize("name", [name for name, case in CASES.items() if case.continuous])


def set_up(name: str, shape: tuple[int, ...]) -> tuple[Likelihood, np.ndarray]:
    """Likelihood with parameters that differ between values, and the data it was set up on."""
    X = CASES[name].training_data(shape)
    likelihood = fitted(named(name), X)
    with torch.no_grad():
        for parameter in likelihood.parameters():
            parameter += 0.05 * torch.linspace(-1, 1, parameter.numel()).reshape(parameter.shape)
    return likelihood, X


def outputs(likelihood: Likelihood, shape: tuple[int, ...], seed: int = 0) -> np.ndarray:
    """Decoder outputs on a grid that float32 holds exactly."""
    y = np.random.default_rng(seed).normal(size=(*shape, likelihood.n_outputs))
    return np.round(64 * y) / 64


def log_density(reference: Any, x: np.ndarray, n_event: int) -> np.ndarray:
    values = reference.logpdf(x) if hasattr(reference, "logpdf") else reference.logpmf(x)
    return values.sum(tuple(range(-n_event, 0)))


def as_tensor(y: np.ndarray) -> torch.Tensor:
    return torch.tensor(y, dtype=torch.float32)


def test_every_name_has_a_reference_here():
    names = {name for name, (kind, _) in named_parts(Likelihood).items() if kind.__module__.startswith("isthmus.")}
    assert names == set(CASES), "add a SciPy reference to CASES for each new likelihood"


@NAMES
@settings(max_examples=25, deadline=None, derandomize=True, phases=(Phase.generate, Phase.shrink))
@given(data=st.data())
def test_log_prob_and_mean_are_scipys(name, data):
    shape, lead = data.draw(st.sampled_from(SHAPES)), data.draw(st.sampled_from(LEADS))
    likelihood, X = set_up(name, shape)
    grid = st.integers(-320, 320).map(lambda i: i / 64)
    y = data.draw(hnp.arrays(np.float64, (*lead, *shape, likelihood.n_outputs), elements=grid))
    x = data.draw(hnp.arrays(np.float64, (*lead, *shape), elements=CASES[name].elements))
    p = likelihood(as_tensor(y))
    reference = CASES[name].reference(likelihood, X, y)
    found = p.log_prob(torch.tensor(x)).detach()
    assert found.shape == lead
    np.testing.assert_allclose(found, log_density(reference, x, len(shape)), rtol=2e-5, atol=2e-4)
    np.testing.assert_allclose(p.mean.detach(), reference.mean(), rtol=1e-4, atol=1e-4)


@NAMES
@pytest.mark.parametrize("shape", [(3,), (2, 2, 3)])
def test_samples_have_the_moments_of_the_distribution_and_of_scipy(name, shape):
    n = 4000
    likelihood, X = set_up(name, shape)
    y = outputs(likelihood, (2, *shape))
    p = likelihood(as_tensor(y))
    reference = CASES[name].reference(likelihood, X, y)
    torch.manual_seed(0)
    samples = p.sample(torch.Size([n])).double()
    assert samples.shape == (n, 2, *shape)
    mean, variance = p.mean.detach().double(), p.variance.detach().double()
    np.testing.assert_allclose(mean, reference.mean(), rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(variance, reference.var(), rtol=2e-4, atol=1e-5)
    error = (variance / n).sqrt()
    assert ((samples.mean(0) - mean).abs() < 4.5 * error).all()
    squares = (samples - mean) ** 2
    assert ((squares.mean(0) - variance).abs() < 5 * squares.std(0) / n**0.5 + 1e-3 * variance).all()


@NAMES
@pytest.mark.parametrize("shape", [(3,), (2, 3)])
def test_many_draws_of_a_code_meet_the_same_row(name, shape):
    likelihood, X = set_up(name, shape)
    y, x = as_tensor(outputs(likelihood, (3, 5, *shape))), torch.tensor(X[:5])
    together = likelihood(y).log_prob(x)
    apart = torch.stack([likelihood(draw).log_prob(x) for draw in y])
    torch.testing.assert_close(together, apart)


def log_prob_in_a_model(name: str, X: np.ndarray) -> np.ndarray:
    """Log p(x|z) of the rows at one and the same code, under a model that is given them in their own dtype."""
    torch.manual_seed(0)
    module = compose_linear(X, 2, named(name))
    return module.log_prob(torch.tensor(X), torch.ones(len(X), 2)).detach().double().numpy()


@NAMES
@pytest.mark.parametrize("dtype", ["bool", "uint8", "int32", "int64", "float32"])
def test_the_dtype_of_the_data_does_not_matter_to_a_model(name, dtype):
    X = (np.random.default_rng(0).random((20, 3)) < 0.5).astype(dtype)
    expected = log_prob_in_a_model(name, X.astype(np.float64))
    np.testing.assert_allclose(log_prob_in_a_model(name, X), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", ["poisson", "negative_binomial", "categorical"])
@pytest.mark.parametrize("dtype", ["uint8", "int32", "int64", "float32"])
def test_the_largest_byte_is_a_count_like_any_other(name, dtype):
    X = np.array([[0, 255], [255, 254]], dtype=dtype)
    expected = log_prob_in_a_model(name, X.astype(np.float64))
    np.testing.assert_allclose(log_prob_in_a_model(name, X), expected, rtol=1e-5, atol=1e-3)


@pytest.mark.parametrize("count", [10_000, 100_000, 1_000_000])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", ["poisson", "negative_binomial"])
def test_large_counts_keep_precision(name, dtype, count):
    X = np.full((2, 1), count, dtype=dtype)
    p = fitted(named(name), X)(torch.zeros(2, 1, 1))
    mean = p.mean.detach().double().numpy()
    # The negative binomial starts with a dispersion of one.
    reference: Any = stats.poisson(mean) if name == "poisson" else stats.nbinom(1.0, 1 / (1 + mean))
    np.testing.assert_allclose(p.log_prob(torch.tensor(X)).detach(), reference.logpmf(X)[:, 0], atol=1e-3)


@CONTINUOUS
@pytest.mark.parametrize("y", [-2.0, 0.0, 0.5, 30.0])
def test_densities_integrate_to_one(name, y):
    likelihood, _ = set_up(name, (1,))
    p = likelihood(torch.full((1, 1, 1), y))
    mean, std = p.mean.item(), p.variance.sqrt().item()
    low, high = (0.0, 1.0) if name == "continuous_bernoulli" else (mean - 40 * std, mean + 40 * std)

    def density(x: float) -> float:
        return p.log_prob(torch.tensor([[x]], dtype=torch.float64)).exp().item()

    inner = [q for q in (mean - std, mean, mean + std) if low < q < high]
    assert integrate.quad(density, low, high, points=inner, epsabs=1e-5)[0] == pytest.approx(1, abs=2e-4)


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if not case.continuous])
@pytest.mark.parametrize("y", [-2.0, 0.0, 3.0])
def test_probabilities_sum_to_one(name, y):
    likelihood, _ = set_up(name, (1,))
    highest = {"bernoulli": 1, "categorical": N_LEVELS - 1}.get(name, 2000)
    values = torch.arange(highest + 1, dtype=torch.float64).reshape(-1, 1)
    p = likelihood(y * torch.linspace(0.5, 1, likelihood.n_outputs).reshape(1, 1, -1))
    assert p.log_prob(values).exp().sum().item() == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("logit", [1e-3, 4.1e-3, 0.01, 0.1, 5.0, 16.0, 20.0, 60.0])
@pytest.mark.parametrize("sign", [-1, 1])
def test_continuous_bernoulli_is_exact_at_every_logit(logit, sign):
    # Near 0 and far out the normaliser cancels or saturates if it is written with probabilities.
    t = sign * np.float64(np.float32(logit))
    p = fitted(named("continuous_bernoulli"), np.array([[0.0], [1.0]]))(torch.full((1, 1, 1), t))
    x = np.array([0.0, 0.3, 1.0])
    normaliser = np.log(t / np.expm1(t))
    np.testing.assert_allclose(p.log_prob(as_tensor(x).reshape(3, 1)), t * x + normaliser, rtol=1e-5, atol=2e-6)
    # The mean is 1 / (1 − exp(−t)) − 1 / t, or near 0 its series, which float64 needs below about 0.01.
    mean = 0.5 + t / 12 - t**3 / 720 if abs(t) < 0.05 else -1 / np.expm1(-t) - 1 / t
    variance = 1 / 12 - t**2 / 240 if abs(t) < 0.05 else 1 / t**2 - 0.25 / np.sinh(t / 2) ** 2
    assert p.mean.item() == pytest.approx(mean, abs=1e-5)
    assert p.variance.item() == pytest.approx(variance, rel=1e-2)


@pytest.mark.parametrize("name", [name for name in CASES if CASES[name].train is real and name not in ("l2", "l1")])
@pytest.mark.parametrize("kind", ["standard", "common"])
@pytest.mark.parametrize("factor", [1e-3, 10.0, 1e4])
def test_a_change_of_units_shifts_the_log_density_by_its_jacobian(name, kind, factor):
    X = np.random.default_rng(0).normal(size=(40, 2, 3))
    y = as_tensor(np.random.default_rng(1).normal(size=(40, 2, 3, 1)))
    here = fitted(named(name), X, kind)(y).log_prob(torch.tensor(X))
    there = fitted(named(name), factor * X, kind)(y).log_prob(torch.tensor(factor * X))
    torch.testing.assert_close(there, here - 6 * np.log(factor), rtol=1e-5, atol=2e-4)


@pytest.mark.parametrize("name", [name for name in CASES if CASES[name].train is real])
def test_large_offsets_keep_precision_in_float64(name):
    X = 1e9 + np.random.default_rng(0).normal(size=(50, 3))
    likelihood = fitted(named(name), X)
    y = outputs(likelihood, (50, 3), seed=1)
    p = likelihood(as_tensor(y))
    expected = log_density(CASES[name].reference(likelihood, X, y), X, 1)
    np.testing.assert_allclose(p.log_prob(torch.tensor(X)).detach(), expected, rtol=1e-5, atol=1e-4)
    assert p.mean.dtype == torch.float64
    np.testing.assert_allclose(p.mean.numpy() - 1e9, X.mean(0) - 1e9 + X.std(0) * y[..., 0], atol=1e-5)


@pytest.mark.parametrize("scale", [0.1, 1.0, 2.5])
def test_a_fixed_gaussian_is_the_squared_loss_up_to_a_constant(scale):
    rng = np.random.default_rng(0)
    X, m = rng.normal(size=(2, 30, 4, 5))
    likelihood = fitted(GaussianLikelihood(scale=scale), X, "none")
    nll = -likelihood(as_tensor(m)[..., None]).log_prob(as_tensor(X))
    loss = 0.5 * ((X - m) ** 2).sum((1, 2)) / scale**2
    constant = 20 * (np.log(scale) + 0.5 * np.log(2 * np.pi))
    np.testing.assert_allclose(nll.numpy() - constant, loss, rtol=2e-6, atol=2e-5)
    assert not list(likelihood.parameters())


def test_a_fixed_laplace_is_the_absolute_loss_up_to_a_constant():
    X, m = np.random.default_rng(0).normal(size=(2, 30, 4))
    nll = -fitted(LaplaceLikelihood(scale=0.5), X, "none")(as_tensor(m)[..., None]).log_prob(as_tensor(X))
    np.testing.assert_allclose(nll, np.abs(X - m).sum(1) / 0.5, rtol=1e-5, atol=1e-5)


def test_bernoulli_of_greys_is_the_cross_entropy():
    rng = np.random.default_rng(0)
    X, y = rng.random((20, 3, 4)), rng.normal(size=(20, 3, 4))
    p = special.expit(special.logit(X.mean(0).clip(0.01, 0.99)) + y)
    expected = (X * np.log(p) + (1 - X) * np.log1p(-p)).sum((1, 2))
    found = fitted(named("bernoulli"), X)(as_tensor(y)[..., None]).log_prob(torch.tensor(X))
    np.testing.assert_allclose(found, expected, rtol=1e-5)


class TestScale:
    X = real(np.random.default_rng(0), (200, 4))

    def test_learned_scales_start_at_the_spread_of_the_data(self):
        for family in (GaussianLikelihood, LaplaceLikelihood):
            one = fitted(family(), self.X, "none")
            each = fitted(family("per_feature"), self.X, "none")
            assert one.spread.shape == ()
            assert one.spread.item() == pytest.approx(np.sqrt(self.X.var(0).mean()), rel=0.01)
            # Plus the floor, which is a share of the overall spread and so weighs more in narrow columns.
            floor = 3e-3 * np.sqrt(self.X.var(0).mean())
            np.testing.assert_allclose(each.spread.detach(), self.X.std(0) + floor, rtol=1e-4)

    def test_learned_scales_get_gradients_and_fixed_ones_are_no_parameters(self):
        kinds: list[tuple[Any, int]] = [("learned", 1), ("per_feature", 4), (2.0, 0)]
        for scale, n in kinds:
            likelihood = fitted(GaussianLikelihood(scale), self.X)
            assert sum(p.numel() for p in likelihood.parameters()) == n
            if n:
                likelihood(torch.zeros(200, 4, 1)).log_prob(torch.tensor(self.X)).sum().backward()
                assert all(p.grad is not None and (p.grad != 0).all() for p in likelihood.parameters())

    def test_the_scale_that_is_set_is_the_scale_that_is_used(self):
        likelihood = fitted(GaussianLikelihood(), self.X)
        likelihood.set_spread(0.25)
        assert likelihood(torch.zeros(4, 1)).stddev[0].item() == pytest.approx(0.25 * self.X[:, 0].std(), rel=1e-5)
        likelihood.set_spread(0.0)
        assert 0 < likelihood.spread.item() < 4e-3

    def test_a_constant_column_has_a_density(self):
        X = self.X.copy()
        X[:, 1] = 7.0
        for scale in ("learned", "per_feature"):
            log_p = fitted(GaussianLikelihood(scale), X)(torch.zeros(200, 4, 1)).log_prob(torch.tensor(X))
            assert log_p.isfinite().all()

    @pytest.mark.parametrize("scale", [0, -1.0, float("inf"), float("nan"), "wide"])
    def test_impossible_scales_are_refused(self, scale: Any):
        with pytest.raises(ParameterError, match="scale"):
            fitted(GaussianLikelihood(scale), self.X)


class TestCategorical:
    def one_hot(self, n: int = 12, k: int = 4) -> np.ndarray:
        return np.eye(k)[np.arange(n) % k]

    def test_one_hot_rows_are_scipys_multinomial_of_one_draw(self):
        X = self.one_hot()
        y = np.random.default_rng(0).normal(size=(3, 12, 4))
        p = fitted(named("categorical"), X)(as_tensor(y)[..., None])
        probabilities = special.softmax(y, -1)
        expected = stats.multinomial(1, probabilities).logpmf(X)
        np.testing.assert_allclose(p.log_prob(torch.tensor(X)), expected, rtol=1e-5)
        np.testing.assert_allclose(p.mean, probabilities, rtol=1e-5)
        np.testing.assert_allclose(p.variance, probabilities * (1 - probabilities), rtol=1e-4)

    def test_samples_of_one_hot_rows_are_one_hot(self):
        samples = fitted(named("categorical"), self.one_hot())(torch.zeros(5, 4, 1)).sample(torch.Size([400]))
        assert samples.shape == (400, 5, 4)
        assert describe_data(samples.reshape(-1, 4).numpy()).one_hot
        assert samples.mean((0, 1)).sub(0.25).abs().max() < 0.05

    @pytest.mark.parametrize("rows", [np.zeros((2, 4)), np.ones((2, 4)), 2 * np.eye(4), np.full((2, 4), 0.25)])
    def test_a_model_of_one_hot_rows_refuses_others(self, rows):
        likelihood = fitted(named("categorical"), self.one_hot())
        with pytest.raises(DataError, match="one-hot"):
            likelihood.check(describe_data(rows))

    def test_levels_that_happen_to_be_one_hot_are_levels_to_a_model_of_levels(self):
        likelihood = fitted(named("categorical"), np.array([[0, 0, 1], [1, 1, 0]]))
        likelihood.check(describe_data(np.eye(3)))
        assert likelihood.n_outputs == 2

    def test_levels_beyond_those_of_the_fit_are_refused(self):
        likelihood = fitted(named("categorical"), np.array([[0, 3], [1, 2]]))
        with pytest.raises(DataError, match=r"levels 0 to 3.*reach 5.*every level"):
            likelihood.check(describe_data(np.array([[0, 5]])))

    def test_grey_levels_of_a_byte(self):
        X = np.arange(256, dtype=np.uint8).reshape(16, 4, 4)
        likelihood = fitted(named("categorical"), X)
        assert likelihood.n_outputs == 256
        log_p = likelihood(torch.zeros(16, 4, 4, 256)).log_prob(torch.tensor(X))
        np.testing.assert_allclose(log_p, -16 * np.log(256), rtol=1e-6)


@pytest.mark.parametrize(
    ("name", "X", "message"),
    [
        (
            "bernoulli",
            np.array([[0, 255]], np.uint8),
            r"\(uint8\) range from 0 to 255; divide by 255.*'gaussian'",
        ),
        ("bernoulli", np.array([[-0.5, 1.0]]), r"\(float64\) range from -0\.5 to 1; rescale.*'gaussian'"),
        ("continuous_bernoulli", np.array([[0.0, 2.5]]), r"continuous_bernoulli.*from 0 to 2\.5.*'gaussian'"),
        ("poisson", np.array([[0.5, 3.0]]), r"poisson.*fractions from 0\.5 to 3; use likelihood='gaussian'"),
        (
            "negative_binomial",
            np.array([[-2, 7]]),
            r"negative_binomial.*from -2 to 7; use likelihood='gaussian'",
        ),
        (
            "categorical",
            np.array([[0.5, 1.0]]),
            r"categorical.*fractions from 0\.5 to 1; use likelihood='gaussian'",
        ),
        ("categorical", np.array([[0, 256]]), r"0 to 255, and the data reach 256; use likelihood='poisson'"),
    ],
)
def test_data_outside_the_support_are_refused_with_their_range_and_an_alternative(name, X, message):
    with pytest.raises(DataError, match=message) as caught:
        fitted(named(name), X)
    assert "\n" not in str(caught.value)


@NAMES
def test_gradients_are_those_of_the_function(name):
    likelihood, X = set_up(name, (3,))
    likelihood = likelihood.double()
    y = torch.tensor(outputs(likelihood, (4, 3)), requires_grad=True)
    names = [key for key, _ in likelihood.named_parameters()]
    values = [value.detach().clone().requires_grad_() for value in likelihood.parameters()]

    def log_prob(y: torch.Tensor, *values: torch.Tensor) -> torch.Tensor:
        return functional_call(likelihood, dict(zip(names, values, strict=True)), (y,)).log_prob(torch.tensor(X[:4]))

    assert torch.autograd.gradcheck(log_prob, (y, *values))
