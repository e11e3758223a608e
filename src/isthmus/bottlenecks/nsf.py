"""The neural spline flow."""

from __future__ import annotations

from typing import ClassVar

from torch import nn

from isthmus.bottlenecks.flow import Flow
from isthmus.networks.autoregressive import autoregressive


class NeuralSpline(Flow):
    """A Gaussian bent by monotonic splines, each of which sees the values before its own (Durkan et al., 2019).

    Splines bend the noise on [-5, 5], where nearly all of it is, before it is given its location and scale. With few
    transforms they make posteriors of several modes, which shifts and scales (`InverseAutoregressive`) hardly can, and
    take about three times as long. A draw and its density take one pass. Needs the extra ``flows``.

    Parameters
    ----------
    n_transforms : int
        How many, in alternating order.
    hidden : tuple of int
        Widths of the hidden layers of each.
    n_context : int
        How many numbers the encoder tells them besides location and scale.
    n_bins : int
        Bins of each spline.
    """

    names: ClassVar = {"nsf": {}}

    def __init__(
        self, n_transforms: int = 2, hidden: tuple[int, ...] = (64, 64), n_context: int = 32, n_bins: int = 8
    ) -> None:
        super().__init__(n_transforms, hidden, n_context)
        self.n_bins = n_bins

    def make_flow(self, latent_dim: int) -> nn.Module:
        return autoregressive(
            "spline",
            latent_dim,
            n_context=self.n_context,
            n_transforms=self.n_transforms,
            hidden=self.hidden,
            n_bins=self.n_bins,
        )
