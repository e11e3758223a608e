"""The inverse autoregressive flow."""

from __future__ import annotations

from typing import ClassVar

from torch import nn

from isthmus.bottlenecks.flow import Flow
from isthmus.networks.autoregressive import autoregressive


class InverseAutoregressive(Flow):
    """A Gaussian bent by shifts and scales, each of which sees the values before its own (Kingma et al., 2016, eq. 10).

    A draw and its density take one pass through each transform, which is what training needs. Other than in the paper,
    the Gaussian's own location and scale come last rather than first, so that they are those of the code, and the
    transforms start near the identity. Needs the extra ``flows``.

    Parameters
    ----------
    n_transforms : int
        How many, in alternating order.
    hidden : tuple of int
        Widths of the hidden layers of each.
    n_context : int
        How many numbers the encoder tells them besides location and scale.
    """

    names: ClassVar = {"iaf": {}}

    def __init__(self, n_transforms: int = 4, hidden: tuple[int, ...] = (64, 64), n_context: int = 32) -> None:
        super().__init__(n_transforms, hidden, n_context)

    def make_flow(self, latent_dim: int) -> nn.Module:
        return autoregressive(
            "affine",
            latent_dim,
            n_context=self.n_context,
            n_transforms=self.n_transforms,
            hidden=self.hidden,
        )
