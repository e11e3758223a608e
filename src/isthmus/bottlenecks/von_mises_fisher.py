"""The distribution on a sphere that the hyperspherical code has."""

from __future__ import annotations

import math
from typing import ClassVar

import torch
from torch import Tensor
from torch.distributions import Distribution, constraints

from isthmus.numbers import widened

# Cells of the grid, and how far it reaches from the mode, in standard deviations of the Gaussian that fits there.
_CELLS, _REACH = 128, 10.0
_NEWTON = 4


def log_area(dim: int) -> float:
    """Logarithm of the area of the unit sphere in so many dimensions: log 2 π^{m/2} / Γ(m/2)."""
    return math.log(2) + dim / 2 * math.log(math.pi) - math.lgamma(dim / 2)


class Angle:
    """The angle θ between a draw and the mean direction: p(θ) ∝ e^{κ cos θ} sin^{m−2} θ on [0, π].

    Everything about the von Mises–Fisher distribution that is no elementary function is an integral over θ. It is done
    here by the trapezoidal rule with a correction for the slopes at the nodes, on a grid that reaches ten standard
    deviations to both sides of the mode, to a relative error below 1e-6. All of it can be differentiated by κ.

    Parameters
    ----------
    kappa : Tensor of shape (...)
        Concentration, from 0 up.
    dim : int
        m, from 2 up.
    """

    def __init__(self, kappa: Tensor, dim: int) -> None:
        kappa, m = widened(kappa), dim - 2
        with torch.no_grad():
            cos = 2 * kappa / (m + (m**2 + 4 * kappa.square()).sqrt()).clamp_min(1e-30) if m else torch.ones_like(kappa)
            sin2 = (1 - cos.square()).clamp_min(1e-30)
            width = _REACH / ((m / sin2 if m else 0) + kappa * cos).clamp_min(1e-6).sqrt()
            low = (cos.acos() - width).clamp_min(0)
            self.low, high = low, (cos.acos() + width).clamp_max(math.pi)
            self.step = (high - low) / _CELLS
            self.nodes = low[..., None] + self.step[..., None] * torch.arange(_CELLS + 1, device=low.device)
        cos, sin = self.nodes.cos(), self.nodes.sin()
        logs = kappa[..., None] * cos + (m * sin.clamp_min(1e-300).log() if m else 0)
        top = logs.detach().amax(-1, keepdim=True)
        height = (logs - top).exp()
        # The slope of the height; at the poles m sin^{m−1} cos is 1 or 0.
        slope = -kappa[..., None] * sin * height + (m * cos * (height / sin.clamp_min(1e-300)) if m > 1 else 0)
        if m == 1:
            slope = slope + cos * (kappa[..., None] * cos - top).exp()
        step = self.step[..., None]
        cells = _integrals(height, slope, step)
        total = cells.sum(-1, keepdim=True)
        self.log_integral = total.log()[..., 0] + top[..., 0]
        self.height = height / total
        self.below = torch.cat([torch.zeros_like(total), (cells / total).cumsum(-1)], -1)
        self.resultant = _integrals(height * cos, slope * cos - height * sin, step).sum(-1) / total[..., 0]

    def quantile(self, u: Tensor) -> Tensor:
        """The angles with so much probability below them, for u of shape (k, ...) in [0, 1].

        They are found on a cubic through the heights of both ends of a cell, by Newton's method. The last step of it is
        what is differentiated, which gives the implicit gradient dθ/dκ = −(∂F/∂κ) / p(θ).
        """
        u = widened(u).clamp(1e-12, 1 - 1e-12)
        with torch.no_grad():
            cell = torch.searchsorted(self.below.contiguous(), u.movedim(0, -1).contiguous(), right=True) - 1
            cell = cell.clamp(0, _CELLS - 1)
        ends = [_take(values, at) for values in (self.below, self.height) for at in (cell, cell + 1)]
        start, end, left, right = (end.movedim(-1, 0) for end in ends)
        # Where there is next to no probability the heights underflow.
        left, right = left.clamp_min(1e-280) * self.step, right.clamp_min(1e-280) * self.step
        with torch.no_grad():
            t = ((u - start) / (end - start).clamp_min(1e-300)).clamp(0, 1)
            for _ in range(_NEWTON):
                t = t - (_cubic(t, start, end, left, right) - u) / _rise(t, start, end, left, right)
                t = t.clamp(0, 1)
        rise = _rise(t, start, end, left, right).detach()
        t = t - (_cubic(t, start, end, left, right) - u) / rise
        first = _take(self.nodes, cell).movedim(-1, 0)
        return first + self.step * t


class VonMisesFisher(Distribution):
    """q(z) ∝ exp(κ μ·z) on the unit sphere.

    Parameters
    ----------
    direction : Tensor of shape (B, m)
        μ, of unit length.
    kappa : Tensor of shape (B,)
        Concentration, from 0 up.
    """

    arg_constraints: ClassVar = {}  # pyright: ignore[reportIncompatibleMethodOverride, reportAssignmentType]
    support = constraints.real_vector  # pyright: ignore[reportIncompatibleMethodOverride, reportAssignmentType]
    has_rsample = True

    def __init__(self, direction: Tensor, kappa: Tensor) -> None:
        self.direction, self.kappa = direction, kappa
        self.angle = Angle(kappa, direction.shape[-1])
        super().__init__(kappa.shape, direction.shape[-1:], validate_args=False)

    def rsample(self, sample_shape: torch.Size | list[int] | tuple[int, ...] = ()) -> Tensor:
        shape = (*sample_shape, *self.kappa.shape, self.event_shape[0] + 1)
        return self.from_noise(torch.randn(shape, dtype=self.kappa.dtype, device=self.kappa.device))

    def from_noise(self, noise: Tensor) -> Tensor:
        """Draws made of m + 1 standard normal numbers, of shape (..., B, m + 1).

        The first gives the angle by its quantile. The others, less what points along μ, give the direction around it.
        """
        noise = noise.to(self.kappa.dtype)
        noise = noise.expand(torch.broadcast_shapes(noise.shape, (*self.kappa.shape, noise.shape[-1])))
        u = torch.special.ndtr(widened(noise[..., 0]))
        angle = self.angle.quantile(u.reshape(-1, *self.kappa.shape)).reshape(u.shape)
        around = noise[..., 1:] - (noise[..., 1:] * self.direction).sum(-1, keepdim=True) * self.direction
        around = around / around.norm(dim=-1, keepdim=True).clamp_min(1e-12)
        cos, sin = angle.cos()[..., None].to(noise.dtype), angle.sin()[..., None].to(noise.dtype)
        return cos * self.direction + sin * around

    def log_prob(self, value: Tensor) -> Tensor:
        """Log density with respect to area on the sphere."""
        along = (value.to(self.direction.dtype) * self.direction).sum(-1)
        return self.kappa * along - self.log_normaliser

    def log_prob_of_each(self, value: Tensor) -> Tensor:
        """Log density of values (..., m) under each of B distributions, of shape (..., B)."""
        along = widened(value) @ widened(self.kappa[..., None] * self.direction).T
        return along - self.log_normaliser

    @property
    def log_normaliser(self) -> Tensor:
        """Log ∫ exp(κ μ·z) dz over the sphere."""
        return (log_area(self.event_shape[0] - 1) + self.angle.log_integral).to(self.kappa.dtype)

    def kl_to(self, prior: Distribution) -> Tensor | None:
        """Divergence from the uniform distribution: κ A(κ) − log ∫ e^{κ μ·z} dz + log area (Davidson et al., 2018)."""
        if not getattr(prior, "is_uniform_on_sphere", False):
            return None
        integral = log_area(self.event_shape[0] - 1) + self.angle.log_integral
        kl = widened(self.kappa) * self.angle.resultant - integral + log_area(self.event_shape[0])
        return kl.to(self.kappa.dtype)

    def select(self, rows: Tensor) -> VonMisesFisher:
        """The distributions with these numbers."""
        return VonMisesFisher(self.direction[rows], self.kappa[rows])

    @property
    def resultant(self) -> Tensor:
        """A(κ) = E[μ·z], the length of the mean."""
        return self.angle.resultant.to(self.kappa.dtype)

    @property
    def mean(self) -> Tensor:
        """The mean direction μ, which is on the sphere; the mean in space is ``resultant`` times as long."""
        return self.direction

    @property
    def variance(self) -> Tensor:
        """Variance of every coordinate."""
        m, square = self.event_shape[0], self.direction.square()
        along = self.resultant[..., None]
        # E[cos²θ] = 1 − (m − 1) A(κ)/κ, from the recurrence of Bessel functions; 1/m where there is no direction.
        kappa = self.kappa[..., None]
        cos2 = torch.where(kappa > 1e-3, 1 - (m - 1) * along / kappa.clamp_min(1e-3), 1 / m)
        return cos2 * square + (1 - cos2) / (m - 1) * (1 - square) - along.square() * square


def _integrals(values: Tensor, slopes: Tensor, step: Tensor) -> Tensor:
    """Integrals over the cells between nodes at which a function has these values and slopes."""
    return step / 2 * (values[..., :-1] + values[..., 1:]) + step**2 / 12 * (slopes[..., :-1] - slopes[..., 1:])


def _take(values: Tensor, cell: Tensor) -> Tensor:
    return values.gather(-1, cell)


def _cubic(t: Tensor, start: Tensor, end: Tensor, left: Tensor, right: Tensor) -> Tensor:
    """Hermite's cubic at t in [0, 1], of these values and slopes at both ends."""
    rise = end - start
    return start + t * (left + t * ((3 * rise - 2 * left - right) + t * (left + right - 2 * rise)))


def _rise(t: Tensor, start: Tensor, end: Tensor, left: Tensor, right: Tensor) -> Tensor:
    """Its slope, kept positive."""
    rise = end - start
    slope = left + t * (2 * (3 * rise - 2 * left - right) + 3 * t * (left + right - 2 * rise))
    return slope.clamp_min(torch.minimum(left, right) * 0.1).clamp_min(1e-300)
