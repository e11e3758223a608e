"""Sparse codes: which latents are active, and the atoms that they stand for."""

from typing import Any, cast

import numpy as np
import pytest
import torch
from scipy import stats
from torch import Tensor, nn

from isthmus.bottlenecks import BatchTopK, Gated, JumpReLU, Rectified, Sparse, TopK
from isthmus.bottlenecks.jumprelu import Jump
from isthmus.bottlenecks.jumprelu import Step as JumpStep
from isthmus.bottlenecks.sparse import count_active, sparse_start
from isthmus.core import Composed
from isthmus.corruptions import NoCorruption
from isthmus.data.info import describe_data
from isthmus.errors import ParameterError
from isthmus.likelihoods import GaussianLikelihood
from isthmus.networks import MLP, Linear, Network, Scaling, UNet
from isthmus.networks.unit_norm import UnitNormLinear, gather, gathering_pays
from isthmus.priors import FittedSpike
from isthmus.terms import L0, NLL, Term

B, D, WIDTH = 12, 5, 8
ROWS = np.random.default_rng(0).normal(size=(60, D)).astype(np.float32)
lognormal: Any = stats.lognorm


def draw(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def made(bottleneck: Sparse, latent_dim: int = WIDTH) -> Sparse:
    bottleneck.setup(latent_dim)
    return bottleneck


def compose(bottleneck: Sparse, *terms: Term, latent_dim: int = WIDTH, network: Network | None = None) -> Composed:
    """Model of ROWS in training mode."""
    torch.manual_seed(0)
    module = Composed(
        scaling=Scaling("standard"),
        corruption=NoCorruption(),
        network=network or Linear(),
        bottleneck=bottleneck,
        likelihood=GaussianLikelihood(),
        prior=FittedSpike(),
        terms=[NLL(), *terms],
    )
    return module.setup(describe_data(ROWS), latent_dim)


def reached(module: Composed, cost: Tensor) -> set[str]:
    """Parameters to which the gradient of a cost is not zero."""
    module.zero_grad()
    cost.sum().backward()
    return {name for name, p in module.named_parameters() if p.grad is not None and p.grad.abs().sum() > 0}


def first_layer(module: Composed) -> UnitNormLinear:
    return cast(UnitNormLinear, module.network.decoder[0])


# ---------------------------------------------------------------- the threshold of JumpReLU


@pytest.mark.parametrize("bandwidth", [0.3, 2.0])
def test_gradients_of_jumprelu_are_the_stated_ones(bandwidth):
    h, theta = draw(50, WIDTH).requires_grad_(), draw(WIDTH, seed=1).abs().requires_grad_()
    upstream = draw(50, WIDTH, seed=2)
    distance = (h - theta).detach()
    kernel = (distance.abs() < bandwidth / 2).float() / bandwidth
    z: Any = Jump.apply(h, theta, bandwidth)
    by_h, by_theta = torch.autograd.grad(z, [h, theta], upstream)
    assert torch.equal(z, torch.where(h > theta, h, 0))
    torch.testing.assert_close(by_h, upstream * (distance > 0))
    torch.testing.assert_close(by_theta, -(theta * kernel * upstream).sum(0).detach())
    on: Any = JumpStep.apply(h, theta, bandwidth)
    by_h, by_theta = torch.autograd.grad(on, [h, theta], upstream, allow_unused=True)
    assert torch.equal(on, (h > theta).float())
    assert by_h is None
    torch.testing.assert_close(by_theta, -(kernel * upstream).sum(0))


def test_gradient_of_the_count_is_that_of_the_mean_over_the_bandwidth():
    # The rectangle is the derivative of a ramp, which is what the step becomes when h is blurred by it.
    h, theta = draw(200).double()[:, None], torch.tensor([0.4], dtype=torch.float64, requires_grad=True)
    on: Any = JumpStep.apply(h, theta, 0.5)
    (found,) = torch.autograd.grad(on.sum(), theta)

    def ramp(at: float) -> float:
        return float(((h - at) / 0.5 + 0.5).clamp(0, 1).sum())

    assert float(found) == pytest.approx((ramp(0.4 + 1e-7) - ramp(0.4 - 1e-7)) / 2e-7, rel=1e-5)


def test_over_many_samples_the_gradients_are_those_of_the_expectations():
    # h is standard normal: E[1(h > θ)] has the derivative −φ(θ), and E[h 1(h > θ)] has −θ φ(θ).
    theta, width, n = 0.8, 0.2, 400_000
    h = draw(n, 1)
    for function, factor in ((JumpStep, 1.0), (Jump, theta)):
        at = torch.tensor([theta], requires_grad=True)
        out: Any = function.apply(h, at, width)
        (gradient,) = torch.autograd.grad(out.mean(), at)
        inside = stats.norm.cdf(theta + width / 2) - stats.norm.cdf(theta - width / 2)
        error = factor * float(np.sqrt(inside / n)) / width
        assert float(gradient) == pytest.approx(-factor * stats.norm.pdf(theta), abs=4 * error + 1e-3)


def test_jumprelu_lets_through_what_exceeds_its_threshold_and_counts_it():
    bottleneck = cast(JumpReLU, made(JumpReLU(threshold=0.7)))
    h = draw(B, WIDTH)
    code = bottleneck(h)
    torch.testing.assert_close(code.z, torch.where(h > 0.7, h, 0))
    assert torch.equal(code.aux["on"], code.aux["active"].float())
    module = compose(JumpReLU(), L0())
    step = module.step(torch.tensor(ROWS))
    assert torch.equal(module.costs(step)["l0"], (step.code.z > 0).sum(1).float())
    assert reached(module, module.costs(step)["l0"]) == {"bottleneck.log_threshold"}


@pytest.mark.parametrize("args", [{"threshold": 0.0}, {"threshold": -1.0}, {"bandwidth": 0.0}])
def test_threshold_and_bandwidth_are_positive(args):
    with pytest.raises(ParameterError, match="must be positive, got"):
        JumpReLU(**args).setup(WIDTH)


# ---------------------------------------------------------------- the largest features


@pytest.mark.parametrize("k", [1, 3, WIDTH])
def test_topk_keeps_the_k_largest_of_each_row(k):
    h = draw(B, WIDTH).abs() + 0.1
    z = made(TopK(k))(h).z
    smallest = np.sort(h.numpy(), axis=1)[:, -k]
    np.testing.assert_array_equal(z.numpy(), np.where(h.numpy() >= smallest[:, None], h.numpy(), 0))
    assert (z > 0).sum(1).tolist() == [k] * B


@pytest.mark.parametrize("bottleneck", [TopK(3), BatchTopK(3)], ids=repr)
def test_negative_features_are_never_active(bottleneck):
    h = draw(B, WIDTH) - 1
    code = made(bottleneck)(h)
    assert (code.z >= 0).all()
    assert (code.aux["active"] == (code.z > 0)).all()
    assert not code.aux["active"][h <= 0].any()


@pytest.mark.parametrize("bottleneck", [TopK(3), BatchTopK(3)], ids=repr)
def test_gradient_passes_through_what_was_kept_and_nothing_else(bottleneck):
    h = draw(B, WIDTH).requires_grad_()
    code = made(bottleneck)(h)
    (gradient,) = torch.autograd.grad(code.z.sum(), h)
    assert torch.equal(gradient, code.aux["active"].float())


def test_batch_topk_gives_the_batch_a_budget_that_its_rows_share():
    h = draw(B, WIDTH).abs() + 0.1
    h[0] += 10
    z = made(BatchTopK(2))(h).z
    assert int((z > 0).sum()) == 2 * B
    assert int((z[0] > 0).sum()) == WIDTH
    np.testing.assert_array_equal(np.sort(z[z > 0].numpy()), np.sort(h.numpy(), axis=None)[-2 * B :])


def test_the_threshold_of_batch_topk_is_the_mean_of_the_smallest_that_were_kept():
    bottleneck = cast(BatchTopK, made(BatchTopK(2)))
    smallest = []
    for seed in range(20):
        z = bottleneck(draw(B, WIDTH, seed=seed)).z
        smallest.append(float(z[z > 0].min()))
        np.testing.assert_allclose(bottleneck.threshold, np.mean(smallest), rtol=1e-5)
    before = bottleneck.threshold.clone()
    bottleneck(-draw(B, WIDTH).abs())  # nothing is kept, so nothing is learned
    assert torch.equal(bottleneck.threshold, before)


def test_later_the_threshold_of_batch_topk_follows_what_it_sees():
    bottleneck = cast(BatchTopK, made(BatchTopK(2)))
    for scale, steps in ((1.0, 200), (5.0, 1000)):
        for seed in range(steps):
            bottleneck(scale * draw(B, WIDTH, seed=seed))
    z = 5 * draw(2000, WIDTH, seed=1)
    assert float((bottleneck.eval()(z).z > 0).sum(1).float().mean()) == pytest.approx(2, rel=0.1)


def test_in_evaluation_a_row_of_batch_topk_depends_on_the_threshold_alone():
    bottleneck = made(BatchTopK(2))
    for seed in range(20):
        bottleneck(draw(B, WIDTH, seed=seed))
    bottleneck.eval()
    before = {name: buffer.clone() for name, buffer in bottleneck.named_buffers()}
    h = draw(B, WIDTH, seed=99)
    z = bottleneck(h).z
    assert torch.equal(z, torch.where(h > before["threshold"], h, 0))
    assert (z > 0).sum(1).unique().numel() > 1
    assert torch.equal(bottleneck(torch.cat([h[:1], 100 * h])).z[:1], z[:1])
    assert all(torch.equal(buffer, before[name]) for name, buffer in bottleneck.named_buffers())
    again = made(BatchTopK(2))
    again.load_state_dict(bottleneck.state_dict())
    assert torch.equal(again.eval()(h).z, z)


@pytest.mark.parametrize(("n_active", "latent_dim", "expected"), [("auto", 256, 8), ("auto", 1, 1), (4, 4, 4)])
def test_number_of_active_latents(n_active, latent_dim, expected):
    assert count_active(n_active, latent_dim) == expected


@pytest.mark.parametrize("bad", [0, 9])
def test_number_of_active_latents_that_there_are_not(bad):
    for bottleneck in (TopK(bad), BatchTopK(bad)):
        with pytest.raises(ParameterError, match=f"n_active={bad}, but there are 8 latents"):
            bottleneck.setup(8)


@pytest.mark.parametrize("latent_dim", [16, 100, 1024])
def test_the_start_of_a_rectified_code_is_as_sparse_as_it_should_be(latent_dim):
    rate = stats.norm.sf(sparse_start(latent_dim))
    assert rate * latent_dim == pytest.approx(count_active("auto", latent_dim), rel=1e-6)


# ---------------------------------------------------------------- gates


def test_a_gate_says_which_and_the_magnitude_says_how_much():
    bottleneck = cast(Gated, made(Gated()))
    with torch.no_grad():
        bottleneck.log_gain.copy_(draw(WIDTH, seed=1))
        bottleneck.offset.copy_(draw(WIDTH, seed=2))
    h = draw(B, WIDTH)
    code = bottleneck(h)
    magnitude = bottleneck.log_gain.exp() * h + bottleneck.offset
    torch.testing.assert_close(code.z, magnitude.clamp_min(0) * (h > 0))
    assert torch.equal(code.aux["gate"], h.clamp_min(0))


# ---------------------------------------------------------------- atoms


def test_atoms_have_norm_one_whatever_the_weights():
    layer = UnitNormLinear(nn.Linear(WIDTH, D))
    z = draw(B, WIDTH)
    before = layer(z)
    with torch.no_grad():
        layer.weight.mul_(torch.linspace(0.1, 50, WIDTH)[:, None])
    torch.testing.assert_close(layer.atoms.norm(dim=1), torch.ones(WIDTH))
    torch.testing.assert_close(layer(z), before)
    torch.testing.assert_close(layer(torch.eye(WIDTH)) - layer.bias, layer.atoms)


def test_gathering_is_the_dense_product():
    atoms = draw(300, 40)
    z = draw(B, 300, seed=1) * (draw(B, 300, seed=2) > 2)
    z[0] = z[-1] = z[5] = 0  # rows without any latent, at the ends too
    torch.testing.assert_close(gather(z, atoms), z @ atoms, rtol=1e-4, atol=1e-5)
    assert torch.equal(gather(torch.zeros(3, 300), atoms), torch.zeros(3, 40))


def test_a_model_gathers_where_no_gradient_is_needed():
    assert gathering_pays(4096, 784, 8)
    assert not gathering_pays(64, 784, 8)  # a narrow code
    assert not gathering_pays(4096, 784, 4096)  # a dense one
    torch.manual_seed(0)
    layer = UnitNormLinear(nn.Linear(2048, 400), n_active=4)
    assert layer.gathers
    z = made(TopK(4), 2048)(draw(B, 2048)).z
    dense = layer(z)
    with torch.no_grad():
        torch.testing.assert_close(layer(z), dense.detach(), rtol=1e-4, atol=1e-5)


def test_the_encoder_starts_as_a_copy_of_the_atoms():
    module = compose(TopK(2))
    encoder: Any = module.network.encoder[-1]
    torch.testing.assert_close(encoder.weight, first_layer(module).atoms)
    assert torch.equal(encoder.bias, torch.zeros(WIDTH))
    for bottleneck in (Rectified(), Gated()):
        encoder = compose(bottleneck).network.encoder[-1]
        torch.testing.assert_close(encoder.bias, torch.full((WIDTH,), -sparse_start(WIDTH)))
    deep = compose(TopK(2), network=MLP(hidden=(7,)))
    assert deep.network.encoder[-1].weight.shape == first_layer(deep).weight.shape == (WIDTH, 7)


def test_a_decoder_that_does_not_begin_with_a_linear_layer():
    network = UNet(channels=(2, 3))
    width = network.code_width((8, 8))
    network.setup(event_shape=(8, 8), n_features=width, latent_dim=width, n_outputs=1)
    with pytest.raises(ParameterError, match=r"begins with a linear layer.*use network='linear', 'mlp' or 'conv'"):
        TopK(1).attach(network)
