"""Fully connected networks; without hidden layers, linear ones."""

from __future__ import annotations

import math
from itertools import pairwise

from torch import nn

from isthmus.errors import ParameterError
from isthmus.networks.base import (
    Activation,
    Flatten,
    Halves,
    Network,
    Normalization,
    Unflatten,
    activation,
    check_normalization,
    linear,
    nested,
)


class MLP(Network):
    """Fully connected encoder, and its mirror image as decoder.

    Parameters
    ----------
    hidden : tuple of int
        Widths of the encoder's hidden layers; the decoder has them in reverse.
    activation : str
        One of relu, leaky_relu, elu, gelu, silu, tanh, sigmoid.
    norm : {None, "batch", "layer"}
        Normalisation before each activation.
    dropout : float
        Share of hidden units dropped while training.
    code_activation : str, optional
        Activation of the code itself, which is otherwise an affine map of the last hidden layer. With it and without
        hidden layers, the network is the classical one of a single hidden layer, which is the code.
    """

    def __init__(
        self,
        hidden: tuple[int, ...] = (512, 512),
        activation: Activation = "silu",
        norm: Normalization | None = None,
        dropout: float = 0.0,
        code_activation: Activation | None = None,
    ) -> None:
        super().__init__()
        self.hidden = hidden
        self.activation = activation
        self.norm = norm
        self.dropout = dropout
        self.code_activation = code_activation

    def make_encoder(self, event_shape: tuple[int, ...], n_features: int) -> nn.Sequential:
        widths = (math.prod(event_shape), *self.hidden)
        layers = [Flatten(), *self._layers(widths, inlet=True)]
        last = [] if self.code_activation is None else [activation(self.code_activation)]
        return nn.Sequential(*layers, linear(widths[-1], n_features), *last)

    def make_decoder(self, event_shape: tuple[int, ...], latent_dim: int, n_outputs: int) -> nn.Sequential:
        widths = (latent_dim, *reversed(self.hidden))
        n_values = math.prod(event_shape) * n_outputs
        last = linear(widths[-1], n_values)
        return nn.Sequential(*self._layers(widths), last, Unflatten(event_shape, n_outputs))

    @property
    def n_stages(self) -> int:
        return len(self.hidden) + 1

    def stages(self) -> list[Halves]:
        # The decoder ends with an affine map and its reshaping; the encoder starts with a reshaping.
        each = (len(self.decoder) - 2) // max(1, len(self.hidden))
        ends = [each * (number + 1) for number in range(len(self.hidden))]
        return nested(self.encoder, self.decoder, [1 + end for end in ends], ends)

    def _layers(self, widths: tuple[int, ...], *, inlet: bool = False) -> list[nn.Module]:
        if any(width < 1 for width in widths):
            raise ParameterError(f"hidden layers need at least one unit each, got hidden={self.hidden}")
        check_normalization(self.norm)
        if not 0 <= self.dropout < 1:
            raise ParameterError(f"dropout must be at least 0 and below 1, got {self.dropout}")
        layers: list[nn.Module] = []
        for n_in, n_out in pairwise(widths):
            # Batch normalisation takes any bias out again.
            layers.append(linear(n_in, n_out, bias=self.norm != "batch", inlet=inlet and not layers))
            if self.norm is not None:
                layers.append(nn.BatchNorm1d(n_out) if self.norm == "batch" else nn.LayerNorm(n_out))
            layers.append(activation(self.activation))
            if self.dropout > 0:
                layers.append(nn.Dropout(self.dropout))
        return layers


class Linear(Network):
    """One affine map each way: with the L2 loss, the subspace of principal component analysis."""

    def make_encoder(self, event_shape: tuple[int, ...], n_features: int) -> nn.Sequential:
        return nn.Sequential(Flatten(), linear(math.prod(event_shape), n_features))

    def make_decoder(self, event_shape: tuple[int, ...], latent_dim: int, n_outputs: int) -> nn.Sequential:
        n_values = math.prod(event_shape) * n_outputs
        return nn.Sequential(linear(latent_dim, n_values), Unflatten(event_shape, n_outputs))
