"""The chain of corrupting and denoising has the stationary distribution that theory says, and says if it is there."""

import sys
from typing import Any

import numpy as np
import pytest
import torch
from arviz_stats.base.array import array_stats
from PIL import Image
from sklearn.datasets import load_digits, load_iris
from torch.distributions import Independent, Normal

import isthmus
from isthmus import DenoisingAutoencoder, MissingExtraError, ParameterError, RunError
from isthmus.cli import main
from isthmus.corruptions import FeatureSwap, GaussianNoise, Masking
from isthmus.data.info import describe_data
from isthmus.explore import chains as chains_module
from isthmus.explore.chains import Chains, run_chains
from isthmus.explore.exact import ExactDenoiser, stationary_covariance
from isthmus.models import fitting

PICTURES = load_digits().images[:200]
TABLE = load_iris().data


def random_covariance(d: int) -> np.ndarray:
    rng = np.random.default_rng(d)
    axes = np.linalg.qr(rng.normal(size=(d, d)))[0]
    return (axes * np.geomspace(0.3, 3, d)) @ axes.T


def standard_errors_off(draws: np.ndarray, covariance: np.ndarray) -> np.ndarray:
    """How far each entry of the draws' second moment is from a covariance, in Monte Carlo standard errors."""
    i, j = np.triu_indices(len(covariance))
    products = draws[..., i] * draws[..., j]
    errors = [array_stats.mcse(products[..., k]) for k in range(len(i))]
    return np.abs(products.mean((0, 1)) - covariance[i, j]) / np.array(errors)


def wide(covariance: np.ndarray, n: int = 16) -> torch.Tensor:
    rng = np.random.default_rng(0)
    return torch.tensor(rng.multivariate_normal(np.zeros(len(covariance)), 4 * covariance, n))


@pytest.mark.parametrize("d", [2, 10])
@pytest.mark.parametrize("spread", ["posterior", 0.5, 1e-9], ids=["posterior", "fixed", "mean"])
def test_the_stationary_covariance_of_a_gaussian_is_that_of_theory(d, spread):
    covariance = random_covariance(d)
    denoiser = ExactDenoiser(covariance, noise=1.0)
    gain = denoiser.gain.numpy()
    if spread == "posterior":
        reconstruct, expected = denoiser.reconstruct, covariance
    else:
        expected = stationary_covariance(gain, np.eye(d), spread**2 * np.eye(d))

        def reconstruct(corrupted):
            return Independent(Normal(corrupted @ denoiser.gain.T, spread), 1)

    chains = run_chains(denoiser.corrupt, reconstruct, wide(covariance), 2000, burn_in=100, random_state=0)
    assert standard_errors_off(chains.draws, expected).max() < 4
    assert chains.converged, chains.reason
    # A law that any covariance would pass says nothing.
    assert standard_errors_off(chains.draws, 1.2 * expected).max() > 4
    assert standard_errors_off(chains.draws, denoiser.noisy.numpy()).max() > 4


def test_sampling_the_posterior_solves_the_lyapunov_equation_with_the_covariance_of_the_data():
    covariance = random_covariance(5)
    denoiser = ExactDenoiser(covariance, noise=0.7)
    found = stationary_covariance(denoiser.gain.numpy(), 0.49 * np.eye(5), denoiser.spread.numpy())
    np.testing.assert_allclose(found, covariance, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("means", [None, [[-2.0, 0.0], [2.0, 1.0], [0.0, 3.0]]])
def test_the_exact_denoiser_is_the_score(means):
    denoiser = ExactDenoiser([[1.0, 0.5], [0.5, 0.8]], 0.6, means)
    x = torch.randn(20, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0), requires_grad=True)
    denoiser.log_prob(x, noisy=True).sum().backward()
    with torch.no_grad():
        torch.testing.assert_close(denoiser.reconstruct(x).mean - x, 0.36 * x.grad)


def test_a_bad_exact_denoiser_is_refused():
    with pytest.raises(ParameterError, match="noise must be positive"):
        ExactDenoiser(np.eye(2), 0)
    with pytest.raises(ParameterError, match=r"\(2, 2\) and \(1, 3\)"):
        ExactDenoiser(np.eye(2), 1, [[0, 0, 0]])


class TestVerdict:
    modes = ([-4.0, 0.0], [4.0, 0.0])

    def run(self, noise: float, **options: Any) -> Chains:
        denoiser = ExactDenoiser(0.5 * np.eye(2), noise, self.modes)
        start = 5 * torch.randn(8, 2, generator=torch.Generator().manual_seed(0))
        return run_chains(denoiser.corrupt, denoiser.reconstruct, start, **{"n_draws": 500, **options})

    def test_chains_that_never_leave_their_mode_are_found_out(self):
        chains = self.run(0.3, random_state=0)
        assert not chains.converged
        assert "stuck in 2 places" in chains.reason
        assert "value 0" in chains.reason
        assert chains.draws_needed is None
        # What each statistic alone or each chain alone would not have shown.
        assert chains.diagnostics()["value 1"]["rhat"] < 1.05

    def test_chains_that_visit_both_modes_have_converged(self):
        chains = self.run(3.0, n_draws=3000, random_state=0)
        assert chains.converged, chains.reason
        assert np.ptp(chains.draws[..., 0].mean(1)) < 2
        assert (chains.draws[..., 0] > 0).mean() == pytest.approx(0.5, abs=0.05)

    def test_the_verdict_depends_on_the_seed_alone(self):
        first, again, other = (self.run(0.3, random_state=seed) for seed in (1, 1, 2))
        np.testing.assert_array_equal(first.draws, again.draws)
        assert first.reason == again.reason
        assert not np.array_equal(first.draws, other.draws)

    def test_a_chain_that_runs_away_has_not_converged(self):
        chains = run_chains(
            lambda x: 1e30 * x, lambda x: Independent(Normal(x, 1.0), 1), torch.ones(4, 2), 200, random_state=0
        )
        assert not chains.converged
        assert "run away" in chains.reason

    def test_a_chain_that_stands_still_has_not_converged(self):
        chains = run_chains(torch.ones_like, lambda x: Independent(Normal(x, 1e-300), 1), wide(np.eye(2)), 200)
        assert "do not move" in chains.reason


class TestRunning:
    denoiser = ExactDenoiser(np.eye(2), 1.0)

    def run(self, n: int = 6, **options: Any) -> Chains:
        options = {"n_draws": 20, "random_state": 0, **options}
        return run_chains(self.denoiser.corrupt, self.denoiser.reconstruct, wide(np.eye(2), n), **options)

    def test_burn_in_and_thinning_pick_states_of_one_and_the_same_chain(self):
        whole = self.run(n_draws=40, burn_in=0)
        picked = self.run(n_draws=10, burn_in=10, thin=3)
        np.testing.assert_array_equal(picked.draws, whole.draws[:, 10:40:3])
        np.testing.assert_array_equal(picked.means, whole.means[:, 10:40:3])
        np.testing.assert_array_equal(self.run(n_draws=20).draws, whole.draws[:, 20:])
        assert (picked.burn_in, picked.thin, self.run().burn_in) == (10, 3, 20)

    def test_statistics_are_of_every_recorded_state(self):
        chains = self.run(statistics=lambda x: {"norm": x.norm(dim=1)})
        np.testing.assert_allclose(chains.statistics["norm"], np.linalg.norm(chains.draws, axis=-1))
        assert list(self.run().statistics) == ["value 0", "value 1"]
        assert chains.shape == (6, 20)

    def test_chains_run_in_batches_are_as_many_and_as_long(self):
        chains = self.run(batch_size=4)
        assert chains.draws.shape == (6, 20, 2)
        np.testing.assert_array_equal(chains.draws[:4], self.run(4).draws)
        assert not np.array_equal(chains.draws[4:], chains.draws[:2])

    def test_of_long_chains_not_every_state_is_kept_but_every_statistic(self, monkeypatch):
        monkeypatch.setattr(chains_module, "MOST_BYTES", 6 * 2 * 8 * 2 * 7)
        chains, whole = self.run(), self.run(batch_size=6)
        assert chains.stride == 3
        assert chains.draws.shape == chains.means.shape == (6, 7, 2)
        assert chains.shape == (6, 20)
        np.testing.assert_array_equal(chains.statistics["value 0"][:, ::3], chains.draws[..., 0])
        np.testing.assert_array_equal(chains.statistics["value 0"], whole.statistics["value 0"])

    def test_the_callers_random_numbers_are_left_alone(self):
        torch.manual_seed(3)
        before = torch.get_rng_state()
        self.run()
        assert torch.equal(before, torch.get_rng_state())

    @pytest.mark.parametrize(
        ("options", "complaint"),
        [
            ({"n_draws": 0}, "n_draws must be at least 1, got 0"),
            ({"thin": 0}, "thin must be at least 1"),
            ({"burn_in": -1}, "burn_in must be 'auto' or at least 0, got -1"),
            ({"batch_size": 0}, "batch_size must be at least 1"),
            ({"n": 0}, "at least one chain"),
        ],
    )
    def test_numbers_that_cannot_be_are_refused(self, options, complaint):
        with pytest.raises(ParameterError, match=complaint):
            self.run(**options)

    def test_tables_as_text_and_as_frames(self, monkeypatch):
        chains = self.run(n_draws=200)
        frame = chains.diagnostics(as_frame=True)
        assert list(frame.index) == ["value 0", "value 1"]
        assert frame.loc["value 1", "rhat"] == chains.diagnostics()["value 1"]["rhat"]
        assert chains.describe().startswith(chains.reason)
        assert "value 1" in chains.describe()
        assert repr(chains) == "Chains(6 chains of 200 draws, thin=1, burn_in=200)"
        monkeypatch.setitem(sys.modules, "pandas", None)
        with pytest.raises(MissingExtraError, match=r"isthmus\[tables\]"):
            chains.diagnostics(as_frame=True)

    def test_chains_of_anything_but_pictures_have_no_frames(self):
        with pytest.raises(ParameterError, match="not pictures"):
            self.run().frames()


# ---------------------------------------------------------------- trained models


@pytest.fixture(scope="module")
def linear():
    """A linear Gaussian denoiser, of data that are normal: everything about it is known."""
    covariance = np.array([[2.0, 1.2, 0.0], [1.2, 1.5, 0.3], [0.0, 0.3, 0.7]])
    X = np.random.default_rng(0).multivariate_normal([5.0, 0.0, -3.0], covariance, 4000)
    dae = DenoisingAutoencoder(
        3,
        corruption=GaussianNoise(0.8, "data"),
        network="linear",
        likelihood="gaussian",
        scaling="center",
        max_epochs=60,
        random_state=0,
        trainer=isthmus.Trainer(batch_size=200, learning_rate=1e-2),
    )
    return dae.fit(X), X


def gain_of(dae: DenoisingAutoencoder, mean: np.ndarray) -> np.ndarray:
    """A of r(x) = r(m) + A (x − m)."""
    return (dae.denoise(mean + np.eye(len(mean))) - dae.denoise(mean[None])).T


def test_a_trained_linear_denoiser_is_the_score(linear):
    dae, X = linear
    mean, covariance = X.mean(0), np.cov(X.T)
    rows = X[:500]
    score = -np.linalg.solve(covariance + 0.64 * np.eye(3), (rows - mean).T).T
    moved = dae.denoise(rows) - rows
    assert np.abs(moved - 0.64 * score).max() < 0.12
    assert np.mean((moved - 0.64 * score) ** 2) < 0.01 * np.mean(moved**2)


def test_the_chain_of_a_trained_model_has_the_stationary_covariance_of_its_own_gain(linear):
    dae, X = linear
    chains = dae.markov_chain(16, 3000, burn_in=200, random_state=0)
    middle = chains.draws.mean((0, 1))
    spread = dae.module_.likelihood.spread.item() ** 2
    expected = stationary_covariance(gain_of(dae, X.mean(0)), 0.64 * np.eye(3), spread * np.eye(3))
    assert chains.converged, chains.reason
    assert standard_errors_off(chains.draws - middle, expected).max() < 4
    assert np.abs(middle - X.mean(0)).max() < 0.2


def test_scores_are_those_of_the_training_data(linear):
    dae, X = linear
    chains = dae.markov_chain(4, 20, start=X[:4], burn_in=0, random_state=0)
    centred = X[:, None] - X.mean(0)
    axes = np.linalg.svd(X - X.mean(0), full_matrices=False)[2]
    assert list(chains.statistics) == ["principal score 1", "principal score 2", "principal score 3", "energy"]
    assert centred.shape == (4000, 1, 3)
    for i in range(3):
        expected = (chains.draws - X.mean(0)) @ axes[i]
        found = chains.statistics[f"principal score {i + 1}"]
        sign = np.sign(found[0, 0] * expected[0, 0])
        # The model has seen nine tenths of the rows.
        assert np.abs(found - sign * expected).max() < 0.1 * expected.std()
        assert chains.data[f"principal score {i + 1}"].sd == pytest.approx(((X - X.mean(0)) @ axes[i]).std(), rel=0.03)
    energy = -dae.score_samples(chains.draws.reshape(-1, 3)).reshape(4, 20)
    np.testing.assert_allclose(chains.statistics["energy"], energy, rtol=1e-4)
    assert chains.data["energy"].mean == pytest.approx(-dae.score(X), rel=0.02)


def test_starts_are_spread_wider_than_the_data(linear):
    dae, X = linear
    start = dae.markov_chain(2000, 1, burn_in=0, random_state=0).start
    ratio = np.linalg.eigvals(np.linalg.solve(np.cov(X.T), np.cov(start.T))).real
    assert (ratio > 2).all()
    assert np.ptp(start, axis=0).max() <= 1.001 * np.ptp(X - X.mean(0))


def test_samples_of_a_table_have_the_distribution_of_the_chain(linear):
    dae, X = linear
    drawn = dae.sample(4000, random_state=0)
    np.testing.assert_allclose(drawn.mean(0), X.mean(0), atol=0.2)
    spread = dae.module_.likelihood.spread.item() ** 2
    expected = stationary_covariance(gain_of(dae, X.mean(0)), 0.64 * np.eye(3), spread * np.eye(3))
    np.testing.assert_allclose(np.cov(drawn.T), expected, atol=0.25)
    blurred = dae.sample(4000, random_state=0, noise=False)
    assert (blurred.var(0) < drawn.var(0)).all()
    with pytest.raises(ParameterError, match="n_steps must be at least 1"):
        dae.sample(2, n_steps=0)


class TestModels:
    dae = DenoisingAutoencoder(8, max_epochs=3, random_state=0).fit(PICTURES)

    def test_shapes_seeds_and_starts(self):
        chains, again = (self.dae.markov_chain(3, 5, random_state=1) for _ in range(2))
        assert chains.draws.shape == chains.means.shape == (3, 5, 8, 8)
        assert chains.start.shape == (3, 8, 8)
        np.testing.assert_array_equal(chains.draws, again.draws)
        started = self.dae.markov_chain(start=PICTURES[:5], n_draws=2, random_state=0)
        np.testing.assert_array_equal(started.start, PICTURES[:5])
        assert self.dae.markov_chain(n_draws=1, random_state=0).shape == (16, 1)

    def test_a_loaded_model_walks_the_same_chain(self, tmp_path):
        self.dae.save(tmp_path / "run")
        loaded: Any = isthmus.load(tmp_path / "run")
        first, second = (model.markov_chain(4, 10, random_state=0) for model in (self.dae, loaded))
        np.testing.assert_array_equal(first.draws, second.draws)
        for name, values in first.statistics.items():
            np.testing.assert_array_equal(values, second.statistics[name])
        assert first.data == second.data
        np.testing.assert_array_equal(self.dae.sample(3, random_state=0), loaded.sample(3, random_state=0))

    @pytest.mark.parametrize(
        ("change", "complaint"),
        [
            (lambda arrays: arrays.pop("references"), "missing"),
            (lambda arrays: arrays.pop("range"), "missing"),
            (lambda arrays: arrays.pop("paired"), "given targets"),
            (lambda arrays: arrays.update(variance=np.ones(9)), "missing"),
            (lambda arrays: arrays.update(mean=np.zeros(3)), "float64 arrays of shapes"),
            (lambda arrays: arrays.update(components=arrays["components"].astype(np.float32)), "float64 arrays"),
            (lambda arrays: arrays.update(references=arrays["references"][:2]), "missing"),
            (lambda arrays: arrays.update(references=np.full((6, 3), np.nan)), "finite float64"),
            (lambda arrays: arrays.update(range=arrays["range"].astype(np.float32)), "finite float64"),
            (lambda arrays: arrays.update(references=-arrays["references"]), "that cannot be"),
            (lambda arrays: arrays.update(range=-arrays["range"]), "that cannot be"),
            (lambda arrays: arrays.update(paired=np.zeros(2, np.uint8)), "given targets"),
            (lambda arrays: arrays.update(other=np.zeros(2)), "float64 arrays of shapes"),
        ],
    )
    def test_arrays_that_do_not_fit_are_refused(self, change, complaint):
        arrays = dict(self.dae.fitted_arrays())
        self.dae.restore_arrays(arrays)
        change(arrays)
        with pytest.raises(RunError, match=complaint):
            self.dae.restore_arrays(arrays)

    def test_pictures_and_frames(self):
        chains = self.dae.markov_chain(5, 12, burn_in=0, random_state=0)
        assert chains.pictures(3, 4).shape == (3, 4, 8, 8)
        np.testing.assert_array_equal(chains.pictures(2, 12), chains.means[:2])
        frames = chains.frames(5, 7)
        # A grid of 2 rows and 3 columns, with lines between and one cell left empty.
        assert frames.shape == (7, 17, 26)
        assert frames.dtype == np.uint8
        low, high = self.dae.info_.display_range
        first = np.rint(255 * np.clip((chains.means[1, 0] - low) / (high - low), 0, 1))
        np.testing.assert_array_equal(frames[0, :8, 9:17], first)
        assert (frames[:, 9:, 18:] == 255).all()

    def test_rows_that_are_pictures(self):
        rows = DenoisingAutoencoder(8, max_epochs=3, random_state=0, image_shape=(8, 8))
        chains = rows.fit(PICTURES.reshape(-1, 64)).markov_chain(4, 6, random_state=0)
        assert chains.draws.shape == (4, 6, 64)
        assert chains.start.shape == (4, 64)
        assert chains.frames().shape == (6, 17, 17)

    def test_walks_of_a_chain_are_what_sample_returns(self):
        means, draws = (self.dae.sample(4, random_state=0, noise=noise) for noise in (False, True))
        np.testing.assert_array_equal(means, self.dae.sample(4, random_state=0))
        assert draws.std() > means.std()
        assert not np.array_equal(means, self.dae.sample(4, random_state=0, n_steps=20))

    def test_a_state_stays_in_reach_of_the_data(self):
        low, high = PICTURES.min(), PICTURES.max()
        far = torch.full((3, 8, 8), 1e6, dtype=torch.float64)
        with torch.no_grad():
            for x in (far, -far):
                assert self.dae._corrupt(x).abs().max() < 5 * (high - low)
            torch.manual_seed(0)
            expected = self.dae.module_.corruption(torch.tensor(PICTURES[:9]))[0]
            torch.manual_seed(0)
            # Near the data nothing is changed, to the last bit.
            assert torch.equal(self.dae._corrupt(torch.tensor(PICTURES[:9])), expected)

    def test_what_cannot_be_is_refused(self):
        with pytest.raises(ParameterError, match="n_chains=3, but start has 2 rows"):
            self.dae.markov_chain(3, start=PICTURES[:2])
        with pytest.raises(ParameterError, match="n_chains must be at least 1"):
            self.dae.markov_chain(0)
        with pytest.raises(ParameterError, match="n_samples must be at least 1"):
            self.dae.sample(0)

    def test_figures_draw_every_statistic(self):
        chains = self.dae.markov_chain(6, 120, random_state=0)
        for figure in (chains.trace_plot(), chains.rank_plot()):
            titles = [axes.get_title(loc="left") for axes in figure.axes]
            assert [title for title in titles if title] == list(chains.statistics)
            figure.draw_without_rendering()
        ranks = chains.rank_plot().axes[0].images[0].get_array()
        assert ranks is not None
        assert ranks.shape == (6, 20)
        np.testing.assert_allclose(ranks.mean(1), 1)  # every chain has all its draws somewhere

    @pytest.mark.parametrize(
        "corruption", ["masking", "salt_and_pepper", "poisson", "speckle", "block", "feature_swap"]
    )
    def test_every_corruption_has_a_chain(self, corruption):
        dae = DenoisingAutoencoder(4, corruption=corruption, max_epochs=2, random_state=0).fit(PICTURES)
        assert np.isfinite(dae.markov_chain(4, 5, random_state=0).draws).all()

    @pytest.mark.parametrize(
        ("likelihood", "X"),
        [
            ("bernoulli", PICTURES / 16),
            ("continuous_bernoulli", PICTURES / 16),
            ("poisson", PICTURES),
            ("negative_binomial", PICTURES),
            ("categorical", PICTURES),
            ("laplace", PICTURES),
        ],
    )
    def test_every_likelihood_has_a_chain(self, likelihood, X):
        dae = DenoisingAutoencoder(4, corruption=Masking(0.3), likelihood=likelihood, max_epochs=2, random_state=0)
        chains = dae.fit(X).markov_chain(4, 5, burn_in=3, random_state=0)
        dae.module_.likelihood.check(describe_data(chains.draws.reshape(-1, 8, 8)))
        assert np.isfinite(dae.log_likelihood(X[:4], n_samples=10)).all()

    def test_rows_that_are_sorted_do_not_mislead_it(self, monkeypatch):
        monkeypatch.setattr(fitting, "_MOST_CODES", 40)
        X = np.sort(np.random.default_rng(0).normal(size=(400, 3)), axis=0) * [3, 1, 1]
        dae = DenoisingAutoencoder(2, max_epochs=1, random_state=0).fit(X)
        assert dae.references_["principal score 1"].n <= 40
        assert np.abs(dae.principal_.mean).max() < 0.2
        assert dae.principal_.total_variance == pytest.approx(3, rel=0.2)

    def test_a_swap_of_features_has_others_to_take_from_even_for_one_sample(self):
        dae = DenoisingAutoencoder(4, corruption=FeatureSwap(0.5), max_epochs=2, random_state=0).fit(PICTURES)
        sizes = set()
        dae.module_.corruption.register_forward_hook(lambda module, args, out: sizes.add(len(args[0])))
        assert dae.sample(1, random_state=0).shape == (1, 8, 8)
        assert sizes == {32}

    def test_targets_that_were_given_are_what_the_chain_is_compared_with(self):
        noisy = PICTURES + np.random.default_rng(0).normal(scale=4, size=PICTURES.shape)
        dae = DenoisingAutoencoder(4, max_epochs=2, random_state=0).fit(noisy, target=PICTURES)
        spread = np.linalg.svd(PICTURES.reshape(200, -1) - PICTURES.reshape(200, -1).mean(0), compute_uv=False)
        scale = float(dae.module_.scaling.scale)
        assert dae.references_["principal score 1"].sd * scale == pytest.approx(spread[0] / 200**0.5, rel=0.1)
        assert dae.learned_from_noisy
        assert not self.dae.learned_from_noisy

    def test_a_corruption_that_was_a_function_has_to_be_set_again(self, tmp_path):
        dae = DenoisingAutoencoder(2, corruption=lambda x: x + 1, max_epochs=1, random_state=0).fit(TABLE)
        dae.save(tmp_path / "run")
        loaded: Any = isthmus.load(tmp_path / "run")
        with pytest.raises(ParameterError, match="set it again"):
            loaded.markov_chain(4, 5)
        with pytest.raises(ParameterError, match="set it again"):
            loaded.sample(2)


@pytest.fixture(scope="module")
def runs(tmp_path_factory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("runs")
    models = {
        "pictures": TestModels.dae,
        "table": DenoisingAutoencoder(2, max_epochs=2, random_state=0).fit(TABLE),
        "plain": isthmus.Autoencoder(2, max_epochs=1, random_state=0).fit(TABLE),
    }
    for name, model in models.items():
        model.save(folder / name)
    return {name: str(folder / name) for name in models}


class TestCommand:
    def call(self, *args: str, fails: bool = False) -> None:
        assert main(["chain", *args]) == (2 if fails else 0)

    def test_it_prints_what_the_chains_say(self, runs, capsys):
        self.call(runs["table"], "--n_chains", "4", "--n_draws", "120", "--thin", "2", "--seed", "3")
        model: Any = isthmus.load(runs["table"])
        assert capsys.readouterr().out.strip() == model.markov_chain(4, 120, thin=2, random_state=3).describe()

    def test_it_writes_draws_and_pictures(self, runs, tmp_path, capsys):
        options = ["--n_chains", "4", "--n_draws", "10", "--burn_in", "0", "--seed", "0"]
        self.call(runs["pictures"], *options, "--out", str(tmp_path / "draws.npy"))
        model: Any = isthmus.load(runs["pictures"])
        chains = model.markov_chain(4, 10, burn_in=0, random_state=0)
        np.testing.assert_array_equal(np.load(tmp_path / "draws.npy"), chains.draws)
        self.call(runs["pictures"], *options, "--out", str(tmp_path / "strip.png"))
        with Image.open(tmp_path / "strip.png") as sheet:
            assert sheet.width / sheet.height == pytest.approx((10 * 9 - 1) / (4 * 9 - 1))
        assert "4 chains from top to bottom, 10 steps" in capsys.readouterr().out

    def test_an_animation_has_a_frame_for_every_draw(self, runs, tmp_path):
        out = tmp_path / "c.gif"
        self.call(runs["pictures"], "--n_chains", "4", "--n_draws", "10", "--seed", "0", "--out", str(out))
        with Image.open(out) as film:
            assert getattr(film, "n_frames", 1) == 10
            assert film.width == film.height

    @pytest.mark.parametrize(
        ("run", "options", "complaint"),
        [
            ("plain", [], "the model of this run, Autoencoder, has no chain; fit a 'denoising' model"),
            ("table", ["--out", "c.png"], "are not pictures, so there is nothing for .png"),
            ("pictures", ["--out", "c.txt"], "draws go to .npy"),
            ("pictures", ["--n_draws", "0"], "n_draws must be at least 1"),
            ("pictures", ["--burn_in", "-3"], "burn_in must be"),
        ],
    )
    def test_wrong_calls(self, runs, run, options, complaint, capsys):
        self.call(runs[run], *options, fails=True)
        lines = capsys.readouterr().err.strip().splitlines()
        assert len(lines) == 1
        assert complaint in lines[0]
