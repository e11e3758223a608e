"""Encoder and decoder pairs: shapes, gradients, independence of rows, and the variance they start with."""

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from isthmus.errors import ParameterError
from isthmus.networks import MLP, Conv, Linear, Network

ACTIVATIONS = ["relu", "leaky_relu", "elu", "gelu", "silu", "tanh", "sigmoid"]
PICTURES = [(28, 28), (28, 20), (7, 5), (3, 9), (1, 1), (64, 64, 3), (17, 33, 1)]
SHAPES = [(5,), (1,), *PICTURES]
NORMS = [None, "batch", "layer"]
POOLS = [None, "max", "avg"]
LATENT_DIM, N_FEATURES, N_OUTPUTS = 3, 4, 2


def conv(**options) -> Conv:
    return Conv(**{"channels": (4, 6), "width": 16, **options})


def mlp(**options) -> MLP:
    return MLP(**{"hidden": (16, 12), **options})


FULLY_CONNECTED = [Linear(), *(mlp(norm=norm) for norm in NORMS), mlp(hidden=()), mlp(dropout=0.2)]
CONVOLUTIONAL = [conv(pool=pool, norm=norm) for pool in POOLS for norm in NORMS]
CONVOLUTIONAL += [conv(kernel_size=size, pool=pool, channels=(4,)) for size in (5, 7) for pool in (None, "avg")]
ACTIVATED = [mlp(activation=name) for name in ACTIVATIONS]
ACTIVATED += [conv(activation=name, pool=pool) for name in ACTIVATIONS for pool in POOLS]
CASES = [(network, shape) for network in FULLY_CONNECTED for shape in SHAPES]
CASES += [(network, shape) for network in CONVOLUTIONAL for shape in PICTURES]
CASES += [(network, (7, 5)) for network in ACTIVATED]


def each(cases: list[tuple[Network, tuple[int, ...]]]):
    names = [f"{network}-{'x'.join(map(str, shape))}" for network, shape in cases]
    return pytest.mark.parametrize(("network", "shape"), cases, ids=names)


def set_up(network: Network, shape: tuple[int, ...], seed: int = 0) -> Network:
    """Fresh network of the same configuration."""
    torch.manual_seed(seed)
    network = type(network)(**network.config())
    network.setup(event_shape=shape, n_features=N_FEATURES, latent_dim=LATENT_DIM, n_outputs=N_OUTPUTS)
    return network


def largest_gradients(part: nn.Module) -> dict[str, float]:
    return {
        name: 0.0 if parameter.grad is None else parameter.grad.abs().max().item()
        for name, parameter in part.named_parameters()
    }


@each(CASES)
def test_shapes_gradients_and_independent_rows(network, shape):
    network = set_up(network, shape)
    halves = [
        (network.encoder, torch.randn(8, *shape), (8, N_FEATURES)),
        (network.decoder, torch.randn(8, LATENT_DIM), (8, *shape, N_OUTPUTS)),
    ]
    for half, given, expected in halves:
        output = half(given)
        assert output.shape == expected
        assert output.isfinite().all()
        (output * torch.randn(expected)).sum().backward()
        gradients = largest_gradients(half)
        # Rounding leaves about 1e-7 of the largest gradient where there is none, as in a bias before batch norm.
        dead = [name for name, value in gradients.items() if value < 1e-5 * max(gradients.values())]
        assert not dead, f"no gradient reaches {dead}"
        check_eval(half, given)


@torch.no_grad()
def check_eval(half: nn.Module, given: Tensor) -> None:
    """Deterministic, and the same for a row alone, in another order, or in another batch."""
    half.eval()
    whole = half(given)
    assert torch.equal(half(given), whole)
    alone = torch.cat([half(row) for row in given.split(1)])
    torch.testing.assert_close(alone, whole, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(half(given.flip(0)).flip(0), whole, rtol=1e-4, atol=1e-5)


def test_dropout_is_random_in_training_only():
    network = set_up(mlp(dropout=0.5), (5,))
    x = torch.randn(8, 5)
    assert not torch.equal(network.encoder(x), network.encoder(x))
    network.eval()
    assert torch.equal(network.encoder(x), network.encoder(x))


def test_dropout_never_touches_the_code_or_the_output():
    # Dropped outputs would be zeros whatever the weights.
    network = set_up(mlp(dropout=0.9), (50,))
    assert (network.encoder(torch.randn(20, 50)) != 0).any(0).all()
    assert not isinstance(network.encoder[-1], nn.Dropout)


def test_a_linear_network_is_affine_both_ways():
    network = set_up(Linear(), (2, 3))
    for half, a, b in (
        (network.encoder, torch.randn(4, 2, 3), torch.randn(4, 2, 3)),
        (network.decoder, torch.randn(4, LATENT_DIM), torch.randn(4, LATENT_DIM)),
    ):
        torch.testing.assert_close(half(0.25 * a + 0.75 * b), 0.25 * half(a) + 0.75 * half(b))


@pytest.mark.parametrize("pool", POOLS)
def test_each_stage_of_the_encoder_halves_and_the_decoder_retraces_its_sizes(pool):
    network = set_up(conv(pool=pool, channels=(4, 4, 4)), (17, 10))
    sizes = {"encoder": [], "decoder": []}

    def note(half: str):
        return lambda _, __, output: sizes[half].append(tuple(output.shape[2:]))

    for half in sizes:
        for layer in getattr(network, half):
            if not isinstance(layer, nn.Flatten):
                layer.register_forward_hook(note(half))
    network.decoder(torch.randn(2, LATENT_DIM))
    network.encoder(torch.randn(2, 17, 10))
    halved = [(17, 10), (9, 5), (5, 3), (3, 2)]
    assert list(dict.fromkeys(s for s in sizes["encoder"] if len(s) == 2)) == halved
    visited = [s for s in sizes["decoder"] if s in halved]
    assert list(dict.fromkeys(visited)) == halved[::-1]


def test_channels_and_outputs_of_the_decoder_are_not_mixed_up():
    # With the channels last in memory, (C · n_outputs) channels must unfold to (C, n_outputs) in that order.
    network = set_up(conv(), (8, 8, 3))
    last = [layer for layer in network.decoder if isinstance(layer, nn.ConvTranspose2d)][-1]
    with torch.no_grad():
        last.weight.zero_()
        last.bias.copy_(torch.arange(6.0))  # pyright: ignore[reportOptionalMemberAccess]
    expected = torch.arange(6.0).reshape(3, N_OUTPUTS).expand(2, 8, 8, 3, N_OUTPUTS)
    assert torch.equal(network.decoder(torch.randn(2, LATENT_DIM)), expected)


def test_pictures_with_a_channel_axis_of_one_are_those_without():
    with_axis, without = (set_up(conv(), shape) for shape in ((9, 7, 1), (9, 7)))
    without.load_state_dict(with_axis.state_dict())
    x = torch.randn(3, 9, 7)
    torch.testing.assert_close(with_axis.encoder(x.unsqueeze(-1)), without.encoder(x))
    z = torch.randn(3, LATENT_DIM)
    torch.testing.assert_close(with_axis.decoder(z).squeeze(3), without.decoder(z))


def smooth_pictures(n: int, side: int) -> Tensor:
    """Pictures of four patches, of unit variance: as in photographs, neighbours are alike."""
    return interpolate(torch.randn(n, 1, 2, 2), size=(side, side), mode="nearest")[:, 0]


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_a_deep_mlp_neither_fades_nor_explodes_at_the_start(name):
    check_variance(MLP(hidden=(128,) * 6, activation=name), (20,), torch.randn(64, 20))


@pytest.mark.parametrize("pool", POOLS)
# Not the sigmoid: its outputs share a mean far larger than their spread, so that few channels are a matter of luck.
@pytest.mark.parametrize("name", ACTIVATIONS[:-1])
def test_a_deep_convolutional_network_neither_fades_nor_explodes_at_the_start(name, pool):
    network = Conv(channels=(16, 32, 64), pool=pool, activation=name, width=64)
    check_variance(network, (32, 32), smooth_pictures(64, 32))


@torch.no_grad()
def check_variance(network: Network, shape: tuple[int, ...], x: Tensor) -> None:
    network = set_up(network, shape)
    assert 1e-4 < network.encoder(x).var().item() < 10
    assert 1e-4 < network.decoder(torch.randn(64, LATENT_DIM)).var().item() < 10


@pytest.mark.parametrize(
    ("network", "shape", "message"),
    [
        (mlp(activation="swish"), (5,), "unknown activation 'swish'; choose from relu, .*sigmoid"),
        (mlp(norm="instance"), (5,), "unknown norm 'instance'; choose None, batch, layer"),
        (mlp(hidden=(8, 0)), (5,), r"at least one unit each, got hidden=\(8, 0\)"),
        (mlp(dropout=1.5), (5,), r"dropout.*1\.5"),
        (mlp(dropout=1.0), (5,), r"dropout.*1\.0"),
        (mlp(dropout=-0.1), (5,), r"dropout.*-0\.1"),
        (conv(), (5,), r"needs pictures.*shape \(5,\); pass image_shape.*network='mlp'"),
        (conv(), (2, 3, 4, 5), r"needs pictures.*shape \(2, 3, 4, 5\)"),
        (conv(pool="min"), (8, 8), "unknown pool 'min'; choose None, 'max' or 'avg'"),
        (conv(kernel_size=4), (8, 8), "kernel_size must be odd and at least 3, got 4"),
        (conv(kernel_size=1), (8, 8), "kernel_size must be odd and at least 3, got 1"),
        (conv(norm="group"), (8, 8), "unknown norm 'group'"),
        (conv(activation="swish"), (8, 8), "unknown activation 'swish'"),
        (conv(channels=()), (8, 8), r"channels.*\(\)"),
        (conv(channels=(4, 0)), (8, 8), r"channels.*\(4, 0\)"),
        (conv(width=0), (8, 8), "width.*0"),
    ],
    ids=str,
)
def test_options_that_do_not_fit_are_refused_in_one_line(network, shape, message):
    with pytest.raises(ParameterError, match=message) as caught:
        set_up(network, shape)
    assert "\n" not in str(caught.value)
