"""The prior of a ladder of latents: each layer is a Gaussian given those above it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import torch
from torch import Tensor
from torch.distributions import Distribution, constraints

from isthmus.errors import ParameterError
from isthmus.priors.base import Prior

if TYPE_CHECKING:
    from isthmus.core import Composed
    from isthmus.networks.rungs import TopDown


class LadderPrior(Prior):
    """p(z) = p(z_1) Π p(z_l | z_{>l}), with p(z_1) = N(0, I): the layers of the bottleneck, without the data.

    It has no parameters of its own.
    """

    def setup(self, latent_dim: int) -> None:
        pass

    def attach(self, module: Composed) -> None:
        if not hasattr(module.bottleneck, "ladder"):
            raise ParameterError("a LadderPrior needs layers of latents; use it with the bottleneck LadderGaussian")
        # Not registered: no parameter may appear twice.
        self.__dict__["_bottleneck"] = module.bottleneck

    def forward(self) -> LadderDensity:
        bottleneck: Any = self._bottleneck
        return LadderDensity(bottleneck.ladder)


class LadderDensity(Distribution):
    """p(z), with event shape (latent_dim,). It has no moments in closed form.

    Parameters
    ----------
    ladder : TopDown
        The layers of latents.
    """

    arg_constraints: ClassVar = {}  # pyright: ignore[reportIncompatibleMethodOverride, reportAssignmentType]
    support = constraints.real_vector  # pyright: ignore[reportIncompatibleMethodOverride, reportAssignmentType]

    def __init__(self, ladder: TopDown) -> None:
        self.ladder = ladder
        super().__init__(event_shape=torch.Size([ladder.latent_dim]), validate_args=False)

    def sample(self, sample_shape: torch.Size | list[int] | tuple[int, ...] = ()) -> Tensor:
        shape = self._extended_shape(torch.Size(sample_shape))
        with torch.no_grad():
            noise = torch.randn(shape, device=next(self.ladder.parameters()).device).reshape(-1, shape[-1])
            return self.ladder.descend(len(noise), noise=noise).z.reshape(shape)

    def log_prob(self, value: Tensor) -> Tensor:
        rows = self.ladder.taken(value).reshape(-1, value.shape[-1])
        return self.ladder.descend(len(rows), given=rows).log_prior().reshape(value.shape[:-1])
