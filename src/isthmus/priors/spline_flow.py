"""A neural spline flow, fitted to the codes once training is over."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.distributions import Distribution

from isthmus.errors import MissingExtraError
from isthmus.priors.afterwards import check_hidden, check_rate, check_whole
from isthmus.priors.standardised import StandardisedPrior
from isthmus.priors.training import train_density


class FittedFlow(StandardisedPrior):
    """A normalising flow of monotonic rational-quadratic splines (Durkan et al., 2019), by greatest likelihood.

    Autoregressive: its density takes one pass, and a sample one pass for each latent. It is that of zuko.

    Parameters
    ----------
    transforms : int
        Layers of splines.
    hidden : tuple of int
        Widths of the network that makes the splines of a layer.
    bins : int
        Pieces of each spline.
    max_steps : int
        Steps of the training; it stops earlier if held-out codes become less likely.
    learning_rate : float
        At the start.
    """

    name = "flow"
    widest = 256

    def __init__(
        self,
        transforms: int = 3,
        hidden: tuple[int, ...] = (64, 64),
        bins: int = 8,
        max_steps: int = 2000,
        learning_rate: float = 2e-3,
    ) -> None:
        super().__init__()
        self.transforms = transforms
        self.hidden = hidden
        self.bins = bins
        self.max_steps = max_steps
        self.learning_rate = learning_rate

    def check(self) -> None:
        # Masks are made on the way, so that the size of a forged flow matters before its file is read.
        check_whole("transforms", self.transforms, 1, 16)
        check_hidden(self.hidden, 4, 512)
        check_whole("bins", self.bins, 2, 32)
        check_whole("max_steps", self.max_steps, 1, 10_000_000)
        check_rate(self.learning_rate)

    def lay_out(self, latent_dim: int) -> None:
        try:
            from zuko.flows import NSF
        except ImportError:
            raise MissingExtraError("flows need zuko; install it with: pip install 'isthmus[flows]'") from None
        device = torch.get_default_device()
        # zuko cannot make its masks without memory.
        with torch.device("cpu"):
            flow = NSF(latent_dim, bins=self.bins, transforms=self.transforms, hidden_features=tuple(self.hidden))
        self.flow: Any = flow.to(device)

    def learn(self, codes: Tensor) -> None:
        options = {"max_steps": self.max_steps, "learning_rate": self.learning_rate}
        train_density(self, lambda z: -self.flow().log_prob(z), codes, **options)

    def standard(self) -> Distribution:
        return self.flow()
