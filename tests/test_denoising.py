"""Learning from corrupted data: clean targets, noisy targets, and no second copy at all."""

import warnings

import numpy as np
import pytest
import torch
from helpers import CASES, compose_linear, fitted, named
from sklearn.base import clone
from sklearn.datasets import load_digits
from torch.distributions import Independent, Normal

import isthmus
from isthmus import VAE, DataError, DenoisingAutoencoder, Noise2Noise, Noise2Self, ParameterError, Trainer
from isthmus.corruptions import BlindSpot, GaussianNoise
from isthmus.data.shapes import shapes
from isthmus.likelihoods import GaussianLikelihood
from isthmus.likelihoods.per_value import log_prob_per_value
from isthmus.networks import UNet
from isthmus.terms import NLL, MaskedNLL, Walkback

PICTURES = load_digits().images[:300]
SHAPES = (shapes(300, 16, random_state=0) / 255).astype(np.float32)
_rng = np.random.default_rng(0)
NOISY, AGAIN = (SHAPES + _rng.normal(scale=0.3, size=SHAPES.shape).astype(np.float32) for _ in range(2))
QUICK = {"max_epochs": 12, "random_state": 0, "trainer": Trainer(batch_size=32)}


def error(restored) -> float:
    return float(np.mean((restored - SHAPES) ** 2))


class TestTargets:
    def test_clean_noisy_and_hidden_targets_all_remove_noise(self):
        clean = DenoisingAutoencoder(network="unet", **QUICK).fit(NOISY, target=SHAPES)
        pairs = Noise2Noise(**QUICK).fit(NOISY, target=AGAIN)
        blind = Noise2Self(**QUICK).fit(NOISY)
        errors = [error(model.denoise(NOISY)) for model in (clean, pairs, blind)]
        assert max(errors) < error(NOISY) / 2
        assert errors[0] == min(errors)

    def test_neighbouring_pixels_can_be_the_target(self):
        smooth = np.linspace(0, 1, 24)[:, None] * _rng.random((120, 1, 24)).cumsum(2) / 12
        noisy = smooth + _rng.normal(scale=0.2, size=smooth.shape)
        model = Noise2Self(method="neighbours", **QUICK).fit(noisy)
        assert np.mean((model.denoise(noisy) - smooth) ** 2) < np.mean((noisy - smooth) ** 2) / 2
        assert list(model.module_.terms) == ["nll", "consistency"]

    def test_given_targets_are_learned_and_no_noise_is_added(self):
        # The target is the negative: only a model that is shown it can know.
        model = DenoisingAutoencoder(8, corruption=_explode, max_epochs=30, random_state=0)
        model.fit(PICTURES, target=16 - PICTURES)
        assert np.corrcoef(model.denoise(PICTURES).ravel(), (16 - PICTURES).ravel())[0, 1] > 0.8

    def test_noisy_targets_have_the_minimum_of_clean_ones(self):
        """On Gaussian data the linear optimum is Wiener's filter, whether the targets are clean or noisy."""
        rng = np.random.default_rng(1)
        clean = rng.normal(size=(20_000, 3)) @ np.array([[2.0, 1, 0.5], [0, 1, 0.5], [0, 0, 0.5]])
        covariance = np.cov(clean.T)
        wiener = np.linalg.solve(covariance + np.eye(3), covariance)
        first, second = (clean + rng.normal(size=clean.shape) for _ in range(2))
        trainer = Trainer(learning_rate=1e-2, batch_size=512, weight_decay=0.0)
        probe = np.eye(3)
        for model, target in ((DenoisingAutoencoder, clean), (Noise2Noise, second)):
            options = {"network": "linear", "max_epochs": 40, "random_state": 0, "trainer": trainer}
            fitted_ = model(3, **options).fit(first, target=target)
            learned = fitted_.denoise(probe) - fitted_.denoise(np.zeros((1, 3)))
            np.testing.assert_allclose(learned, wiener, atol=0.03)

    def test_targets_of_another_shape_or_outside_the_support_are_refused(self):
        with pytest.raises(DataError, match=r"the target has shape \(5, 8, 8\) and X has \(300, 8, 8\); each row"):
            Noise2Noise().fit(PICTURES, target=PICTURES[:5])
        with pytest.raises(DataError, match=r"needs values in \[0, 1\]"):
            DenoisingAutoencoder(likelihood="bernoulli").fit(PICTURES / 16, target=PICTURES)

    def test_a_resumed_training_needs_the_same_target(self, tmp_path):
        trainer = Trainer(checkpoint=tmp_path)
        options = {"max_epochs": 2, "random_state": 0}
        Noise2Noise(2, trainer=trainer, **options).fit(NOISY, target=AGAIN)
        again = Trainer(checkpoint=tmp_path, resume=True)
        with pytest.raises(isthmus.RunError, match="other data"):
            Noise2Noise(2, trainer=again, **options).fit(NOISY, target=AGAIN + 1)
        Noise2Noise(2, trainer=again, **options).fit(NOISY, target=AGAIN)

    def test_targets_that_do_not_fit_in_memory_are_read_with_their_rows(self):
        options = {"max_epochs": 3, "random_state": 0}
        expected = Noise2Noise(4, **options).fit(NOISY, target=AGAIN).reconstruct(NOISY)
        streamed = (
            Noise2Noise(4, trainer=isthmus.Trainer(memory_limit=0), **options)
            .fit(NOISY, target=AGAIN)
            .reconstruct(NOISY)
        )
        np.testing.assert_allclose(streamed, expected, atol=0.05)


def _explode(x):
    raise AssertionError("a model that was given targets must not corrupt its input")


class TestBlindSpot:
    def test_no_value_is_predicted_from_itself(self):
        model = Noise2Self(max_epochs=2, random_state=0).fit(NOISY)
        before = model.denoise(NOISY[:3], blind=True)
        for row, column in ((0, 0), (7, 9), (15, 15)):
            changed = NOISY[:3].copy()
            changed[:, row, column] += 5
            after = model.denoise(changed, blind=True)
            np.testing.assert_allclose(after[:, row, column], before[:, row, column], atol=1e-5)
            assert not np.allclose(after, before, atol=1e-3)

    def test_tables_have_blind_spots_too(self):
        table = _rng.normal(size=(500, 1)) @ np.ones((1, 6)) + _rng.normal(scale=0.3, size=(500, 6))
        model = Noise2Self(max_epochs=30, random_state=0).fit(table)
        before = model.denoise(table[:4], blind=True)
        changed = table[:4].copy()
        changed[:, 2] += 10
        np.testing.assert_allclose(model.denoise(changed, blind=True)[:, 2], before[:, 2], atol=1e-5)

    def test_only_models_with_blind_spots_have_them(self):
        model = Noise2Self(method="neighbours", max_epochs=1).fit(NOISY)
        with pytest.raises(ParameterError, match="method='neighbours' has no blind spots"):
            model.denoise(NOISY, blind=True)

    @pytest.mark.parametrize(
        ("parameters", "message"),
        [
            ({"network": "mlp"}, "network='mlp' has no form"),
            ({"likelihood": "poisson"}, "likelihood='poisson' has no form"),
            ({"likelihood": GaussianLikelihood("per_feature")}, "has no form"),
            ({"scaling": "standard"}, "scaling='standard' has no form"),
        ],
    )
    def test_neighbours_need_parts_of_any_size(self, parameters, message):
        with pytest.raises(ParameterError, match=message):
            Noise2Self(method="neighbours", **parameters).fit(NOISY)

    def test_neighbours_need_pictures(self):
        with pytest.raises(ParameterError, match=r"needs pictures of at least 4 x 4 pixels.*shape \(256,\)"):
            Noise2Self(method="neighbours").fit(NOISY.reshape(-1, 256))


class TestCosts:
    @pytest.mark.parametrize("name", CASES)
    def test_values_add_up_to_the_sample(self, name):
        X = CASES[name].training_data((4,), n=30)
        likelihood = fitted(named(name), X)
        y = torch.randn(30, 4, likelihood.n_outputs, generator=torch.Generator().manual_seed(0))
        p, x = likelihood(y), torch.tensor(X).float()
        each = log_prob_per_value(p, x)
        assert each.shape == (30, 4)
        torch.testing.assert_close(each.sum(1), p.log_prob(x), rtol=1e-4, atol=1e-4)

    def test_values_of_one_hot_rows_cannot_be_told_one_by_one(self):
        rows = np.eye(4)[np.arange(40) % 4]
        with pytest.raises(ParameterError, match="one-hot"):
            Noise2Self(2, max_epochs=1).fit(rows)

    def test_the_masked_cost_is_that_of_hidden_values_only(self):
        X = _rng.normal(size=(50, 8))
        module = compose_linear(X, 2, GaussianLikelihood())
        x = torch.tensor(X).float()
        nothing = torch.zeros(50, 8, dtype=torch.bool)
        step = module.complete(x, x, ~nothing, x)
        torch.testing.assert_close(MaskedNLL()(step), NLL()(step))
        half = nothing.clone()
        half[:, ::2] = True
        cost = MaskedNLL()(module.complete(x, x, half, x))
        seen = torch.where(half, x, x + 100)
        torch.testing.assert_close(MaskedNLL()(module.complete(x, x, half, seen)), cost)
        other = MaskedNLL()(module.complete(x, x, ~half, x))
        torch.testing.assert_close((cost + other) / 2, NLL()(step))
        with pytest.raises(ParameterError, match="hides values"):
            MaskedNLL()(module.complete(x, x, None, x))

    def test_walkback_charges_for_every_further_step(self):
        model = DenoisingAutoencoder(2, walkback=3, max_epochs=1, random_state=0).fit(PICTURES)
        assert list(model.module_.terms) == ["nll", "walkback"]
        module, x = model.module_, torch.tensor(PICTURES[:64])
        torch.manual_seed(0)
        step = module.step(x)
        cost = Walkback(3)(step)
        # By hand, with the same random numbers.
        torch.manual_seed(0)
        p, expected = module.step(x).p, []
        for _ in range(3):
            corrupted, _ = module.corruption(p.sample())
            p = module.complete(corrupted, corrupted, None, step.x).p
            expected.append(-p.log_prob(step.x))
        torch.testing.assert_close(cost, torch.stack(expected).mean(0))
        assert cost.mean() > module.costs(step)["nll"].mean()

    def test_the_consistency_cost_is_zero_where_the_differences_agree(self):
        model = Noise2Self(method="neighbours", max_epochs=1, random_state=0).fit(NOISY)
        module = model.module_
        step = module.step(torch.tensor(NOISY[:8]))
        term = module.terms["consistency"]
        whole = module.decode(module.encode(step.data).z).mean
        from isthmus.corruptions.neighbours import half

        assert step.mask is not None
        kept, asked = (half(whole, step.mask[..., i]) for i in (0, 1))
        step.x = step.p.mean - (kept - asked)
        assert term(step).abs().max() < 1e-6
        step.x = step.x + step.p.variance.sqrt()
        torch.testing.assert_close(term(step), torch.full((8,), 32.0), rtol=1e-4, atol=1e-4)


class TestUNet:
    @pytest.mark.parametrize("shape", [(8, 8), (9, 13), (16, 12, 3)])
    def test_any_size_and_half_of_it(self, shape):
        network = UNet((4, 8, 16))
        width = network.code_width(shape)
        network.setup(event_shape=shape, n_features=width, latent_dim=width, n_outputs=1)
        for size in (shape[:2], (shape[0] // 2, shape[1] // 2)):
            x = torch.randn(5, *size, *shape[2:])
            assert network.decoder(network.encoder(x)).shape == (*x.shape, 1)
        assert network.encoder(torch.randn(5, *shape)).shape == (5, width)

    def test_it_treats_every_place_alike(self):
        network = UNet((4, 8))
        width = network.code_width((32, 32))
        network.setup(event_shape=(32, 32), n_features=width, latent_dim=width, n_outputs=1)
        x = torch.zeros(1, 32, 32)
        x[0, 12:16, 12:16] = torch.randn(4, 4)
        there = network.decoder(network.encoder(x))[0, 4:24, 4:24]
        moved = network.decoder(network.encoder(x.roll((6, 4), (1, 2))))[0, 10:30, 8:28]
        torch.testing.assert_close(there, moved, rtol=1e-4, atol=1e-5)

    def test_every_output_of_the_likelihood_is_there(self):
        levels = (PICTURES // 4).astype(np.uint8)
        model = DenoisingAutoencoder(network=UNet((4, 8)), likelihood="categorical", max_epochs=1).fit(levels)
        assert model.denoise(levels).shape == levels.shape

    def test_what_cannot_be_is_said(self):
        with pytest.raises(ParameterError, match=r"latent_dim=2, but UNet passes on 1,536 values for pictures of 8 x"):
            DenoisingAutoencoder(2, network="unet").fit(PICTURES)
        with pytest.raises(ParameterError, match="no place for a distribution of the code"):
            isthmus.VAE(network="unet").fit(PICTURES)
        with pytest.raises(ParameterError, match=r"needs pictures .* shape \(64,\)"):
            DenoisingAutoencoder(network="unet").fit(PICTURES.reshape(-1, 64))
        with pytest.raises(ParameterError, match="channels must be positive"):
            DenoisingAutoencoder(network=UNet(())).fit(PICTURES)

    def test_a_copy_is_warned_about_where_nothing_is_corrupted(self):
        with pytest.warns(isthmus.OvercompleteWarning):
            isthmus.Autoencoder(network="unet", max_epochs=1).fit(PICTURES)


class TestUse:
    def test_corrupting_is_by_seed_and_in_the_datas_units(self):
        model = DenoisingAutoencoder(4, corruption=GaussianNoise(4, "data"), max_epochs=1).fit(PICTURES)
        first = model.corrupt(PICTURES, random_state=1)
        np.testing.assert_array_equal(first, model.corrupt(PICTURES, random_state=1))
        assert np.std(first - PICTURES) == pytest.approx(4, rel=0.03)
        flat = DenoisingAutoencoder(4, max_epochs=1, image_shape=(8, 8)).fit(PICTURES.reshape(-1, 64))
        assert flat.corrupt(PICTURES.reshape(-1, 64)).shape == (300, 64)

    def test_a_model_is_told_by_name_from_part_and_function(self):
        for given in ("gaussian", GaussianNoise(), lambda x: x + torch.randn_like(x)):
            model = DenoisingAutoencoder(2, corruption=given, max_epochs=1, random_state=0).fit(PICTURES)
            assert np.isfinite(model.denoise(PICTURES)).all()
        with pytest.raises(ParameterError, match=r"unknown corruption 'gausian'; choose from 'gaussian', 'masking'"):
            DenoisingAutoencoder(corruption="gausian").fit(PICTURES)

    def test_two_models_never_share_a_corruption(self):
        noise = GaussianNoise(0.5)
        small = DenoisingAutoencoder(2, corruption=noise, max_epochs=1).fit(PICTURES)
        DenoisingAutoencoder(2, corruption=noise, max_epochs=1).fit(1000 * PICTURES)
        assert np.std(small.corrupt(PICTURES) - PICTURES) < 16

    def test_a_saved_function_is_asked_for_again(self, tmp_path):
        model = DenoisingAutoencoder(2, corruption=lambda x: 2 * x, max_epochs=1).fit(PICTURES)
        model.save(tmp_path / "run")
        loaded = isthmus.load(tmp_path / "run")
        np.testing.assert_array_equal(loaded.transform(PICTURES), model.transform(PICTURES))
        with pytest.raises(ParameterError, match="a saved run does not hold"):
            loaded.corrupt(PICTURES)

    def test_corruptions_survive_a_saved_run(self, tmp_path):
        model = Noise2Self(2, max_epochs=1, random_state=0).fit(PICTURES)
        model.save(tmp_path / "run")
        loaded = isthmus.load(tmp_path / "run")
        assert isinstance(loaded.module_.corruption, BlindSpot)
        np.testing.assert_array_equal(loaded.denoise(PICTURES, blind=True), model.denoise(PICTURES, blind=True))
        np.testing.assert_array_equal(loaded.corrupt(PICTURES, random_state=0), model.corrupt(PICTURES, random_state=0))

    def test_a_wide_code_is_no_identity_and_no_warning(self):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            model = DenoisingAutoencoder(64, max_epochs=3, random_state=0).fit(PICTURES)
        assert model.latent_dim_ == 64


def test_per_value_is_for_independent_values():
    p = Independent(Normal(torch.zeros(5, 2, 3), 1.0), 2)
    x = torch.randn(5, 2, 3)
    torch.testing.assert_close(log_prob_per_value(p, x), Normal(0.0, 1.0).log_prob(x))


@pytest.mark.parametrize(
    ("estimator", "target", "said"),
    [
        (DenoisingAutoencoder(2), None, "GaussianNoise(std=0.5, unit='spread'): of the usual strength"),
        (DenoisingAutoencoder(2, corruption="masking", noise=0.3), None, "Masking(share=0.3): as asked"),
        (DenoisingAutoencoder(2), "given", "none: the targets were given"),
        (Noise2Self(2), None, "BlindSpot(stride=4): suits the method"),
        (VAE(2, corruption="gaussian"), None, "of the usual strength"),
    ],
)
def test_a_description_says_how_the_input_was_corrupted(estimator, target, said):
    X = np.random.default_rng(0).normal(size=(60, 5))
    estimator = clone(estimator).set_params(max_epochs=1, random_state=0)
    fitted = estimator.fit(X) if target is None else estimator.fit(X, target=X)
    line = next(line for line in fitted.describe().splitlines() if line.split()[0] == "corruption")
    assert line.endswith(said)
    assert "corruption" not in VAE(2, max_epochs=1, random_state=0).fit(X).choices_
