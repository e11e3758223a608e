"""A convolutional ladder: latents at several scales of a picture, drawn from the smallest to the largest."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from isthmus.core import Code
from isthmus.errors import ParameterError
from isthmus.networks.base import Network, init_conv
from isthmus.networks.conv import ChannelsFirst, ChannelsLast, Upsample
from isthmus.networks.rungs import Residual, Rung, Shares, TopDown, flat, spread
from isthmus.networks.unet import Outputs

Size = tuple[int, int]


class Ladder(Network):
    """Convolutions whose code is maps of latents at several scales (after Child, 2021; Vahdat & Kautz, 2020).

    The encoder halves the picture at each scale, and says something to every layer of latents. The decoder starts at
    the smallest scale; each layer adds its latents to the state, from which follow the prior of the next layer and, at
    the end, the picture. All blocks are residual and have no normalisation, so that rows do not depend on each other.

    Parameters
    ----------
    layers : tuple of int
        Layers of latents at each scale, the smallest picture first. The largest scale is half of the height and width.
        At a scale with 0 layers there are convolutions only.
    width : int
        Channels.
    latents : int
        Latents of each position of a layer at the largest scale; twice as many at each smaller one.
    dropout : float
        Share of hidden units dropped while training, in the blocks that are handed on.
    """

    only_with = "LadderGaussian"

    def __init__(
        self, layers: tuple[int, ...] = (1, 1, 1), width: int = 32, latents: int = 4, dropout: float = 0.0
    ) -> None:
        super().__init__()
        self.layers = layers
        self.width = width
        self.latents = latents
        self.dropout = dropout

    def code_width(self, event_shape: tuple[int, ...]) -> int:
        plan = zip(self.layers, self._latents(), self._sizes(event_shape), strict=True)
        return sum(layers * latents * math.prod(size) for layers, latents, size in plan)

    def make_encoder(self, event_shape: tuple[int, ...], n_features: int) -> nn.Sequential:
        return nn.Sequential(ChannelsFirst(), Climb(_depth(event_shape), self.width, self.layers, self.dropout))

    def make_decoder(self, event_shape: tuple[int, ...], latent_dim: int, n_outputs: int) -> nn.Sequential:
        ladder, way = self._make_rungs(self._sizes(event_shape))
        head = [*way, *self._make_head(event_shape, n_outputs)]
        return nn.Sequential(Descend(ladder), *head, ChannelsLast(), Outputs(event_shape, n_outputs))

    @property
    def ladder(self) -> TopDown:
        """The layers of latents."""
        return self.decoder[0].ladder  # pyright: ignore[reportReturnType]

    def decode(self, code: Code) -> Tensor:
        """As the decoder does, from where the bottleneck left off if it has been down the ladder."""
        if "state" not in code.aux:
            return self.decoder(code.z)
        return self.decoder[1:](code.aux["state"])

    def taps(self, features: Tensor) -> list[Tensor]:
        """What the encoder says to each layer, the top one first, taken out of its features (B, n_features)."""
        sizes = self.ladder.sizes
        parts = features.split([self.width * math.prod(size) for size in sizes], 1)
        return [spread(part, size) for part, size in zip(parts, sizes, strict=True)]

    def _make_rungs(self, sizes: list[Size]) -> tuple[TopDown, list[nn.Module]]:
        """The layers of latents, and what comes below the last of them before the full size."""
        rungs: list[Rung] = []
        passages: list[nn.Module] = []
        at: list[Size] = []
        shares = Shares(1 / math.sqrt(sum(self.layers)), told=0.1, taken=0.3)
        way: list[nn.Module] = []
        for number, (layers, latents, size) in enumerate(zip(self.layers, self._latents(), sizes, strict=True)):
            if number:
                way.append(Grow(size, self.width))
            if layers == 0:
                way.append(Residual(_conv, self.width, shares.block, self.dropout))
            for _ in range(layers):
                rungs.append(Rung(_conv, self.width, latents, shares, top=not rungs, last=False, dropout=self.dropout))
                passages.append(nn.Sequential(*way))
                at.append(size)
                way = []
        return TopDown(rungs, at, passages, torch.zeros(self.width, *sizes[0])), way

    def _make_head(self, event_shape: tuple[int, ...], n_outputs: int) -> list[nn.Module]:
        """From the largest scale of the state to the picture, by convolutions of half the channels at its full size."""
        narrow = max(1, self.width // 2)
        return [
            nn.SiLU(),
            Upsample((event_shape[0], event_shape[1])),
            _conv(self.width, narrow),
            Residual(_conv, narrow, 1.0, self.dropout),
            nn.SiLU(),
            _conv(narrow, _depth(event_shape) * n_outputs),
        ]

    def _latents(self) -> list[int]:
        return [self.latents * 2**number for number in reversed(range(len(self.layers)))]

    def _sizes(self, event_shape: tuple[int, ...]) -> list[Size]:
        """Height and width at each scale, the smallest first."""
        if len(event_shape) not in (2, 3):
            raise ParameterError(
                f"a Ladder needs pictures (n, H, W) or (n, H, W, C), and a sample here has shape {event_shape}; pass "
                "image_shape=(H, W), or use network='mlp'"
            )
        if not any(self.layers) or min(self.layers) < 0 or self.layers[0] == 0:
            raise ParameterError(
                f"a Ladder needs layers of latents, from the smallest scale on, got layers={self.layers}"
            )
        if self.width < 1 or self.latents < 1 or not 0 <= self.dropout < 1:
            raise ParameterError(
                f"width and latents must be positive, and dropout at least 0 and below 1, got width={self.width}, "
                f"latents={self.latents} and dropout={self.dropout}"
            )
        sizes = [(event_shape[0], event_shape[1])]
        for _ in self.layers:
            height, width = sizes[-1]
            sizes.append((-(-height // 2), -(-width // 2)))
        return sizes[:0:-1]


class Climb(nn.Module):
    """(B, C, H, W) to what the encoder says to each layer, the top one first, all of it flat: (B, n_features)."""

    def __init__(self, n_in: int, width: int, layers: tuple[int, ...], dropout: float) -> None:
        super().__init__()
        narrow, share = max(1, width // 2), 1 / math.sqrt(sum(layers))
        self.stem = nn.Sequential(_conv(n_in, narrow), Residual(_conv, narrow, 1.0, dropout), nn.SiLU())
        self.halve = nn.ModuleList(_conv(narrow if number == 0 else width, width, 2) for number in range(len(layers)))
        # From the largest scale to the smallest: a block and a tap for every layer.
        self.blocks = nn.ModuleList(
            nn.ModuleList(Residual(_conv, width, share, dropout) for _ in range(max(1, n))) for n in reversed(layers)
        )
        self.taps = nn.ModuleList(
            nn.ModuleList(nn.Sequential(nn.SiLU(), _conv(width, width)) for _ in range(n)) for n in reversed(layers)
        )

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        said: list[Tensor] = []
        for halve, blocks, taps in zip(self.halve, self.blocks, self.taps, strict=True):
            x = halve(x)
            for number, block in enumerate(blocks):  # pyright: ignore[reportArgumentType]
                x = block(x)
                if number < len(taps):  # pyright: ignore[reportArgumentType]
                    said.append(flat(taps[number](x)))  # pyright: ignore[reportIndexIssue]
        return torch.cat(said[::-1], 1)


class Descend(nn.Module):
    """Codes (B, latent_dim) to the state below the last layer, (B, width, h, w)."""

    def __init__(self, ladder: TopDown) -> None:
        super().__init__()
        self.ladder = ladder

    def forward(self, z: Tensor) -> Tensor:
        state = self.ladder.descend(len(z), given=z).state
        assert state is not None
        return state


class Grow(nn.Module):
    """Nearest-neighbour enlargement, plus a learned map, so that layers know where they are."""

    def __init__(self, size: Size, width: int) -> None:
        super().__init__()
        self.size = size
        self.map = nn.Parameter(torch.zeros(width, *size))

    def forward(self, x: Tensor) -> Tensor:
        return interpolate(x, size=self.size, mode="nearest") + self.map.to(x.dtype)


def _conv(n_in: int, n_out: int, stride: int = 1) -> nn.Conv2d:
    conv = nn.Conv2d(n_in, n_out, 3, stride, padding=1)
    init_conv(conv, 9 * n_in)
    return conv


def _depth(event_shape: tuple[int, ...]) -> int:
    return event_shape[2] if len(event_shape) == 3 else 1
