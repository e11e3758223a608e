"""What every network has in common, and the pieces that they share."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Callable
from itertools import pairwise
from typing import ClassVar, Literal, get_args

from torch import Tensor, nn

from isthmus.core import Code, Part
from isthmus.errors import ParameterError
from isthmus.networks.scaling import ScalingKind

Activation = Literal["relu", "leaky_relu", "elu", "gelu", "silu", "tanh", "sigmoid"]
Normalization = Literal["batch", "layer"]
Halves = tuple[nn.Sequential, nn.Sequential]

_ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "relu": nn.ReLU,
    "leaky_relu": lambda: nn.LeakyReLU(0.1),
    "elu": nn.ELU,
    "gelu": nn.GELU,
    "silu": nn.SiLU,
    "tanh": nn.Tanh,
    "sigmoid": nn.Sigmoid,
}


_NORM = 8.0


class Network(Part):
    """A pair of encoder and decoder.

    ``encoder`` maps scaled data (B, *event) to features (B, n_features); ``decoder`` maps codes
    (B, latent_dim) to (B, *event, n_outputs), where n_outputs is what the likelihood needs for each value.
    """

    scaling: ClassVar[ScalingKind | None] = None
    """Scaling of the data that suits this network; None leaves it to the data."""

    only_with: ClassVar[str] = ""
    """Name of the only bottleneck that this network can serve, if it is not any."""

    encoder: nn.Sequential
    decoder: nn.Sequential

    def code_width(self, event_shape: tuple[int, ...]) -> int | None:
        """Width of the code, for networks that do not leave it to the user."""
        return None

    def setup(self, *, event_shape: tuple[int, ...], n_features: int, latent_dim: int, n_outputs: int) -> None:
        """Create both networks for data of this shape."""
        self.encoder = self.make_encoder(event_shape, n_features)
        self.decoder = self.make_decoder(event_shape, latent_dim, n_outputs)

    def decode(self, code: Code) -> Tensor:
        """Outputs (B, *event, n_outputs) for a code, with what the bottleneck found on its way to it."""
        return self.decoder(code.z)

    @property
    def n_stages(self) -> int:
        """Into how many stages it can be taken apart."""
        return 1

    def stages(self) -> list[Halves]:
        """Autoencoders inside this autoencoder, from the data inwards: pairs of encoder and decoder.

        They share the layers of the network, of which they are pieces: the encoders in turn are the encoder, and the
        decoders in reverse turn the decoder. A network that cannot be taken apart is a single stage.
        """
        return [(self.encoder, self.decoder)]

    @abstractmethod
    def make_encoder(self, event_shape: tuple[int, ...], n_features: int) -> nn.Sequential:
        """Module from (B, *event_shape) to (B, n_features)."""

    @abstractmethod
    def make_decoder(self, event_shape: tuple[int, ...], latent_dim: int, n_outputs: int) -> nn.Sequential:
        """Module from (B, latent_dim) to (B, *event_shape, n_outputs)."""


def nested(encoder: nn.Sequential, decoder: nn.Sequential, cuts: list[int], mirrored: list[int]) -> list[Halves]:
    """Pairs of pieces of two chains of layers, the first piece of one with the last of the other.

    ``cuts`` and ``mirrored`` are where the encoder and the decoder are cut, both in ascending order.
    """
    falling = _pieces(encoder, cuts)
    rising = _pieces(decoder, mirrored)
    return list(zip(falling, reversed(rising), strict=True))


def _pieces(chain: nn.Sequential, cuts: list[int]) -> list[nn.Sequential]:
    return [nn.Sequential(*list(chain)[start:end]) for start, end in pairwise([0, *cuts, len(chain)])]


class Flatten(nn.Module):
    """(B, *event) to (B, d)."""

    def forward(self, x: Tensor) -> Tensor:
        return x.flatten(1)


class Unflatten(nn.Module):
    """(B, d * n_outputs) to (B, *event, n_outputs)."""

    def __init__(self, event_shape: tuple[int, ...], n_outputs: int) -> None:
        super().__init__()
        self.shape = (*event_shape, n_outputs)

    def forward(self, y: Tensor) -> Tensor:
        return y.reshape(y.shape[0], *self.shape)


def activation(name: str) -> nn.Module:
    """Activation of this name."""
    if name not in _ACTIVATIONS:
        raise ParameterError(f"unknown activation {name!r}; choose from {', '.join(get_args(Activation))}")
    return _ACTIVATIONS[name]()


def is_activation(module: nn.Module) -> bool:
    """Whether this is one of the activations: a function of each value by itself."""
    return any(type(module) is type(make()) for make in _ACTIVATIONS.values())


def check_normalization(name: str | None) -> None:
    """Complain about a normalisation that does not exist."""
    if name is not None and name not in get_args(Normalization):
        raise ParameterError(f"unknown norm {name!r}; choose None, {', '.join(get_args(Normalization))}")


class Paced(nn.Module):
    """A module some of whose parameters move more slowly than others."""

    @abstractmethod
    def paces(self) -> dict[Tensor, float]:
        """Share of the learning rate of each of these parameters."""


class Inlet(nn.Linear, Paced):
    """First layer of wide data: its weights start and move more slowly the more values it takes.

    Adam moves every weight by about the learning rate, whatever its gradient, so the output of a layer moves in
    proportion to the number of its inputs; a rate that suits other layers is then too fast for this one (Yang et al.,
    2021). It is as if the data were scaled so that a row of unit variance had a norm of 8 at most.
    """

    @property
    def pace(self) -> float:
        """Share of the learning rate."""
        return min(1.0, _NORM / math.sqrt(self.in_features))

    def paces(self) -> dict[Tensor, float]:
        return {self.weight: self.pace}


def linear(n_in: int, n_out: int, *, bias: bool = True, inlet: bool = False) -> nn.Linear:
    """Linear layer with zero bias and weights of variance 1 / n_in (LeCun et al., 1998); less for an `Inlet`.

    Larger ones, which would keep the spread of a signal through the activations (He et al., 2015), train worse here:
    codes and outputs then start far from the prior and from the mean of the data.
    """
    layer = Inlet(n_in, n_out, bias) if inlet else nn.Linear(n_in, n_out, bias)
    _draw(layer.weight, (layer.pace if isinstance(layer, Inlet) else 1.0) / math.sqrt(n_in))
    if bias:
        nn.init.zeros_(layer.bias)
    return layer


def init_conv(conv: nn.Module, n_seen: float) -> None:
    """Weights of variance 1 / n_seen and zero biases, as in `linear`."""
    for name, parameter in conv.named_parameters():
        if name == "bias":
            nn.init.zeros_(parameter)
        else:
            _draw(parameter, 1 / math.sqrt(n_seen))


def _draw(weights: Tensor, std: float) -> None:
    # Weights that are laid out to be filled from a file have no values; to draw them costs PyTorch a second of imports.
    if not weights.is_meta:
        nn.init.normal_(weights, std=std)
