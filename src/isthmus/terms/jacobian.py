"""How much the code moves when the input does."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np
import torch
from torch import Tensor, nn

from isthmus.core import Step
from isthmus.errors import ParameterError
from isthmus.networks.base import Flatten, is_activation
from isthmus.terms.base import Term

if TYPE_CHECKING:
    from isthmus.data.info import DataInfo

Method = Literal["auto", "exact", "hutchinson"]

_FEW = 4
_MOST_EXACT = 64


class Jacobian(Term):
    """‖∂z/∂x‖²_F: squared derivatives of the code by the network's input, summed (Rifai et al., 2011, eq. 4).

    Noise of variance s² on every value of the input moves the code by s² times this, summed over latents, as long as
    it is small. For a deterministic code. Dropout and batch statistics, which are noise of the training, are left out:
    the derivative is that of the encoder as it is used afterwards.

    Parameters
    ----------
    weight : float
        Factor in the training loss.
    method : {"auto", "exact", "hutchinson"}
        How it is found while training. ``"exact"``: in closed form for a single layer, else by one pass back through
        the encoder for each latent. ``"hutchinson"``: by one pass for a random combination of latents v with values ±1,
        as E_v ‖vᵀ ∂z/∂x‖² (Hutchinson, 1990): unbiased, and noisy. ``"auto"``: exact for a single layer and for codes
        of at most 4 latents. While evaluating it is exact up to 64 latents; for wider codes of a deeper encoder it is
        a mean over 64 combinations that are drawn once.
    """

    name = "jacobian"
    probes: Tensor

    def __init__(self, weight: float = 1.0, method: Method = "auto") -> None:
        super().__init__(weight)
        self.method = method

    def setup(self, info: DataInfo, latent_dim: int) -> None:
        if self.method not in get_args(Method):
            raise ParameterError(f"method must be one of {', '.join(get_args(Method))}, got {self.method!r}")
        if latent_dim > _MOST_EXACT:
            signs = np.random.RandomState(0).choice([-1.0, 1.0], (_MOST_EXACT, latent_dim))
            self.register_buffer("probes", torch.tensor(signs, dtype=torch.float32))

    def forward(self, step: Step) -> Tensor:
        if step.code.q is not None:
            raise ParameterError("the derivative of the code needs a deterministic bottleneck, and this is stochastic")
        scale = 1 / step.code.aux.get("spread", torch.ones_like(step.code.z[0]))
        encoder = step.model.network.encoder
        layer = None if self.training and self.method == "hutchinson" else single_layer(encoder)
        if layer is not None:
            return of_single_layer(*layer, step.x_in, scale)
        create_graph = torch.is_grad_enabled()
        x = step.x_in.detach().requires_grad_()
        # Validation is without gradients, but this is one.
        with torch.enable_grad():
            z = as_used(encoder, x).to(scale.dtype) * scale
            directions, n_draws = self._directions(z)
            squares = [
                torch.autograd.grad(z, x, v.expand_as(z), retain_graph=True, create_graph=create_graph)[0].square()
                for v in directions
            ]
        return torch.stack([square.flatten(1).sum(1) for square in squares]).sum(0) / n_draws

    def _directions(self, z: Tensor) -> tuple[Iterable[Tensor], int]:
        """Combinations of latents, and how many of them are draws for one and the same sum."""
        k = z.shape[1]
        exact = self.method == "exact" or k <= (_FEW if self.training and self.method == "auto" else _MOST_EXACT)
        if self.training and (self.method == "hutchinson" or not exact):
            return [torch.randint_like(z, 2) * 2 - 1], 1
        return (torch.eye(k, device=z.device), 1) if exact else (self.probes, len(self.probes))


def single_layer(encoder: nn.Sequential) -> tuple[nn.Linear, nn.Module] | None:
    """Affine map and activation of an encoder that is no more than these; None if it is deeper."""
    layers = [layer for layer in encoder if not isinstance(layer, Flatten)]
    match layers:
        case [nn.Linear() as first]:
            return first, nn.Identity()
        case [nn.Linear() as first, second] if is_activation(second):
            return first, second
    return None


def of_single_layer(layer: nn.Linear, activation: nn.Module, x: Tensor, scale: Tensor) -> Tensor:
    """Σ_j (c_j s'(a_j))² ‖W_j‖² for the code c s(a) with a = W x + b (Rifai et al., 2011, section 2)."""
    create_graph = torch.is_grad_enabled()
    with torch.enable_grad():
        a = layer(x.flatten(1)).to(scale.dtype)
        (slope,) = torch.autograd.grad(activation(a).sum(), a, create_graph=create_graph)
    return (slope * scale).square() @ layer.weight.to(scale.dtype).square().sum(1)


def as_used(encoder: nn.Sequential, x: Tensor) -> Tensor:
    """Features as after the training: no dropout, and the running statistics of batch normalisation."""
    training = encoder.training
    encoder.eval()
    try:
        return encoder(x)
    finally:
        encoder.train(training)
