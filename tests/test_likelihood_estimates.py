"""Estimates of log p(x) by importance sampling, where it is known; what their errors and warnings are worth."""

import math
import warnings

import numpy as np
import pytest
import torch
from scipy import stats
from sklearn.datasets import load_digits, load_iris
from test_bounds import K, optimum, rows, wrong

import isthmus
from isthmus import VAE, Autoencoder, DenoisingAutoencoder, LikelihoodWarning, LinearAutoencoder, ParameterError
from isthmus.evaluate.bounds import importance_weighted, own_noise
from isthmus.evaluate.curves import bound_curve
from isthmus.evaluate.likelihood import LikelihoodEstimate, importance_estimate, judged, summarise
from isthmus.evaluate.tails import pareto_tail, tail_length

PICTURES = load_digits().images[:100]
TABLE = load_iris().data


def weigh(log_weights: np.ndarray, pieces: tuple[int, ...] = ()) -> np.ndarray:
    """What `summarise` makes of log weights (k, rows), given in pieces."""
    weights = torch.tensor(log_weights)
    parts = weights.split(list(pieces)) if pieces else [weights]
    return summarise(parts, torch.zeros(weights.shape[1], 1), len(weights)).numpy()


class TestSums:
    def test_are_those_of_the_textbook(self):
        logs = np.random.default_rng(0).normal(-300, 1, (200, 3))
        w = np.exp(logs + 300)
        log_p, effective, _ = weigh(logs).T
        np.testing.assert_allclose(log_p, np.log(w.mean(0)) - 300, rtol=1e-12)
        np.testing.assert_allclose(effective, w.sum(0) ** 2 / (w**2).sum(0), rtol=1e-12)
        estimate = judged(weigh(logs), 200, "importance")
        np.testing.assert_allclose(estimate.error, w.std(0, ddof=1) / w.mean(0) / 200**0.5, rtol=1e-9)
        assert estimate.mean_error == pytest.approx(np.sqrt((estimate.error**2).sum()) / 3)
        assert estimate.spread == pytest.approx(log_p.std(ddof=1) / 3**0.5)

    def test_pieces_change_nothing(self):
        logs = np.random.default_rng(0).normal(0, 2, (112, 3))
        np.testing.assert_array_equal(weigh(logs, (16, 64, 32)), weigh(logs))

    def test_equal_weights_have_no_error_and_no_tail(self):
        estimate = judged(weigh(np.full((100, 2), -7.0)), 100, "importance")
        np.testing.assert_allclose(estimate.log_p, -7)
        np.testing.assert_allclose(estimate.error, 0, atol=1e-7)
        assert (estimate.tail == -np.inf).all()
        assert estimate.reliable

    def test_one_weight_has_no_known_error(self):
        with pytest.warns(LikelihoodWarning, match="standard error is above"):
            estimate = judged(weigh(np.full((1, 2), -7.0)), 1, "importance")
        assert np.isinf(estimate.error).all()
        assert np.isnan(estimate.tail).all()
        assert not estimate.reliable


class TestTail:
    @pytest.mark.parametrize("shape", [-0.3, 0.2, 0.5, 0.9])
    def test_finds_the_shape_of_a_generalised_pareto_distribution(self, shape):
        n, reps = 20_000, 40
        w = stats.genpareto(shape).rvs((n, reps), random_state=0)
        m = tail_length(n)
        found = pareto_tail(torch.tensor(np.log(np.sort(w, 0)[-m - 1 :])))
        assert found.mean().item() == pytest.approx(shape, abs=0.04)
        assert found.std().item() < 0.12

    def test_is_that_of_arviz(self):
        array_stats = pytest.importorskip("arviz_stats.base").array_stats
        logs = np.random.default_rng(1).normal(0, 1.5, (8, 1024))  # 3 √n is a whole number: arviz rounds it down
        expected = [array_stats.psislw(row)[1] for row in -logs]
        np.testing.assert_allclose(weigh(logs.T)[:, 2], np.array(expected, dtype=float), rtol=1e-6)

    def test_too_few_weights_say_nothing(self):
        assert pareto_tail(torch.randn(20, 3).double()).isnan().all()
        assert pareto_tail(torch.randn(21, 3).double()).isfinite().all()

    def test_one_weight_that_is_all_is_a_heavy_tail(self):
        logs = np.random.default_rng(0).normal(0, 1, (100, 1))
        logs[3] = 900.0
        with pytest.warns(LikelihoodWarning):
            estimate = judged(weigh(logs), 100, "importance")
        assert estimate.tail[0] > 0.7
        assert estimate.effective[0] == pytest.approx(1)


class TestWhereItIsKnown:
    def test_errors_cover_the_truth_as_often_as_they_should(self):
        X = rows(60)
        module, exact = wrong(X)
        away = np.stack(
            [(e.log_p - exact) / e.error for e in (importance_estimate(module, X, 400, s) for s in range(20))]
        )
        assert (np.abs(away) < 1).mean() == pytest.approx(0.68, abs=0.05)
        assert (np.abs(away) < 2).mean() == pytest.approx(0.95, abs=0.025)
        assert away.std() == pytest.approx(1, abs=0.08)

    def test_the_error_of_the_mean_is_that_over_seeds(self):
        X = rows(40)
        module, exact = wrong(X)
        found = [importance_estimate(module, X, 200, seed) for seed in range(60)]
        means = np.array([estimate.mean for estimate in found])
        assert means.std() == pytest.approx(np.mean([estimate.mean_error for estimate in found]), rel=0.3)
        assert abs(means.mean() - exact.mean()) < 4 * means.std() / 60**0.5 + 0.004  # the bias, −½ error²

    def test_an_exact_posterior_leaves_no_error(self):
        X = rows(50)
        estimate = importance_estimate(optimum(X, 0.5), X, 50, 0)
        assert estimate.error.max() < 1e-4
        assert estimate.effective.min() > 49.99
        assert estimate.reliable

    def test_is_the_bound_of_burda_et_al(self):
        X = rows(30)
        module, _ = wrong(X)
        with torch.no_grad():
            bound = importance_weighted(module, torch.tensor(X), 100, own_noise(3, 0, 30, K))
        np.testing.assert_allclose(importance_estimate(module, X, 100, 3).log_p, bound, rtol=0, atol=1e-5)

    def test_a_posterior_that_is_far_too_narrow_is_told(self):
        X = rows(40)
        module, exact = wrong(X)
        with torch.no_grad():
            module.network.encoder[1].bias[K:] -= 3
        with pytest.warns(LikelihoodWarning, match=r"use a larger n_samples, or method='annealed'"):
            estimate = importance_estimate(module, X, 1000, 0)
        assert "too heavy a tail" in estimate.reason
        assert estimate.reason in str(estimate)
        # What the standard error does not tell: it is far too small.
        assert exact.mean() - estimate.mean > 4 * estimate.mean_error


class TestCurve:
    COUNTS = (1, 2, 8, 16, 48, 96)

    def test_never_falls_where_each_count_divides_the_next(self):
        X = rows(50)
        module, _ = wrong(X)
        for seed in range(5):
            curve = bound_curve(module, X, self.COUNTS, seed)
            assert (np.diff(curve.bounds, axis=0) > -1e-12).all()
            assert (np.diff(curve.means) > 0).all()

    def test_its_ends_are_the_mean_log_weight_and_the_estimate(self):
        X = rows(30)
        module, _ = wrong(X)
        curve = bound_curve(module, X, self.COUNTS, 3)
        estimate = importance_estimate(module, X, 96, 3)
        np.testing.assert_allclose(curve.bounds[-1], estimate.log_p, rtol=1e-10)
        np.testing.assert_allclose(np.sqrt(curve.variances[-1]), estimate.error, rtol=1e-6)
        singles = np.stack([importance_estimate_of_one(module, X, 3)[i] for i in range(96)])
        np.testing.assert_allclose(curve.bounds[0], singles.mean(0), rtol=1e-6)
        np.testing.assert_allclose(curve.variances[0], singles.var(0, ddof=1) / 96, rtol=1e-4)

    def test_blocks_do_not_depend_on_the_passes(self, monkeypatch):
        from isthmus.evaluate import bounds

        X = rows(10)
        module, _ = wrong(X)
        counts = (1, 5, 7, 30, 100)
        whole = bound_curve(module, X, counts, 0)
        monkeypatch.setattr(bounds, "_MOST_VALUES", 1)
        pieces = bound_curve(module, X, counts, 0)
        np.testing.assert_allclose(pieces.bounds, whole.bounds, atol=2e-5)
        np.testing.assert_allclose(pieces.variances, whole.variances, rtol=1e-3)

    def test_errors_are_those_over_seeds(self):
        X = rows(20)
        module, _ = wrong(X)
        curves = [bound_curve(module, X, (1, 10, 100), seed) for seed in range(60)]
        over_seeds = np.std([curve.means for curve in curves], axis=0)
        np.testing.assert_allclose(np.mean([curve.errors for curve in curves], axis=0), over_seeds, rtol=0.35)


def importance_estimate_of_one(module, X, seed):
    """Log weights (96, rows) of the draws that a curve of 96 has."""
    from isthmus.evaluate.bounds import weight_passes

    with torch.no_grad():
        passes = weight_passes(module, torch.tensor(X), 96, own_noise(seed, 0, len(X), K))
        return torch.cat(list(passes)).numpy()


class TestEstimators:
    vae = VAE(2, max_epochs=10, random_state=0).fit(TABLE)

    def test_has_the_numbers_of_log_likelihood(self):
        estimate = self.vae.estimate_likelihood(TABLE, 300, random_state=4)
        np.testing.assert_array_equal(estimate.log_p, self.vae.log_likelihood(TABLE, 300, random_state=4))
        assert estimate.n_samples == 300
        assert isinstance(estimate, LikelihoodEstimate)

    def test_default_is_a_thousand_samples(self):
        assert self.vae.estimate_likelihood(TABLE[:5]).n_samples == 1000

    def test_pictures_and_rows_alone(self):
        vae = VAE(2, max_epochs=2, random_state=0).fit(PICTURES)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", LikelihoodWarning)
            whole, first = vae.estimate_likelihood(PICTURES, 64), vae.estimate_likelihood(PICTURES[:1], 64)
        assert whole.log_p.shape == whole.error.shape == whole.effective.shape == whole.tail.shape == (100,)
        np.testing.assert_allclose(first.log_p, whole.log_p[:1], rtol=1e-6)
        assert math.isinf(first.spread)

    def test_curve(self):
        curve = self.vae.bound_curve(TABLE, (4, 1, 16))
        assert curve.counts == (1, 4, 16)
        assert (np.diff(curve.means) >= 0).all()
        assert curve.errors.shape == (3,)

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            ({"n_samples": 0}, "n_samples must be a whole number from 1 up, got 0"),
            ({"n_samples": 2.5}, "n_samples must be a whole number from 1 up, got 2.5"),
            ({"method": "exact"}, "method must be 'importance' or 'annealed', got 'exact'"),
            ({"method": "annealed", "n_steps": 0}, "n_steps must be a whole number from 1 up, got 0"),
            ({"method": "annealed", "start": "here"}, "start must be 'auto', 'posterior' or 'prior', got 'here'"),
        ],
    )
    def test_says_what_is_wrong(self, arguments, message):
        with pytest.raises(ParameterError, match=message):
            self.vae.estimate_likelihood(TABLE, **arguments)

    @pytest.mark.parametrize("counts", [(), (0, 3), (1.5,)])
    def test_counts_that_cannot_be(self, counts):
        with pytest.raises(ParameterError, match="counts"):
            self.vae.bound_curve(TABLE, counts)

    def test_a_plain_code_has_no_posterior_to_draw_from(self):
        plain = Autoencoder(2, max_epochs=1, random_state=0).fit(TABLE)
        with pytest.raises(ParameterError, match="use method='annealed'"):
            plain.estimate_likelihood(TABLE)
        with pytest.raises(ParameterError, match="use a VAE"):
            plain.bound_curve(TABLE)

    @pytest.mark.parametrize("cls", [LinearAutoencoder, DenoisingAutoencoder])
    def test_models_of_another_density_say_so(self, cls):
        assert not hasattr(cls(2), "estimate_likelihood")
        assert not hasattr(cls(2), "bidirectional_likelihood")
        with pytest.raises(AttributeError) as error:
            cls(2).bound_curve  # noqa: B018 (the access is what fails)
        assert "use log_likelihood" in str(error.value.__cause__)


def test_warnings_are_public():
    assert issubclass(isthmus.LikelihoodWarning, isthmus.IsthmusWarning)
    assert issubclass(isthmus.BelowEntropyWarning, isthmus.IsthmusWarning)
    assert issubclass(isthmus.DependentRowsError, isthmus.IsthmusError)
