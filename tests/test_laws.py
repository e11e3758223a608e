"""What must hold for every registered variant; a new one joins by being registered."""

from itertools import pairwise
from typing import cast

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.datasets import load_digits, load_iris

import isthmus
from isthmus import VAE, Autoencoder, CollapseWarning, OvercompleteWarning, Trainer
from isthmus.terms import Term

MODELS = list(isthmus.models().values())
PICTURES = load_digits().images[:200]
TABLE = load_iris().data
DATA = {"pictures": PICTURES, "table": TABLE}

every_model = pytest.mark.parametrize("cls", MODELS, ids=lambda cls: cls.name)
every_data = pytest.mark.parametrize("X", DATA.values(), ids=DATA)


def fitted(cls, X, **params):
    params = {"latent_dim": 2, "max_epochs": 2, "random_state": 0, **params}
    return cls(**params).fit(X)


@every_model
@every_data
def test_every_parameter_receives_a_gradient(cls, X):
    module = fitted(cls, X).module_
    module.train()
    module.loss(module(torch.tensor(X[:64]))).backward()
    silent = [name for name, p in module.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
    assert silent == []


@every_model
@every_data
def test_costs_are_per_sample_whatever_the_rest_of_the_batch(cls, X):
    module = fitted(cls, X).module_
    x = torch.tensor(X[:16]).float()
    torch.manual_seed(0)
    corrupted, mask = module.corruption(x)
    target = module.corruption.target(x, mask)
    together = module.costs(module.complete(x, corrupted, mask, target))
    for cost in together.values():
        assert cost.shape == (16,)
    for i in (0, 7):
        row = slice(i, i + 1)
        hidden = None if mask is None else mask[row]
        alone = module.costs(module.complete(x[row], corrupted[row], hidden, target[row]))
        for name, cost in alone.items():
            if cast(Term, module.terms[name]).of_batch:
                continue
            torch.testing.assert_close(cost[0], together[name][i], rtol=1e-4, atol=1e-4)


@every_model
@every_data
def test_the_same_seed_gives_the_same_bits(cls, X):
    first = fitted(cls, X)
    again = clone(first).fit(X)
    np.testing.assert_array_equal(first.transform(X), again.transform(X))
    np.testing.assert_array_equal(first.score_samples(X), again.score_samples(X))
    np.testing.assert_array_equal(first.sample(5, random_state=1), again.sample(5, random_state=1))
    other = clone(first).set_params(random_state=1).fit(X)
    if cls.name != "linear":  # the closed form needs no luck
        assert not np.array_equal(first.transform(X), other.transform(X))


@every_model
@every_data
def test_using_a_model_is_deterministic_and_row_by_row(cls, X):
    model = fitted(cls, X)
    for method in (model.transform, model.reconstruct, model.score_samples):
        whole = method(X)
        np.testing.assert_array_equal(whole, method(X))
        rows = np.concatenate([method(X[i : i + 1]) for i in range(5)])
        np.testing.assert_allclose(whole[:5], rows, rtol=1e-4, atol=1e-4 * np.abs(whole).max())


def test_a_row_has_the_same_bits_wherever_it_sits():
    for model, X in ((fitted(VAE, PICTURES), PICTURES), (fitted(Autoencoder, TABLE), TABLE)):
        whole = model.transform(X)
        order = np.random.default_rng(0).permutation(len(X))
        np.testing.assert_array_equal(model.transform(X[order]), whole[order])
        np.testing.assert_array_equal(model.transform(X[:1]), whole[:1])
        np.testing.assert_array_equal(model.transform(X[:19]), whole[:19])


@every_model
@every_data
def test_shapes_and_units(cls, X):
    model = fitted(cls, X)
    assert model.transform(X).shape == (len(X), 2)
    assert model.reconstruct(X).shape == X.shape
    assert model.inverse_transform(model.transform(X)).shape == X.shape
    assert model.sample(3, random_state=0).shape == (3, *X.shape[1:])
    assert model.score_samples(X).shape == (len(X),)
    assert X.min() - X.std() <= model.reconstruct(X).mean() <= X.max() + X.std()


@every_model
def test_a_change_of_units_shifts_the_score_by_the_jacobian(cls):
    small, large = fitted(cls, PICTURES), fitted(cls, 1000 * PICTURES)
    np.testing.assert_allclose(
        large.reconstruct(1000 * PICTURES), 1000 * small.reconstruct(PICTURES), rtol=1e-3, atol=1
    )
    shift = large.score_samples(1000 * PICTURES) - small.score_samples(PICTURES)
    np.testing.assert_allclose(shift, -64 * np.log(1000), rtol=1e-3)


@every_model
def test_whole_numbers_and_floats_are_the_same_data(cls):
    bytes_ = np.rint(PICTURES * 15).astype(np.uint8)
    floats = np.concatenate([bytes_, np.full((1, 8, 8), 255, np.uint8)]).astype(np.float32)
    model = fitted(cls, np.concatenate([bytes_, np.full((1, 8, 8), 255, np.uint8)]))
    np.testing.assert_allclose(model.transform(bytes_), model.transform(floats[:-1]), rtol=1e-5, atol=1e-5)
    assert model.module_(torch.tensor(bytes_[:4]))["nll"].dtype == torch.float32


@every_model
def test_rows_with_an_image_shape_are_pictures(cls):
    pictures, rows = fitted(cls, PICTURES), fitted(cls, PICTURES.reshape(-1, 64), image_shape=(8, 8))
    np.testing.assert_array_equal(pictures.transform(PICTURES), rows.transform(PICTURES.reshape(-1, 64)))
    np.testing.assert_array_equal(
        pictures.reconstruct(PICTURES).reshape(-1, 64), rows.reconstruct(PICTURES.reshape(-1, 64))
    )
    assert rows.sample(2, random_state=0).shape == (2, 64)


@every_model
def test_fitting_leaves_the_callers_random_numbers_alone(cls):
    torch.manual_seed(5)
    np.random.seed(5)  # noqa: NPY002 (it is the legacy state that must not move)
    before = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    fitted(cls, TABLE).sample(3, random_state=0)
    assert torch.equal(before[0], torch.get_rng_state())
    np.testing.assert_array_equal(before[1], np.random.get_state()[1])  # noqa: NPY002


@every_model
def test_evaluate_has_documented_finite_numbers(cls):
    from isthmus.evaluate.metrics import METRICS

    metrics = fitted(cls, PICTURES).evaluate(PICTURES)
    assert metrics.keys() <= METRICS.keys()
    assert all(type(value) is float and np.isfinite(value) for value in metrics.values())
    errors = (fitted(cls, PICTURES).reconstruct(PICTURES) - PICTURES) ** 2
    assert metrics["mse"] == pytest.approx(errors.mean(), rel=1e-5)


@every_model
def test_wide_code_is_warned_about_unless_something_prevents_the_identity(cls):
    if cls.prevents_identity:
        fitted(cls, TABLE, latent_dim=4)
        return
    with pytest.warns(OvercompleteWarning, match=r"latent_dim=4 is at least as wide as the data \(4 values\)"):
        fitted(cls, TABLE, latent_dim=4)


class TestBound:
    """The bound of the variational autoencoder."""

    vae = VAE(latent_dim=4, max_epochs=15, random_state=0).fit(PICTURES)

    def test_beta_multiplies_exactly_the_divergence(self):
        heavy = fitted(VAE, PICTURES, beta=4.0).module_
        costs = heavy(torch.tensor(PICTURES[:32]))
        expected = costs["nll"].mean() + 4 * costs["kl"].mean()
        torch.testing.assert_close(heavy.loss(costs), expected)

    def test_warm_up_weighs_the_divergence_from_nothing_to_beta(self):
        module = fitted(VAE, PICTURES, beta=2.0, kl_warmup=0.5).module_
        assert [module.weights(progress)["kl"] for progress in (0, 0.25, 0.5, 1)] == [0, 1, 2, 2]

    def test_score_is_a_lower_bound_that_more_samples_tighten(self):
        means = [self.vae.log_likelihood(PICTURES, n_samples=k).mean() for k in (1, 10, 100, 1000)]
        assert self.vae.score(PICTURES) < means[-1]
        assert all(a < b + 0.5 for a, b in pairwise(means))
        assert means[0] == pytest.approx(self.vae.score(PICTURES), abs=1.0)

    def test_estimate_depends_on_its_seed_alone(self):
        first = self.vae.log_likelihood(PICTURES[:20], n_samples=10, random_state=3)
        np.testing.assert_array_equal(first, self.vae.log_likelihood(PICTURES[:20], n_samples=10, random_state=3))
        assert not np.array_equal(first, self.vae.log_likelihood(PICTURES[:20], n_samples=10, random_state=4))

    def test_posterior_has_the_code_as_its_mean(self):
        posterior = self.vae.posterior(PICTURES)
        np.testing.assert_array_equal(posterior.mean, self.vae.transform(PICTURES))
        drawn = posterior.sample(4000, random_state=0)
        assert drawn.shape == (4000, 200, 4)
        np.testing.assert_allclose(drawn.mean(0), posterior.mean, atol=6 * posterior.std.max() / 4000**0.5)
        np.testing.assert_allclose(drawn.std(0), posterior.std, rtol=0.1)

    def test_a_plain_code_has_no_posterior(self):
        plain = fitted(Autoencoder, PICTURES)
        assert not hasattr(plain, "posterior")
        assert not hasattr(plain, "log_likelihood")


def test_learned_scale_keeps_the_latents_alive_where_unit_variance_collapses():
    X = load_digits().images / 16
    alive = VAE(latent_dim=8, max_epochs=30, random_state=0).fit(X)
    assert alive.active_units_ >= 7
    with pytest.warns(CollapseWarning, match="0 of 8 latents"):
        VAE(latent_dim=8, likelihood="l2", max_epochs=80, random_state=0).fit(X)


def test_a_tables_samples_have_the_spread_of_the_data():
    vae = VAE(latent_dim=2, max_epochs=150, random_state=0, trainer=Trainer(learning_rate=5e-3)).fit(TABLE)
    drawn = vae.sample(4000, random_state=0)
    np.testing.assert_allclose(drawn.mean(0), TABLE.mean(0), atol=0.35)
    np.testing.assert_allclose(drawn.std(0), TABLE.std(0), rtol=0.35)
