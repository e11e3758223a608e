"""Layers that lengthen no difference."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

_LAYERS = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)
# Steps of the power iteration at the start, so that the first passes divide by about the right number.
_FIRST = 20
# A matrix of zeros has no norm to divide by.
_LEAST = 1e-6


class Spectral(nn.Module):
    """A linear layer whose weights, as a matrix, have a largest singular value of 1 (Miyato et al., 2018).

    The kernel of a convolution is taken as a matrix with a row for each output channel, as in the paper. The singular
    value is found by power iteration, one step with each pass while training; the input is divided by it, which is the
    same as to divide the weights. PyTorch does not compile that: the training goes on in plain steps.

    Parameters
    ----------
    layer : Module
        Linear or convolutional.
    """

    u: Tensor

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer
        self.transposed = isinstance(layer, nn.ConvTranspose1d | nn.ConvTranspose2d | nn.ConvTranspose3d)
        with torch.no_grad():
            matrix = self._matrix()
            u = torch.randn(len(matrix))
            for _ in range(_FIRST):
                u = normalize(matrix @ (matrix.T @ u), dim=0)
        self.register_buffer("u", u)

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(x / self.norm().to(x.dtype))

    def norm(self) -> Tensor:
        """Estimate of the largest singular value."""
        with torch.autocast(self.u.device.type, enabled=False):
            matrix = self._matrix()
            with torch.no_grad():
                v = normalize(matrix.T @ self.u, dim=0)
                if self.training:
                    self.u.copy_(normalize(matrix @ v, dim=0))
            return torch.linalg.vector_norm(matrix @ v).clamp_min(_LEAST)

    def _matrix(self) -> Tensor:
        weight: Tensor = self.layer.weight  # pyright: ignore[reportAssignmentType]
        return (weight.transpose(0, 1) if self.transposed else weight).float().flatten(1)


def make_spectral(chain: nn.Sequential) -> int:
    """Put every linear layer of a chain, or of a chain in it, into a `Spectral`; returns how many there were."""
    n = 0
    for name, layer in chain.named_children():
        if isinstance(layer, nn.Sequential):
            n += make_spectral(layer)
        elif isinstance(layer, _LAYERS):
            setattr(chain, name, Spectral(layer))
            n += 1
    return n
