"""The regularised autoencoder: what its costs are, and that its decoder is what they say."""

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits
from torch import nn

import isthmus
from isthmus import RAE, OvercompleteWarning, ParameterError, Trainer
from isthmus.networks import MLP, Conv, UNet
from isthmus.networks.spectral import Spectral, make_spectral
from isthmus.priors import FittedMixture
from isthmus.priors.afterwards import fitted_prior

X = load_digits().images[:200]
KINDS = ("l2", "gradient_penalty", "spectral_norm", None)
every_kind = pytest.mark.parametrize("smoothing", KINDS)


def fitted(smoothing, X=X, **options):
    return RAE(**{"latent_dim": 3, "smoothing": smoothing, "max_epochs": 2, "random_state": 0, **options}).fit(X)


@every_kind
def test_every_kind_trains_saves_and_samples(smoothing, tmp_path):
    model = fitted(smoothing, network=Conv(channels=(4,)))
    assert isinstance(fitted_prior(model.module_), FittedMixture)
    model.save(tmp_path / "run")
    loaded = isthmus.load(tmp_path / "run")
    for method in ("transform", "reconstruct", "score_samples"):
        assert getattr(loaded, method)(X).tobytes() == getattr(model, method)(X).tobytes()
    assert loaded.sample(5, random_state=0).tobytes() == model.sample(5, random_state=0).tobytes()
    module = model.module_.train()
    module.loss(module(torch.tensor(X[:64]))).backward()
    assert [name for name, p in module.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0] == []


def test_costs_are_what_they_say():
    model = fitted("l2")
    costs, code = model.module_(torch.tensor(X[:10])), torch.tensor(model.transform(X[:10]))
    torch.testing.assert_close(costs["code_norm"], 0.5 * (code**2).sum(1), rtol=1e-4, atol=1e-5)
    layers = [layer for layer in model.module_.network.decoder if isinstance(layer, nn.Linear)]
    expected = sum(layer.weight.square().sum().item() for layer in layers)
    np.testing.assert_allclose(costs["decoder_l2"].detach(), np.full(10, expected), rtol=1e-5)
    total = costs["nll"] + 0.3 * costs["code_norm"] + 0.2 * costs["decoder_l2"]
    weighed = fitted("l2", penalty=0.3, strength=0.2).module_
    weighed.load_state_dict(model.module_.state_dict())
    torch.testing.assert_close(weighed.loss(costs), total.mean())


def slopes(model, x) -> torch.Tensor:
    """Squared derivatives of the decoder's outputs by the code, summed, of each row."""
    decoder, codes = model.module_.network.decoder.eval(), model.module_.code(x)
    jacobian = torch.func.vmap(torch.func.jacrev(lambda z: decoder(z[None])[0].flatten()))(codes)
    return jacobian.square().sum((1, 2)).detach()


def test_the_slope_is_that_of_the_decoder():
    model, x = fitted("gradient_penalty"), torch.tensor(X[:8])
    exact = slopes(model, x)
    module = model.module_.eval()
    torch.testing.assert_close(module(x)["decoder_slope"].detach(), exact, rtol=1e-2, atol=0)
    torch.manual_seed(0)
    module.terms.train()
    with torch.no_grad():
        drawn = torch.stack([module(x)["decoder_slope"] for _ in range(2000)])
    error = drawn.std(0) / 2000**0.5
    assert ((drawn.mean(0) - exact).abs() < 4 * error + 0.01 * exact).all()


def test_more_strength_makes_a_smoother_decoder():
    x = torch.tensor(X[:20])
    for smoothing, low, high in (("gradient_penalty", 1e-4, 3.0), ("l2", 1e-4, 3.0)):
        steep, flat = (fitted(smoothing, strength=s, max_epochs=10) for s in (low, high))
        # In units of the codes, which a smaller slope makes larger.
        assert slopes(flat, x).mean() < 0.7 * slopes(steep, x).mean()


def test_spectral_layers_lengthen_no_difference():
    model = fitted("spectral_norm", max_epochs=20)
    layers = [layer for layer in model.module_.network.decoder.eval() if isinstance(layer, Spectral)]
    assert len(layers) == 3
    for layer in layers:
        largest = torch.linalg.svdvals(layer._matrix())[0]
        assert layer.norm().item() == pytest.approx(largest.item(), rel=0.1)
        before = layer.u.clone()
        layer(torch.zeros(2, layer.layer.in_features))
        assert torch.equal(before, layer.u)


@pytest.mark.parametrize(
    "layer",
    [nn.Linear(5, 7), nn.Conv2d(3, 4, 3), nn.ConvTranspose2d(3, 4, 3, stride=2), nn.Conv1d(2, 3, 3)],
    ids=lambda layer: type(layer).__name__,
)
@torch.no_grad()
def test_power_iteration_finds_the_largest_singular_value(layer):
    torch.manual_seed(0)
    spectral = Spectral(layer).train()
    for _ in range(200):
        found = spectral.norm()
    weight = layer.weight.transpose(0, 1) if isinstance(layer, nn.ConvTranspose2d) else layer.weight
    assert found.item() == pytest.approx(torch.linalg.matrix_norm(weight.flatten(1), 2).item(), rel=1e-4)
    sides = [6] * (weight.ndim - 2)
    x = torch.randn(2, 5) if isinstance(layer, nn.Linear) else torch.randn(2, layer.in_channels, *sides)
    y = spectral.eval()(x)
    layer.weight.div_(found)
    torch.testing.assert_close(y, layer(x))


def test_every_layer_of_a_chain_is_wrapped():
    chain = nn.Sequential(nn.Linear(2, 3), nn.SiLU(), nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 1)))
    assert make_spectral(chain) == 3
    assert chain(torch.zeros(1, 2)).shape == (1, 1)


@every_kind
def test_in_bfloat16(smoothing):
    model = fitted(smoothing, max_epochs=3, trainer=Trainer(precision="bf16"), network=MLP((16,), norm="batch"))
    assert all(np.isfinite(model.history_["train_loss"]))
    assert all(p.dtype == torch.float32 for p in model.module_.parameters())
    assert np.isfinite(model.sample(5, random_state=0)).all()


@pytest.mark.slow
@every_kind
def test_compiled_steps_are_the_plain_ones(smoothing):
    losses = [
        fitted(smoothing, max_epochs=3, trainer=Trainer(compile=compile)).history_["train_loss"]
        for compile in (False, True)
    ]
    np.testing.assert_allclose(losses[0], losses[1], rtol=1e-3)


def test_density_can_be_chosen_and_left_out():
    assert fitted_prior(fitted(None, density=None).module_) is None
    assert "prior" not in fitted(None, density=None).describe()
    gaussian = fitted(None, density="gaussian")
    assert "FittedGaussian" in gaussian.describe()
    assert "FittedMixture" in fitted(None).describe()


def test_what_does_not_suit_is_said_before_the_training():
    with (
        pytest.warns(OvercompleteWarning),
        pytest.raises(ParameterError, match="a gmm density is meant for codes of at most 1,024 latents"),
    ):
        fitted(None, latent_dim=2000, network="linear")
    with pytest.raises(ParameterError, match="smoothing"):
        fitted("dropout")
    with pytest.raises(ParameterError, match="has no linear layers in turn"), pytest.warns(OvercompleteWarning):
        fitted("spectral_norm", latent_dim="auto", network=UNet(channels=(4,)), density=None)
