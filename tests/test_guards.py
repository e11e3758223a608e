"""What is too good to be true is found, and what is true is left alone."""

import warnings
from typing import Any

import numpy as np
import pytest
from scipy import stats
from sklearn.datasets import load_digits
from torch import nn

import isthmus
from isthmus import VAE, Autoencoder, BelowEntropyWarning, DataError, DependentRowsError, ParameterError
from isthmus.core import Part
from isthmus.evaluate.guards import check_rows_independent, entropy_floor, warn_below_entropy
from isthmus.networks import MLP

PICTURES = load_digits().images[:200]
GREYS = PICTURES / 16


class _MeanTaken(nn.Module):
    """The last layer of a decoder that takes the mean of its batch away."""

    def forward(self, x):
        return x - 0.5 * x.mean(0)


class _LeftInTraining(nn.Module):
    """Batch normalisation that goes by its batch for ever."""

    def forward(self, x):
        return (x - x.mean(0)) / (x.std(0, correction=0) + 0.1)


class _Cheat(MLP):
    """A network with a layer at the end of one half that looks at the batch."""

    where, layer = "decoder", _MeanTaken

    def setup(self, **sizes: Any) -> None:
        super().setup(**sizes)
        getattr(self, self.where).append(type(self).layer())


@pytest.fixture
def kinds(monkeypatch):
    """Networks of a test are not registered for the others."""
    monkeypatch.setattr(Part, "kinds", dict(Part.kinds))


@pytest.mark.parametrize("cls", [VAE, Autoencoder])
def test_a_decoder_that_takes_the_mean_of_the_batch_is_found(cls, kinds):
    model = cls(2, network=_Cheat((8,)), max_epochs=1, random_state=0).fit(PICTURES)
    with pytest.raises(DependentRowsError, match="the reconstruction of a row depends on the rows around it"):
        model.evaluate(PICTURES)


def test_statistics_of_the_batch_in_the_encoder_are_found(kinds):
    class _InTheEncoder(_Cheat):
        where, layer = "encoder", _LeftInTraining

    model = Autoencoder(2, network=_InTheEncoder((8,)), max_epochs=1, random_state=0).fit(PICTURES)
    with pytest.raises(DependentRowsError, match="the code of a row depends"):
        model.evaluate(PICTURES)


def test_a_norm_that_is_used_as_it_should_be_is_left_alone():
    model = VAE(2, network=MLP((16,), norm="batch"), max_epochs=2, random_state=0).fit(PICTURES)
    assert np.isfinite(model.evaluate(PICTURES)["elbo"])


@pytest.mark.parametrize("cls", isthmus.models().values(), ids=lambda cls: cls.name)
def test_honest_models_pass(cls):
    model = cls(latent_dim=2, max_epochs=1, random_state=0).fit(PICTURES)
    methods = {"code": model.transform, "reconstruction": model.reconstruct, "score": model.score_samples}
    check_rows_independent(methods, PICTURES[:9])
    check_rows_independent(methods, PICTURES[:1])


class TestIndependence:
    X = np.random.default_rng(0).normal(size=(8, 3))

    @pytest.mark.parametrize(
        "cheat",
        [
            lambda X: X - X.mean(0),
            lambda X: X + np.roll(X, 1, 0),
            lambda X: np.cumsum(X, 0),
            lambda X: np.argsort(np.argsort(X, 0), 0).astype(float),
            lambda X: X + np.arange(len(X))[:, None],
            lambda X: np.where(len(X) > 1, X, np.nan),
        ],
    )
    def test_ways_to_look_around(self, cheat):
        with pytest.raises(DependentRowsError, match="the thing of a row depends"):
            check_rows_independent({"thing": cheat}, self.X)

    def test_rounding_and_a_single_tie_are_forgiven(self):
        rng = np.random.default_rng(1)
        check_rows_independent({"noisy": lambda X: X + 1e-6 * rng.normal(size=X.shape)}, self.X)
        check_rows_independent({"tie": lambda X: X + (X[:1] == self.X[0]) * (self.X[3] == X)}, self.X)


class TestFloor:
    def test_is_the_entropy(self):
        expected = stats.bernoulli(GREYS).entropy().reshape(200, -1).sum(1)
        assert entropy_floor(GREYS) == pytest.approx(np.nansum(expected) / 200)
        assert entropy_floor((GREYS > 0.5).astype(np.uint8)) == 0

    @pytest.mark.parametrize("greys", [np.full((2, 3), 1.5), np.full((2, 3), -0.1), np.full((2, 3), np.nan)])
    def test_greys_are_probabilities(self, greys):
        with pytest.raises(DataError, match=r"probabilities in \[0, 1\]"):
            entropy_floor(greys)

    def test_of_nothing_there_is_none(self):
        with pytest.raises(DataError, match="no rows"):
            entropy_floor(np.zeros((0, 3)))

    def test_the_truth_itself_is_on_the_floor_and_not_warned_about(self):
        for seed in range(10):
            drawn = np.random.default_rng(seed).random(GREYS.shape) < GREYS
            nll = -stats.bernoulli(GREYS).logpmf(drawn.astype(int)).reshape(200, -1).sum(1)
            assert nll.mean() == pytest.approx(entropy_floor(GREYS), rel=0.05)
            warn_below_entropy(nll, GREYS)

    def test_a_model_that_has_seen_the_draws_is_told(self):
        drawn = np.random.default_rng(0).random(GREYS.shape) < GREYS
        seen = -stats.bernoulli(0.5 * GREYS + 0.5 * drawn).logpmf(drawn.astype(int)).reshape(200, -1).sum(1)
        with pytest.warns(BelowEntropyWarning, match="impossible for fresh draws"):
            warn_below_entropy(seen, GREYS)

    def test_as_many_greys_as_rows(self):
        with pytest.raises(DataError, match="200 rows and 100 rows of greys"):
            warn_below_entropy(np.zeros(200), GREYS[:100])

    def test_greys_under_a_bernoulli_likelihood_are_checked_by_evaluate(self, monkeypatch):
        model = VAE(2, likelihood="bernoulli", max_epochs=2, random_state=0).fit(GREYS)
        honest = model.evaluate(GREYS)
        assert honest["reconstruction_nll"] > entropy_floor(GREYS)
        right = type(model.module_).log_prob
        monkeypatch.setattr(type(model.module_), "log_prob", lambda self, x, z: 0.1 * right(self, x, z))
        with pytest.warns(BelowEntropyWarning):
            model.evaluate(GREYS)

    def test_evaluate_compares_binary_data_with_their_greys(self, monkeypatch):
        drawn = (np.random.default_rng(0).random(GREYS.shape) < GREYS).astype(np.uint8)
        model = VAE(2, likelihood="bernoulli", max_epochs=2, random_state=0).fit(drawn)
        assert model.evaluate(drawn, greys=GREYS) == model.evaluate(drawn)
        model.evaluate(drawn, greys=GREYS.reshape(200, 64))
        with pytest.raises(DataError, match=r"greys have shape \(100, 8, 8\), and the data \(200, 8, 8\)"):
            model.evaluate(drawn, greys=GREYS[:100])
        # As if the drawn pixels were certain to be what they are.
        sure = np.where(drawn == 1, 0.5 + GREYS / 2, GREYS / 2).clip(1e-3, 1 - 1e-3)
        seen = stats.bernoulli(sure).logpmf(drawn).reshape(200, -1).sum(1)
        monkeypatch.setattr("isthmus.models.inference.score_rows", lambda module, rows: seen[: len(rows)])
        with pytest.warns(BelowEntropyWarning):
            model.evaluate(drawn, greys=GREYS)

    def test_a_plain_code_has_no_bound_to_compare_with_greys(self):
        model = Autoencoder(2, max_epochs=1, random_state=0).fit(PICTURES)
        with pytest.raises(ParameterError, match="leave them out"):
            model.evaluate(PICTURES, greys=GREYS)

    def test_binary_data_have_no_floor_to_fall_below(self):
        model = VAE(2, likelihood="bernoulli", max_epochs=2, random_state=0).fit((GREYS > 0.5).astype(np.uint8))
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            assert model.evaluate((GREYS > 0.5).astype(np.uint8))["elbo"] < 0
