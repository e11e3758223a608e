"""What "auto" means: the decisions, each with its reason.

| parameter | data | choice |
| --- | --- | --- |
| ``latent_dim`` | any | half the number of values, at most 16 or the number of samples |
| ``likelihood`` | every value 0 or 1 | Bernoulli |
| | one-hot rows | categorical |
| | anything else | Gaussian with one learned scale |
| ``scaling`` | pictures; columns of one common range; data in [0, 1] | common: each value centred, one scale |
| | counts, under a likelihood of counts | log(1 + x) |
| | other tables | standard, column by column |
| ``network`` | pictures with both sides at least 16 | convolutional, halved until 4 to 7 pixels remain, batch norm |
| | anything else | fully connected, two layers, 64 to 512 wide |
| ``max_epochs`` | any | as many as make 5,000 steps, at least 10 and at most 500 |
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any

from isthmus.core import Part
from isthmus.data.info import DataInfo
from isthmus.errors import ParameterError
from isthmus.likelihoods import Likelihood, named_likelihoods
from isthmus.networks import MLP, Conv, Linear, Network, Scaling

_STEPS = 5_000
_NETWORKS: dict[str, type[Network]] = {"linear": Linear, "mlp": MLP, "conv": Conv}


@dataclass(frozen=True)
class Choice:
    """What a parameter came to, and why."""

    value: str
    reason: str


def choose_latent_dim(latent_dim: int | str, info: DataInfo) -> tuple[int, Choice]:
    """Width of the code."""
    if latent_dim != "auto":
        return int(latent_dim), Choice(str(latent_dim), "as asked")
    width = max(1, min(16, info.n_values // 2, info.n_samples))
    return width, Choice(str(width), f"half of {info.n_values} values per sample, at most 16 or the number of samples")


def choose_likelihood(likelihood: str | Likelihood, info: DataInfo) -> tuple[Likelihood, Choice]:
    """Likelihood of the data given the code."""
    if isinstance(likelihood, Likelihood):
        return copy.deepcopy(likelihood), Choice(repr(likelihood), "as asked")
    if likelihood != "auto":
        kind, args = _named(likelihood)
        return kind(**args), Choice(likelihood, "as asked")
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
    kind, args = _named(name)
    return kind(**args), Choice(name, reason)


def choose_scaling(scaling: str, likelihood: Likelihood, info: DataInfo) -> tuple[Scaling, Choice]:
    """Units of the network's input."""
    if scaling != "auto":
        if scaling == "log" and info.low < 0:
            raise ParameterError(f"scaling='log' needs values from 0 up, and the smallest is {info.low:g}")
        return Scaling(scaling), Choice(scaling, "as asked")  # pyright: ignore[reportArgumentType]
    if likelihood.scaling is not None:
        return Scaling(likelihood.scaling), Choice(likelihood.scaling, "suits the likelihood")
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
        big = info.is_picture and min(info.shape[:2]) >= 16
        chosen = _conv(info) if big else _mlp(info)
        size = " x ".join(map(str, info.shape))
        reason = f"pictures of {size}" if info.is_picture else f"{info.n_values} columns"
        return chosen, Choice(repr(chosen), reason)
    if network not in _NETWORKS:
        raise ParameterError(
            f"unknown network {network!r}; choose from 'auto', {', '.join(map(repr, _NETWORKS))}, or give a Network"
        )
    sized = {"mlp": _mlp, "conv": _conv}
    chosen = sized[network](info) if network in sized else _NETWORKS[network]()
    return chosen, Choice(repr(chosen), "as asked, sized by the data")


def choose_max_epochs(max_epochs: int | str, n_batches: int) -> tuple[int, Choice]:
    """Passes over the training data."""
    if max_epochs != "auto":
        return int(max_epochs), Choice(str(max_epochs), "as asked")
    n = max(10, min(500, -(-_STEPS // n_batches)))
    return n, Choice(str(n), f"{n * n_batches:,} steps of {n_batches} per epoch, unless it stops early")


def _named(name: str) -> tuple[type[Likelihood], dict[str, Any]]:
    known = named_likelihoods()
    if name not in known:
        raise ParameterError(f"unknown likelihood {name!r}; choose from 'auto', {', '.join(map(repr, known))}")
    return known[name]


def _mlp(info: DataInfo) -> MLP:
    width = next((w for w in (64, 128, 256) if info.n_values <= w // 2), 512)
    return MLP(hidden=(width, width))


def _conv(info: DataInfo) -> Conv:
    if not info.is_picture:
        return Conv()  # which says, when it is set up, that it needs pictures
    channels, side = [16], min(info.shape[:2]) // 2
    while side > 7 and len(channels) < 6:
        channels.append(min(2 * channels[-1], 256))
        side //= 2
    # Without normalisation the codes of pictures settle far inside the prior, and samples from it are noise.
    return Conv(channels=tuple(channels), norm="batch")


def part_named(name: str) -> type[Part]:
    """Class of a part, for a saved run."""
    if name not in Part.kinds:
        raise ParameterError(f"unknown part {name!r}; import the module that defines it first")
    return Part.kinds[name]
