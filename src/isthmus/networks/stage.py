"""One stage of a network as a network of its own."""

from __future__ import annotations

import math

from torch import nn

from isthmus.networks.base import Flatten, Halves, Network, Unflatten

Shape = tuple[int, ...]


def stage_network(halves: Halves, made: Shape, seen: Shape | None, n_outputs: int) -> Network:
    """Network of one pair of `Network.stages`, with the layers of that network and none of its own.

    Its code is laid flat, and so is what it takes and gives, unless it is the outermost stage.

    Parameters
    ----------
    halves : tuple of Sequential
        Encoder and decoder.
    made : tuple of int
        Shape of what the encoder makes of one sample.
    seen : tuple of int, optional
        Shape of what it takes; None for the outermost stage, which takes the data as they are.
    n_outputs : int
        Outputs of the decoder for each value.
    """
    encoder, decoder = halves
    inlet = [] if seen is None else [nn.Unflatten(1, seen)]
    outlet = [] if seen is None else [Unflatten((math.prod(seen),), n_outputs)]
    network = Network()
    network.encoder = nn.Sequential(*inlet, *encoder, Flatten())
    network.decoder = nn.Sequential(nn.Unflatten(1, made), *decoder, *outlet)
    return network
