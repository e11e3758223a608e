"""Convolutional networks for pictures of any height, width and number of channels."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Literal, cast

from torch import Tensor, nn
from torch.nn.functional import conv_transpose2d, interpolate

from isthmus.errors import ParameterError
from isthmus.networks.base import (
    Activation,
    Halves,
    Network,
    Normalization,
    Unflatten,
    activation,
    check_normalization,
    init_conv,
    linear,
    nested,
)


class Conv(Network):
    """Convolutions that halve the picture at each stage, and their mirror image as decoder.

    A side of odd length is rounded up when it is halved, and the decoder grows back to exactly the sizes that
    the encoder saw, so that no picture is padded or cropped.

    Parameters
    ----------
    channels : tuple of int
        Channels of each stage; each stage halves height and width.
    pool : {None, "max", "avg"}
        None: the convolution itself has stride 2, and its mirror is a transposed convolution. Otherwise
        convolution, then pooling; its mirror is nearest-neighbour upsampling, then convolution.
    kernel_size : int
        Odd side of the kernels, at least 3.
    width : int or None
        Units of the fully connected layer between the last stage and the code. None: there is no such layer. The code
        is then the grid of the last stage itself, ``code_channels`` values at each position, one position after the
        other, which fixes the width of the code.
    activation : str
        One of relu, leaky_relu, elu, gelu, silu, tanh, sigmoid.
    norm : {None, "batch", "layer"}
        Normalisation after each convolution ("layer" normalises each sample over channels and positions).
    code_channels : int
        With ``width=None``, values of the code at each position of the grid.
    """

    def __init__(
        self,
        channels: tuple[int, ...] = (32, 64, 128),
        pool: Literal["max", "avg"] | None = None,
        kernel_size: int = 3,
        width: int | None = 256,
        activation: Activation = "silu",
        norm: Normalization | None = None,
        code_channels: int = 4,
    ) -> None:
        super().__init__()
        self.channels = channels
        self.pool = pool
        self.kernel_size = kernel_size
        self.width = width
        self.activation = activation
        self.norm = norm
        self.code_channels = code_channels

    def code_width(self, event_shape: tuple[int, ...]) -> int | None:
        return None if self.width is not None else self.code_channels * math.prod(self._plan(event_shape)[0][-1])

    def make_encoder(self, event_shape: tuple[int, ...], n_features: int) -> nn.Sequential:
        sizes, n_channels = self._plan(event_shape)
        stages: list[nn.Module] = [ChannelsFirst()]
        for n_in, n_out in pairwise(n_channels):
            stages += self._down(n_in, n_out)
        return nn.Sequential(*stages, *self._to_code(n_channels[-1], sizes[-1], n_features))

    def make_decoder(self, event_shape: tuple[int, ...], latent_dim: int, n_outputs: int) -> nn.Sequential:
        sizes, n_channels = self._plan(event_shape)
        stages = self._from_code(n_channels[-1], sizes[-1], latent_dim)
        for stage in range(len(self.channels), 0, -1):
            n_out = n_channels[stage - 1] if stage > 1 else n_channels[0] * n_outputs
            stages += self._up(n_channels[stage], n_out, sizes[stage], sizes[stage - 1], last=stage == 1)
        return nn.Sequential(*stages, ChannelsLast(), Unflatten(event_shape, n_outputs))

    def _to_code(self, n_channels: int, size: tuple[int, int], n_features: int) -> list[nn.Module]:
        if self.width is None:
            n_parts, rest = divmod(n_features, self.code_channels * math.prod(size))
            assert rest == 0, "as many features as there are values of the code, or a multiple"
            return [self._same(n_channels, n_parts * self.code_channels), Positions(n_parts, self.code_channels)]
        return [
            nn.Flatten(),
            linear(n_channels * math.prod(size), self.width),
            activation(self.activation),
            linear(self.width, n_features),
        ]

    def _from_code(self, n_channels: int, size: tuple[int, int], latent_dim: int) -> list[nn.Module]:
        if self.width is None:
            conv = self._same(self.code_channels, n_channels, bias=self.norm != "batch")
            layers = [conv, *self._norm(n_channels), activation(self.activation)]
            return [nn.Unflatten(1, (*size, self.code_channels)), ChannelsFirst(), *layers]
        return [
            linear(latent_dim, self.width),
            activation(self.activation),
            linear(self.width, n_channels * math.prod(size)),
            activation(self.activation),
            nn.Unflatten(1, (n_channels, *size)),
        ]

    def _same(self, n_in: int, n_out: int, *, bias: bool = True) -> nn.Conv2d:
        """Convolution that keeps the size of the grid."""
        conv = nn.Conv2d(n_in, n_out, self.kernel_size, padding=self.kernel_size // 2, bias=bias)
        init_conv(conv, n_in * self.kernel_size**2)
        return conv

    @property
    def n_stages(self) -> int:
        return len(self.channels) + 1

    def stages(self) -> list[Halves]:
        """Each halving with its mirror image, then the layers between the last of them and the code."""
        n = len(self.channels)
        # Besides the halvings: what makes the code, and what reads it.
        inner, outer = (4, 5) if self.width is not None else (2, 4 if self.norm is None else 5)
        each = (len(self.encoder) - 1 - inner) // n
        ends = [each * (number + 1) for number in range(n)]
        return nested(self.encoder, self.decoder, [1 + end for end in ends], [outer + end - each for end in ends])

    def _plan(self, event_shape: tuple[int, ...]) -> tuple[list[tuple[int, int]], tuple[int, ...]]:
        """Size of the picture and number of channels at each stage, the input included."""
        check_normalization(self.norm)
        if len(event_shape) not in (2, 3):
            raise ParameterError(
                f"a convolutional network needs pictures (n, H, W) or (n, H, W, C), and a sample here has shape "
                f"{event_shape}; pass image_shape=(H, W), or use network='mlp'"
            )
        if self.pool not in (None, "max", "avg"):
            raise ParameterError(f"unknown pool {self.pool!r}; choose None, 'max' or 'avg'")
        # A kernel of one pixel would only drop pixels; and PyTorch 2.13's CPU kernel for it, with stride 2 on
        # channels-last pictures, writes past its memory in the backward pass.
        if self.kernel_size < 3 or self.kernel_size % 2 == 0:
            raise ParameterError(f"kernel_size must be odd and at least 3, got {self.kernel_size}")
        if not self.channels or min(*self.channels, self.code_channels, self.width or 1) < 1 or self.width == 0:
            raise ParameterError(
                f"channels, width and code_channels must be positive, with at least one stage, got channels="
                f"{self.channels}, width={self.width} and code_channels={self.code_channels}"
            )
        sizes = [(event_shape[0], event_shape[1])]
        for _ in self.channels:
            height, width = sizes[-1]
            sizes.append((-(-height // 2), -(-width // 2)))
        n_input = event_shape[2] if len(event_shape) == 3 else 1
        return sizes, (n_input, *self.channels)

    def _down(self, n_in: int, n_out: int) -> list[nn.Module]:
        padding = self.kernel_size // 2
        stride = 2 if self.pool is None else 1
        conv = nn.Conv2d(n_in, n_out, self.kernel_size, stride, padding, bias=self.norm != "batch")
        init_conv(conv, n_in * self.kernel_size**2)
        stages = [conv, *self._norm(n_out), activation(self.activation)]
        if self.pool is not None:
            pooling = nn.MaxPool2d if self.pool == "max" else nn.AvgPool2d
            stages.append(pooling(2, ceil_mode=True))
        return stages

    def _up(
        self, n_in: int, n_out: int, size: tuple[int, int], target: tuple[int, int], *, last: bool
    ) -> list[nn.Module]:
        padding = self.kernel_size // 2
        bias = last or self.norm != "batch"
        if self.pool is None:
            # Stride 2 gives 2n - 1 rows; an even target needs one more.
            extra = (target[0] - (2 * size[0] - 1), target[1] - (2 * size[1] - 1))
            stages: list[nn.Module] = [
                TransposedConv(n_in, n_out, self.kernel_size, 2, padding, output_padding=extra, bias=bias)
            ]
            # With stride 2 each output sees a quarter of the kernel.
            n_seen = n_in * self.kernel_size**2 / 4
        else:
            conv = nn.Conv2d(n_in, n_out, self.kernel_size, padding=padding, bias=bias)
            stages, n_seen = [Upsample(target), conv], n_in * self.kernel_size**2
        init_conv(stages[-1], n_seen)
        return stages if last else [*stages, *self._norm(n_out), activation(self.activation)]

    def _norm(self, n_channels: int) -> list[nn.Module]:
        if self.norm is None:
            return []
        return [nn.BatchNorm2d(n_channels) if self.norm == "batch" else nn.GroupNorm(1, n_channels)]


class TransposedConv(nn.ConvTranspose2d):
    """Transposed convolution that adds its bias afterwards.

    The same numbers, but for rounding; PyTorch's CPU kernels are up to seven times slower if they are to add it.
    """

    def forward(self, input: Tensor, output_size: list[int] | None = None) -> Tensor:
        y = conv_transpose2d(
            input,
            self.weight,
            None,
            self.stride,
            cast(tuple[int, int], self.padding),
            self.output_padding,
            self.groups,
            self.dilation,
        )
        # Autocast would leave the sum in float32.
        return y if self.bias is None else y + self.bias.to(y.dtype).view(-1, 1, 1)


class ChannelsFirst(nn.Module):
    """(B, H, W) or (B, H, W, C) to (B, C, H, W); the memory stays as it is."""

    def forward(self, x: Tensor) -> Tensor:
        return x.unsqueeze(1) if x.ndim == 3 else x.permute(0, 3, 1, 2)


class ChannelsLast(nn.Module):
    """(B, C, H, W) to (B, H, W, C)."""

    def forward(self, x: Tensor) -> Tensor:
        return x.permute(0, 2, 3, 1)


class Positions(nn.Module):
    """(B, n_parts * C, H, W) to (B, n_parts * H * W * C): of each part, the values of one position after the other."""

    def __init__(self, n_parts: int, channels: int) -> None:
        super().__init__()
        self.parts = (n_parts, channels)

    def forward(self, x: Tensor) -> Tensor:
        return x.flatten(2).unflatten(1, self.parts).transpose(2, 3).flatten(1)


class Upsample(nn.Module):
    """Nearest-neighbour enlargement to a given size."""

    def __init__(self, size: tuple[int, int]) -> None:
        super().__init__()
        self.size = size

    def forward(self, x: Tensor) -> Tensor:
        return interpolate(x, size=self.size, mode="nearest")
