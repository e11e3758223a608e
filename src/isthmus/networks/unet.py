"""A convolutional pair that passes on every scale of a picture: for restoring pictures, not for compressing them."""

from __future__ import annotations

import math
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, interpolate

from isthmus.errors import ParameterError
from isthmus.networks.base import Activation, Network, activation, init_conv
from isthmus.networks.conv import ChannelsFirst, ChannelsLast

Size = tuple[int, int]


class UNet(Network):
    """Convolutions only, with a code that holds the features of every scale (after Ronneberger et al., 2015).

    The encoder halves the picture at each stage; the code is all its feature maps, laid flat, from the full size to the
    smallest; the decoder grows back and reads each of them on its way (the skip connections). The code is wider than
    the picture: what keeps the model from copying its input has to be a corruption. The same weights also take
    pictures of half the height and width.

    Parameters
    ----------
    channels : tuple of int
        Channels at each scale, the full size first.
    activation : str
        One of relu, leaky_relu, elu, gelu, silu, tanh, sigmoid.
    """

    scaling = "global"

    def __init__(self, channels: tuple[int, ...] = (16, 32, 64), activation: Activation = "silu") -> None:
        super().__init__()
        self.channels = channels
        self.activation = activation

    def code_width(self, event_shape: tuple[int, ...]) -> int:
        return _n_values(self.channels, self._sizes(event_shape))

    def make_encoder(self, event_shape: tuple[int, ...], n_features: int) -> nn.Sequential:
        if n_features != self.code_width(event_shape):
            raise ParameterError(
                "a UNet passes its features on as they are, so it has no place for a distribution of the code; use it "
                "with a model whose code is deterministic, or use network='conv'"
            )
        return nn.Sequential(ChannelsFirst(), Contract(_depth(event_shape), self.channels, self.activation))

    def make_decoder(self, event_shape: tuple[int, ...], latent_dim: int, n_outputs: int) -> nn.Sequential:
        full = self._sizes(event_shape)
        half = _halved((event_shape[0] // 2, event_shape[1] // 2), len(self.channels))
        expand = Expand([full, half], self.channels, _depth(event_shape) * n_outputs, self.activation)
        return nn.Sequential(expand, ChannelsLast(), Outputs(event_shape, n_outputs))

    def _sizes(self, event_shape: tuple[int, ...]) -> list[Size]:
        if len(event_shape) not in (2, 3):
            raise ParameterError(
                f"a UNet needs pictures (n, H, W) or (n, H, W, C), and a sample here has shape {event_shape}; pass "
                "image_shape=(H, W), or use network='mlp'"
            )
        if not self.channels or min(self.channels) < 1:
            raise ParameterError(f"channels must be positive, with at least one scale, got {self.channels}")
        return _halved((event_shape[0], event_shape[1]), len(self.channels))


class Contract(nn.Module):
    """(B, C, H, W) to the flat features of every scale, (B, n)."""

    def __init__(self, n_in: int, channels: tuple[int, ...], act: str) -> None:
        super().__init__()
        self.stages = nn.ModuleList(_double(a, b, act) for a, b in pairwise((n_in, *channels)))

    def forward(self, x: Tensor) -> Tensor:
        maps = []
        for number, stage in enumerate(self.stages):
            x = stage(x if number == 0 else avg_pool2d(x, 2, ceil_mode=True))
            maps.append(x.flatten(1))
        return torch.cat(maps, 1)


class Expand(nn.Module):
    """Flat features of every scale, (B, n), to (B, n_out, H, W)."""

    def __init__(self, plans: list[list[Size]], channels: tuple[int, ...], n_out: int, act: str) -> None:
        super().__init__()
        self.channels = channels
        self.plans = {_n_values(channels, sizes): sizes for sizes in plans}
        self.stages = nn.ModuleList(_double(a + b, a, act) for a, b in pairwise(channels))
        self.last = _conv(channels[0], n_out)

    def forward(self, code: Tensor) -> Tensor:
        sizes = self.plans[code.shape[1]]
        widths = [n * math.prod(size) for n, size in zip(self.channels, sizes, strict=True)]
        maps = [
            flat.reshape(code.shape[0], n, *size)
            for flat, n, size in zip(code.split(widths, 1), self.channels, sizes, strict=True)
        ]
        x = maps.pop()
        for stage, beside in zip(reversed(self.stages), reversed(maps), strict=True):
            x = stage(torch.cat([beside, interpolate(x, size=beside.shape[2:], mode="nearest")], 1))
        return self.last(x)


class Outputs(nn.Module):
    """(B, H, W, C * n_outputs) to (B, H, W, n_outputs) or (B, H, W, C, n_outputs), whatever the height and width."""

    def __init__(self, event_shape: tuple[int, ...], n_outputs: int) -> None:
        super().__init__()
        self.rest = (*event_shape[2:], n_outputs)

    def forward(self, y: Tensor) -> Tensor:
        return y.reshape(*y.shape[:3], *self.rest)


def _double(n_in: int, n_out: int, act: str) -> nn.Sequential:
    return nn.Sequential(_conv(n_in, n_out), activation(act), _conv(n_out, n_out), activation(act))


def _conv(n_in: int, n_out: int) -> nn.Conv2d:
    conv = nn.Conv2d(n_in, n_out, 3, padding=1)
    init_conv(conv, 9 * n_in)
    return conv


def _halved(size: Size, n: int) -> list[Size]:
    sizes = [size]
    for _ in range(n - 1):
        height, width = sizes[-1]
        sizes.append((-(-height // 2), -(-width // 2)))
    return sizes


def _n_values(channels: tuple[int, ...], sizes: list[Size]) -> int:
    return sum(n * math.prod(size) for n, size in zip(channels, sizes, strict=True))


def _depth(event_shape: tuple[int, ...]) -> int:
    return event_shape[2] if len(event_shape) == 3 else 1
