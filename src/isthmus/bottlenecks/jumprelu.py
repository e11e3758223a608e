"""Features above a threshold of their own, which is learned."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd import Function

from isthmus.bottlenecks.sparse import Sparse, sparse_start
from isthmus.errors import ParameterError

_LOWEST = 0.1


class JumpReLU(Sparse):
    """z = h where h > θ, else 0, with a threshold θ > 0 for every latent (Rajamanoharan et al., 2024b).

    Neither z nor the number of active latents has a useful derivative by θ. Both get one by a kernel estimate of the
    density of h at θ (ibid., section 3): a rectangle of the width of the ``bandwidth``. ``aux["on"]`` is 1 where a
    latent is active, with that derivative.

    Parameters
    ----------
    threshold : float or "auto"
        θ at the start, in the units of h, whose standard deviation is about 1 then. "auto": what makes about half the
        square root of the number of latents active.
    bandwidth : float
        Width of the rectangle. A wide one is biased, a narrow one noisy; this one is as wide as h varies at the start.
    """

    log_threshold: Tensor

    def __init__(self, threshold: float | str = "auto", bandwidth: float = 2.0) -> None:
        super().__init__()
        self.threshold = threshold
        self.bandwidth = bandwidth

    def setup(self, latent_dim: int) -> None:
        super().setup(latent_dim)
        start = self.threshold
        if isinstance(start, str):
            start = max(_LOWEST, sparse_start(latent_dim))
        if not (start > 0 and self.bandwidth > 0):
            raise ParameterError(f"threshold and bandwidth must be positive, got {start} and {self.bandwidth}")
        self.log_threshold = nn.Parameter(torch.full((latent_dim,), start).log())

    def select(self, h: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        theta = self.log_threshold.exp()
        z: Any = Jump.apply(h, theta, self.bandwidth)
        on: Any = Step.apply(h, theta, self.bandwidth)
        return z, {"on": on}


class Jump(Function):
    """h where h > θ, else 0. By θ: −θ/ε K((h − θ)/ε); by h: 1 where h > θ."""

    @staticmethod
    def forward(ctx: Any, h: Tensor, theta: Tensor, bandwidth: float) -> Tensor:
        ctx.save_for_backward(h, theta)
        ctx.bandwidth = bandwidth
        return torch.where(h > theta, h, 0)

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        (grad,) = grads
        h, theta = ctx.saved_tensors
        by_theta = -theta * density(h - theta, ctx.bandwidth) * grad
        return torch.where(h > theta, grad, 0), by_theta.sum(0), None


class Step(Function):
    """1 where h > θ, else 0. By θ: −1/ε K((h − θ)/ε); by h: 0."""

    @staticmethod
    def forward(ctx: Any, h: Tensor, theta: Tensor, bandwidth: float) -> Tensor:
        ctx.save_for_backward(h, theta)
        ctx.bandwidth = bandwidth
        return (h > theta).to(h.dtype)

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        (grad,) = grads
        h, theta = ctx.saved_tensors
        return None, -(density(h - theta, ctx.bandwidth) * grad).sum(0), None


def density(distance: Tensor, bandwidth: float) -> Tensor:
    """1/ε K(distance/ε), with K the rectangle of width and area 1."""
    return (distance.abs() < bandwidth / 2) / bandwidth
