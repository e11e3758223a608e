"""What "auto" means: the decisions, each with its reason.

| parameter | data | choice |
| --- | --- | --- |
| ``latent_dim`` | any | half the number of values, at most 16 or the number of samples |
| | ``network="unet"`` | all that passes from its encoder to its decoder |
| | ``network="conv_grid"`` | 4 values at each position of the grid |
| | quantised models | as many tokens of 4 values (`FSQVAE`: 3) as fit into a sample, at most 8 |
| | sparse models | four times the number of values, at most 4,096 or the number of samples |
| ``likelihood`` | every value 0 or 1 | Bernoulli |
| | one-hot rows | categorical |
| | anything else | Gaussian with one learned scale |
| | the same, sparse models with a penalty | Gaussian with the scale fixed to 0.3 of the spread of the data |
| ``scaling`` | pictures; columns of one common range; data in [0, 1] | common: each value centred, one scale |
| | counts, under a likelihood of counts | log(1 + x) |
| | pictures, under ``network="unet"`` | global: one mean and one scale |
| | other tables | standard, column by column |
| ``network`` | pictures with both sides at least 16 | convolutional, halved until 4 to 7 pixels remain, batch norm |
| | the same, quantised models | convolutions alone, halved until 5 to 8 pixels remain, if ``latent_dim`` is "auto" |
| | anything else | fully connected, two layers, 64 to 512 wide |
| | sparse models | linear |
| ``max_epochs`` | any | as many as make 5,000 steps, at least 10 and at most 500 |
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

from torch import Tensor

from isthmus.core import Part, named_parts
from isthmus.corruptions import Corruption, CustomCorruption
from isthmus.data.info import DataInfo
from isthmus.errors import ParameterError
from isthmus.likelihoods import Likelihood
from isthmus.networks import MLP, Conv, Linear, Network, Scaling, UNet

MOST_LATENTS = 16
"""Width of the code that is chosen at most."""
_STEPS = 5_000


@dataclass(frozen=True)
class Choice:
    """What a parameter came to, and why."""

    value: str
    reason: str


def choose_latent_dim(latent_dim: int | str, network: Network, info: DataInfo) -> tuple[int, Choice]:
    """Width of the code."""
    passed = network.code_width(info.shape)
    if passed is not None:
        if latent_dim not in ("auto", passed):
            raise ParameterError(
                f"latent_dim={latent_dim}, but {type(network).__name__} passes on {passed:,} values for pictures of "
                f"{' x '.join(map(str, info.shape))}; leave latent_dim='auto', or use network='conv'"
            )
        return passed, Choice(str(passed), f"what a {type(network).__name__} passes from its encoder to its decoder")
    if latent_dim != "auto":
        return int(latent_dim), Choice(str(latent_dim), "as asked")
    width = max(1, min(MOST_LATENTS, info.n_values // 2, info.n_samples))
    reason = f"half of {info.n_values} values per sample, at most {MOST_LATENTS} or the number of samples"
    return width, Choice(str(width), reason)


def choose_likelihood(likelihood: str | Likelihood, info: DataInfo) -> tuple[Likelihood, Choice]:
    """Likelihood of the data given the code."""
    if isinstance(likelihood, Likelihood):
        return copy.deepcopy(likelihood), Choice(repr(likelihood), "as asked")
    if likelihood != "auto":
        return make_named(Likelihood, likelihood, "likelihood"), Choice(likelihood, "as asked")
    if info.one_hot:
        name, reason = "categorical", "every row is zeros but for a single one"
    elif info.is_binary:
        name, reason = "bernoulli", "every value is 0 or 1"
    else:
        name, reason = (
            "gaussian",
            f"{info.dtype} values from {info.low:g} to {info.high:g}; the scale is learned",
        )
        if info.integral and info.low >= 0 and not info.is_picture:
            reason += "; if these are counts, try 'poisson' or 'negative_binomial'"
    return make_named(Likelihood, name, "likelihood"), Choice(name, reason)


def choose_scaling(scaling: str, likelihood: Likelihood, network: Network, info: DataInfo) -> tuple[Scaling, Choice]:
    """Units of the network's input."""
    if scaling != "auto":
        if scaling == "log" and info.low < 0:
            raise ParameterError(f"scaling='log' needs values from 0 up, and the smallest is {info.low:g}")
        return Scaling(scaling), Choice(scaling, "as asked")  # pyright: ignore[reportArgumentType]
    if likelihood.scaling is not None:
        return Scaling(likelihood.scaling), Choice(likelihood.scaling, "suits the likelihood")
    if network.scaling is not None:
        return Scaling(network.scaling), Choice(network.scaling, "suits the network")
    if info.is_picture:
        return Scaling("common"), Choice("common", "pictures: each pixel is centred, and all share one scale")
    if info.is_commensurate:
        return Scaling("common"), Choice(
            "common", "the columns share one range: each is centred, and all share one scale"
        )
    return Scaling("standard"), Choice("standard", "a table: each column to zero mean and unit variance")


def choose_network(network: str | Network, info: DataInfo) -> tuple[Network, Choice]:
    """Encoder and decoder."""
    if isinstance(network, Network):
        return copy.deepcopy(network), Choice(repr(network), "as asked")
    if network == "auto":
        chosen = _conv(info) if suits_convolutions(info) else _mlp(info)
        size = " x ".join(map(str, info.shape))
        reason = f"pictures of {size}" if info.is_picture else f"{info.n_values} columns"
        return chosen, Choice(repr(chosen), reason)
    if network not in NETWORKS:
        raise ParameterError(
            f"unknown network {network!r}; choose from 'auto', {', '.join(map(repr, NETWORKS))}, or give a Network"
        )
    chosen = NETWORKS[network](info)
    return chosen, Choice(repr(chosen), "as asked, sized by the data")


def suits_convolutions(info: DataInfo) -> bool:
    """Whether the data are pictures large enough to be halved a few times."""
    return info.is_picture and min(info.shape[:2]) >= 16


def choose_corruption(corruption: str | Corruption | Callable[[Tensor], Tensor], strength: float | str) -> Corruption:
    """Corruption of this name (at this strength, unless it is "auto"), or the one that was given.

    A part is copied, so that two models never share its buffers; a function is wrapped.
    """
    if isinstance(corruption, Corruption):
        return copy.deepcopy(corruption)
    if not isinstance(corruption, str):
        return CustomCorruption(corruption)
    return make_named(Corruption, corruption, "corruption", () if strength == "auto" else (strength,))


def choose_max_epochs(max_epochs: int | str, n_batches: int) -> tuple[int, Choice]:
    """Passes over the training data."""
    if max_epochs != "auto":
        return int(max_epochs), Choice(str(max_epochs), "as asked")
    n = max(10, min(500, -(-_STEPS // n_batches)))
    return n, Choice(str(n), f"{n * n_batches:,} steps of {n_batches} per epoch, unless it stops early")


P = TypeVar("P", bound=Part)


def make_named(kind: type[P], name: str, what: str, arguments: tuple[Any, ...] = ()) -> P:
    """The part that a name stands for."""
    known = named_parts(kind)
    if name not in known:
        auto = "'auto', " if kind is Likelihood else ""
        raise ParameterError(f"unknown {what} {name!r}; choose from {auto}{', '.join(map(repr, known))}")
    part, options = known[name]
    return part(*arguments, **options)


def _mlp(info: DataInfo) -> MLP:
    width = next((w for w in (64, 128, 256) if info.n_values <= w // 2), 512)
    return MLP(hidden=(width, width))


def _conv(info: DataInfo, pool: Literal["max"] | None = None) -> Conv:
    # Without normalisation the codes of pictures settle far inside the prior, and samples from it are noise.
    return Conv(channels=_channels(info), pool=pool, norm="batch") if info.is_picture else Conv(pool=pool)


def _unet(info: DataInfo) -> UNet:
    return UNet(channels=(16, *(2 * n for n in _channels(info)))) if info.is_picture else UNet()


def grid(info: DataInfo, code_channels: int = 4) -> Conv:
    """Convolutions alone, whose code is a grid of 5 to 8 positions along the shorter side of a picture."""
    channels = _channels(info, 8) if info.is_picture else (16,)
    return Conv(channels, width=None, norm="batch", code_channels=code_channels)


def _channels(info: DataInfo, most: int = 7) -> tuple[int, ...]:
    """Channels of each stage that halves a picture, until at most so many pixels remain."""
    channels, side = [16], min(info.shape[:2]) // 2
    while side > most and len(channels) < 6:
        channels.append(min(2 * channels[-1], 256))
        side //= 2
    return tuple(channels)


# What does not suit the data says so when it is set up.
NETWORKS: dict[str, Callable[[DataInfo], Network]] = {
    "linear": lambda info: Linear(),
    "mlp": _mlp,
    "conv": _conv,
    "conv_pool": lambda info: _conv(info, pool="max"),
    "conv_grid": grid,
    "unet": _unet,
}
