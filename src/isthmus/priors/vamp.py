"""The prior that is a mixture of posteriors."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.distributions import Distribution
from torch.nn.modules.batchnorm import _BatchNorm

from isthmus.core import Composed
from isthmus.engines.watch import Watch
from isthmus.errors import ParameterError
from isthmus.priors.base import Prior
from isthmus.priors.mixtures import Mixture

_MOST = 1 << 16
# Pseudo-inputs start this far inside the ends of the range, in shares of it: at an end itself there is no slope.
_INSIDE = 1e-3
_JITTER = 0.05


class VampPrior(Prior):
    """p(z) = 1/K Σ_k q(z|u_k): the posteriors of K pseudo-inputs, which are learned (Tomczak & Welling, 2018, eq. 9).

    The pseudo-inputs have the shape of a sample. They start at rows of the training data, and stay in the range that
    each value has there: what would leave it at one end is reflected. They go through the same encoder as the data,
    with what batch normalisation has gathered so far. Of a posterior that is a flow, the Gaussian that is bent is
    taken, as the density of a flow at codes that it did not draw itself is expensive.

    Parameters
    ----------
    n_components : int
        K; at most the number of training samples.
    """

    names: ClassVar = {"vamp": {}}
    support = "any"
    low: Tensor
    span: Tensor

    def __init__(self, n_components: int = 500) -> None:
        super().__init__()
        self.n_components = n_components
        self._kept: tuple[Watch, Mixture] | None = None

    def setup(self, latent_dim: int) -> None:
        if not 1 <= self.n_components <= _MOST:
            raise ParameterError(f"n_components must be from 1 to {_MOST:,}, got {self.n_components}")

    def attach(self, module: Composed) -> None:
        info = module.info
        # Not as an attribute: PyTorch would count the encoder as a part of its own part.
        self.__dict__["model"] = module
        self.register_buffer("low", torch.tensor(info.minimum, dtype=module.scaling.shift.dtype))
        self.register_buffer("span", torch.tensor(info.maximum - info.minimum, dtype=module.scaling.shift.dtype))
        # Places between the ends of the range, 0 and 1: near the mean of the data until there are rows to start from.
        spread = torch.tensor(info.std, dtype=torch.float32) * torch.randn(self._count, *info.shape)
        self.places = nn.Parameter(self._places_of(torch.tensor(info.mean, dtype=torch.float32) + spread))

    def start(self, rows: Callable[[int], Tensor]) -> None:
        """Begin at these rows of the training data, slightly moved, so that no two are the same."""
        some = rows(self._count)
        # There may be somewhat fewer.
        places = self._places_of(some.to(self.low))[torch.arange(self._count) % len(some)]
        with torch.no_grad():
            self.places.copy_(self._fold(places + _JITTER * torch.randn(places.shape)))

    @property
    def inputs(self) -> Tensor:
        """The pseudo-inputs, of shape (K, *event), in the data's own units."""
        return self.low + self.span * self._fold(self.places).to(self.span.dtype)

    def __getstate__(self) -> dict[str, object]:
        return {**self.__dict__, "_kept": None}  # which belongs to these very weights

    def forward(self) -> Mixture:
        if self.training or torch.is_grad_enabled() or torch.is_autocast_enabled(self.low.device.type):
            return self._mixture()
        if self._kept is None or not self._kept[0].holds():
            model: Composed = self.__dict__["model"]
            watch = Watch([model.scaling, model.network.encoder, model.bottleneck, self])
            self._kept = watch, self._mixture()
        return self._kept[1]

    def _mixture(self) -> Mixture:
        model: Composed = self.__dict__["model"]
        with _as_gathered(model.network.encoder):
            h = model.features(self.inputs)
        return Mixture(h.new_zeros(len(h)), self._posteriors(h), lambda rows: self._posteriors(h[rows]))

    def _posteriors(self, h: Tensor) -> Distribution:
        q = self.__dict__["model"].bottleneck.posterior(h)
        bent = getattr(q, "without_flow", None)
        return q if bent is None else bent()

    @property
    def _count(self) -> int:
        return min(self.n_components, self.__dict__["model"].info.n_samples)

    def _places_of(self, x: Tensor) -> Tensor:
        """Where between the ends of the range these values are, and not quite at an end."""
        span = torch.where(self.span > 0, self.span, 1)
        return ((x - self.low) / span).float().clamp(_INSIDE, 1 - _INSIDE)

    @staticmethod
    def _fold(places: Tensor) -> Tensor:
        """Reflect at 0 and 1, which unlike a bound has a slope everywhere."""
        return 1 - (1 - places.remainder(2)).abs()


@contextmanager
def _as_gathered(encoder: nn.Module) -> Iterator[None]:
    """Let batch normalisation neither look at these inputs nor learn from them."""
    norms = [layer for layer in encoder.modules() if isinstance(layer, _BatchNorm) and layer.training]
    for layer in norms:
        layer.training = False
    try:
        yield
    finally:
        for layer in norms:
            layer.training = True
