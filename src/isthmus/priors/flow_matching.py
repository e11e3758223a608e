"""A flow that is learned by matching velocities, fitted to the codes once training is over."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.distributions import Distribution, constraints
from torch.nn.functional import silu

from isthmus.networks.base import linear
from isthmus.priors.afterwards import check_rate, check_whole
from isthmus.priors.standardised import StandardisedPrior
from isthmus.priors.training import train_density

_N_WAVES = 4
# Codes that are brought along at once.
_CHUNK = 1 << 13


class Velocity(nn.Module):
    """v(x, t) of codes on their way from noise at t = 0 to data at t = 1: two hidden layers, and an exact divergence.

    The network learns what is missing to c(t) x, which is exact for standard normal codes; and it starts from there.
    The time sets the biases.

    Parameters
    ----------
    latent_dim : int
        Width of the code.
    width : int
        Units of each hidden layer.
    """

    def __init__(self, latent_dim: int, width: int) -> None:
        super().__init__()
        self.first, self.second = linear(latent_dim, width), linear(width, width)
        self.last = linear(width, latent_dim)
        self.times = nn.ModuleList([linear(2 * _N_WAVES, n, bias=False) for n in (width, width)])
        nn.init.zeros_(self.last.weight)

    def forward(self, x: Tensor, t: Tensor) -> Tensor:
        """Velocities of x (B, latent_dim) at times t (B, 1) or (1, 1)."""
        _, second = self._activations(x, t)
        return _pull(t) * x + self.last(silu(second))

    def with_divergence(self, x: Tensor, t: Tensor) -> tuple[Tensor, Tensor]:
        """Velocities, and their divergences Σ ∂v_i/∂x_i of shape (B,).

        The trace of W₃ D₂ W₂ D₁ W₁, with the slopes of the activations in the diagonal matrices D, is
        d₂ᵀ (W₂ ∘ (W₁ W₃)ᵀ) d₁: one product more than the velocity takes, however wide the code.
        """
        first, second = self._activations(x, t)
        mixed = self.second.weight * (self.first.weight @ self.last.weight).T
        trace = ((_slope(second) @ mixed) * _slope(first)).sum(-1)
        velocity = _pull(t) * x + self.last(silu(second))
        return velocity, trace + x.shape[-1] * _pull(t).squeeze(-1)

    def _activations(self, x: Tensor, t: Tensor) -> tuple[Tensor, Tensor]:
        waves = math.pi * t * 2 ** torch.arange(_N_WAVES, device=t.device)
        waves = torch.cat([waves.sin(), waves.cos()], -1)
        first = self.first(x) + self.times[0](waves)
        return first, self.second(silu(first)) + self.times[1](waves)


def _pull(t: Tensor) -> Tensor:
    """d/dt log σ(t) for σ² = t² + (1 − t)², the variance on the way between two standard normal variables."""
    return (2 * t - 1) / (t**2 + (1 - t) ** 2)


def _slope(x: Tensor) -> Tensor:
    """Derivative of `silu`."""
    gate = x.sigmoid()
    return gate * (1 + x * (1 - gate))


class Transported(Distribution):
    """Distribution of what a velocity field makes of standard normal noise, by Runge and Kutta's method of order 4.

    Parameters
    ----------
    velocity : Velocity
        The field.
    latent_dim : int
        Width of the code.
    n_steps : int
        Steps of equal length.
    """

    arg_constraints: ClassVar = {}  # pyright: ignore[reportIncompatibleMethodOverride, reportAssignmentType]
    support = constraints.real_vector  # pyright: ignore[reportIncompatibleMethodOverride, reportAssignmentType]

    def __init__(self, velocity: Velocity, latent_dim: int, n_steps: int) -> None:
        self.velocity, self.n_steps = velocity, n_steps
        super().__init__(event_shape=torch.Size([latent_dim]), validate_args=False)

    def sample(self, sample_shape: torch.Size | list[int] | tuple[int, ...] = ()) -> Tensor:
        shape = (*sample_shape, *self.event_shape)
        with torch.no_grad():
            noise = torch.randn(shape, device=self.velocity.first.weight.device).reshape(-1, *self.event_shape)
            parts = [self._bring((part,), forwards=True)[0] for part in noise.split(_CHUNK)]
        return torch.cat(parts).reshape(shape)

    def log_prob(self, value: Tensor) -> Tensor:
        """Density at the start of each way, changed by the divergence along it (Chen et al., 2018, eq. 8)."""
        flat = value.reshape(-1, *self.event_shape)
        found = [self._log_prob(part) for part in flat.split(_CHUNK)]
        return torch.cat(found).reshape(value.shape[:-1])

    def _log_prob(self, x: Tensor) -> Tensor:
        start, change = self._bring((x, torch.zeros_like(x[:, 0])), forwards=False)
        return -0.5 * (start.square() + math.log(2 * math.pi)).sum(-1) + change

    def _bring(self, state: tuple[Tensor, ...], *, forwards: bool) -> tuple[Tensor, ...]:
        """Codes, and the integral of the divergence if it is asked for, from one end to the other."""
        field: Callable = self.velocity.with_divergence if len(state) == 2 else lambda x, t: (self.velocity(x, t),)
        step = (1 if forwards else -1) / self.n_steps

        def moved(state: tuple[Tensor, ...], slopes: tuple[Tensor, ...], by: float) -> tuple[Tensor, ...]:
            return tuple(s + by * slope for s, slope in zip(state, slopes, strict=True))

        for number in range(self.n_steps):
            t = (0 if forwards else 1) + number * step
            begin, middle, end = (state[0].new_full((1, 1), t + part * step) for part in (0, 0.5, 1))
            k1 = field(state[0], begin)
            k2 = field(moved(state, k1, step / 2)[0], middle)
            k3 = field(moved(state, k2, step / 2)[0], middle)
            k4 = field(moved(state, k3, step)[0], end)
            mean = tuple((a + 2 * b + 2 * c + d) / 6 for a, b, c, d in zip(k1, k2, k3, k4, strict=True))
            state = moved(state, mean, step)
        return state


class FlowMatching(StandardisedPrior):
    """A flow from noise to codes along straight ways, whose velocities are learned by regression.

    For a code z, noise ε and a time t, the velocity at t z + (1 − t) ε is z − ε on average (Lipman et al., 2023,
    eq. 23, without the least spread; rectified flow, Liu et al., 2023). With this Gaussian source it is a diffusion
    model too, with another clock and other weights of the times.

    Parameters
    ----------
    width : int
        Units of each of the two hidden layers.
    n_steps : int
        Steps from noise to codes, and back for the density.
    max_steps : int
        Steps of the training.
    learning_rate : float
        At the start.
    """

    name = "flow_matching"

    def __init__(self, width: int = 256, n_steps: int = 10, max_steps: int = 4000, learning_rate: float = 2e-3) -> None:
        super().__init__()
        self.width = width
        self.n_steps = n_steps
        self.max_steps = max_steps
        self.learning_rate = learning_rate

    def check(self) -> None:
        check_whole("width", self.width, 1, 8192)
        check_whole("n_steps", self.n_steps, 1, 10_000)
        check_whole("max_steps", self.max_steps, 1, 10_000_000)
        check_rate(self.learning_rate)

    def lay_out(self, latent_dim: int) -> None:
        self.latent_dim_ = latent_dim
        self.velocity = Velocity(latent_dim, self.width)

    def learn(self, codes: Tensor) -> None:
        train_density(self, self._error, codes, max_steps=self.max_steps, learning_rate=self.learning_rate)

    def standard(self) -> Transported:
        return Transported(self.velocity, self.latent_dim_, self.n_steps)

    def _error(self, codes: Tensor) -> Tensor:
        noise = torch.randn_like(codes)
        # Times spread evenly over the batch, so that its gradient varies less.
        t = (torch.arange(len(codes), device=codes.device) / len(codes) + torch.rand((), device=codes.device)) % 1
        t = t[:, None]
        return (self.velocity(t * codes + (1 - t) * noise, t) - (codes - noise)).square().sum(-1)
