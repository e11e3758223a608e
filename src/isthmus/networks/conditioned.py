"""Networks that are told the class of a sample."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn.functional import one_hot

from isthmus.networks.base import Network, activation, linear


class ClassInMind(nn.Module):
    """The class of the samples that pass through a network, for its layers to read.

    Parameters
    ----------
    n_classes : int
        Classes that there are. Number ``n_classes`` itself stands for an unknown one.
    """

    given: Tensor | None = None
    """Number of the class of all samples, (1,), or of each of them, (B,); None if it is unknown."""

    def __init__(self, n_classes: int) -> None:
        super().__init__()
        self.n_classes = n_classes

    def forward(self, rows: Tensor) -> Tensor:
        """Indicators of the class for each row, (n, n_classes + 1), in the format of the rows.

        The rows may be draws for the samples: of all of them once, then of all of them again.
        """
        given = self.given
        if given is None:
            given = torch.full((1,), self.n_classes, device=rows.device)
        known = one_hot(given, self.n_classes + 1).to(rows.dtype)
        # By the shapes, as len() would write the number of rows into an exported graph.
        return known.repeat(rows.shape[0] // known.shape[0], 1)


class AddClass(nn.Module):
    """(B, d) to (B, d + n_classes + 1): indicators of the class beside the features."""

    def __init__(self, mind: ClassInMind) -> None:
        super().__init__()
        self.mind = mind

    def forward(self, h: Tensor) -> Tensor:
        return torch.cat([h, self.mind(h)], dim=1)


class Conditioned(Network):
    """Encoder and decoder of another network that are told the class of the sample (Sohn et al., 2015).

    The decoder gets the indicators of the class beside the code; the encoder beside its features, of which two more
    layers make what the bottleneck needs.

    Parameters
    ----------
    network : Network
        What they are built like.
    n_classes : int
        Classes that there are, beside the unknown one.
    width : int
        Features to which the class is added.
    """

    def __init__(self, network: Network, n_classes: int, width: int = 256) -> None:
        super().__init__()
        self.network = network
        self.n_classes = n_classes
        self.width = width

    def code_width(self, event_shape: tuple[int, ...]) -> int | None:
        return self.network.code_width(event_shape)

    def setup(self, *, event_shape: tuple[int, ...], n_features: int, latent_dim: int, n_outputs: int) -> None:
        self.mind = ClassInMind(self.n_classes)
        super().setup(event_shape=event_shape, n_features=n_features, latent_dim=latent_dim, n_outputs=n_outputs)

    def make_encoder(self, event_shape: tuple[int, ...], n_features: int) -> nn.Sequential:
        return nn.Sequential(
            *self.network.make_encoder(event_shape, self.width),
            activation("silu"),
            AddClass(self.mind),
            linear(self.width + self.n_classes + 1, self.width),
            activation("silu"),
            linear(self.width, n_features),
        )

    def make_decoder(self, event_shape: tuple[int, ...], latent_dim: int, n_outputs: int) -> nn.Sequential:
        decoder = self.network.make_decoder(event_shape, latent_dim + self.n_classes + 1, n_outputs)
        return nn.Sequential(AddClass(self.mind), *decoder)

    @contextmanager
    def told(self, labels: Tensor | None) -> Iterator[None]:
        """Let the samples inside the block be of these classes: one for all, (1,), or one for each, (B,)."""
        before = self.mind.given
        self.mind.given = labels
        try:
            yield
        finally:
            self.mind.given = before
