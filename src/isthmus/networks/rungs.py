"""The generative half of a ladder of latents: from the most abstract layer down to the last."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import NamedTuple

import torch
from torch import Tensor, nn

Make = Callable[[int, int], nn.Module]
"""Makes an affine layer from so many inputs (or channels) to so many outputs."""

# Logarithms of scales, and of ratios of scales, stay within about this.
_REACH = 5.0


class Shares(NamedTuple):
    """Initial weights of a rung, as shares of the usual ones.

    Parameters
    ----------
    block : float
        Of the block through which the state is handed on.
    told : float
        Of what makes priors and posteriors: small, and all of them start near N(0, 1), with little divergence.
    taken : float
        Of what takes latents into the state: many of them are but noise at first.
    """

    block: float
    told: float = 1.0
    taken: float = 1.0


@dataclass
class Descent:
    """One way down the ladder, for N codes.

    Parameters
    ----------
    z : Tensor of shape (N, latent_dim)
        The code: the latents of all layers side by side, the top one first.
    prior : tuple of two Tensors of shape (N, latent_dim)
        Mean and logarithm of the scale of p(z_l | z_{>l}).
    posterior : tuple of two Tensors of shape (N, latent_dim), optional
        The same of q(z_l | z_{>l}, x), if the features of x were given.
    state : Tensor, optional
        What is handed on below the last layer.
    """

    z: Tensor
    prior: tuple[Tensor, Tensor]
    posterior: tuple[Tensor, Tensor] | None
    state: Tensor | None

    def log_prior(self) -> Tensor:
        """Log p(z) in nats, of shape (N,)."""
        return _log_normal(self.z, *self.prior).sum(-1)

    def log_posterior(self) -> Tensor:
        """Log q(z|x) in nats, of shape (N,)."""
        assert self.posterior is not None
        return _log_normal(self.z, *self.posterior).sum(-1)

    def divergence(self) -> Tensor:
        """KL(q(z_l | z_{>l}, x) ‖ p(z_l | z_{>l})) of each latent at the z above it, of shape (N, latent_dim).

        Its mean over z is the KL of the whole, with less variance than log q(z|x) − log p(z).
        """
        assert self.posterior is not None
        (mean, log_scale), (prior_mean, prior_log_scale) = self.posterior, self.prior
        shift = (mean - prior_mean) * (-prior_log_scale).exp()
        log_ratio = log_scale - prior_log_scale
        return 0.5 * (shift.square() + (2 * log_ratio).exp() - 1) - log_ratio


class Residual(nn.Module):
    """x plus two layers of it, each after its activation (He et al., 2016); the last one starts small."""

    def __init__(self, make: Make, width: int, share: float, dropout: float = 0.0) -> None:
        super().__init__()
        drop = [nn.Dropout(dropout)] if dropout > 0 else []
        self.layers = nn.Sequential(nn.SiLU(), make(width, width), nn.SiLU(), *drop, smaller(make(width, width), share))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.layers(x)


class Rung(nn.Module):
    """One layer of latents.

    The posterior is the prior plus what the features of x say against it (Vahdat & Kautz, 2020, section 3.2): both its
    mean and the logarithm of its scale. The top layer has a standard normal prior.

    Parameters
    ----------
    make : callable
        Makes the layers.
    width : int
        Of the state and of the features.
    n : int
        Latents (of each position).
    shares : Shares
        Initial weights.
    top, last : bool
        Whether there is a state from above, and whether one is handed on.
    dropout : float
        Share of hidden units dropped while training.
    """

    def __init__(
        self, make: Make, width: int, n: int, shares: Shares, *, top: bool, last: bool, dropout: float = 0.0
    ) -> None:
        super().__init__()
        self.n, self.top, self.last = n, top, last
        if not top:
            told = smaller(make(width, 2 * n + (0 if last else width)), shares.told)
            self.foresee = nn.Sequential(nn.SiLU(), make(width, width), nn.SiLU(), told)
            self.ask = nn.Sequential(nn.SiLU(), make(width, width))
        self.answer = nn.Sequential(nn.SiLU(), smaller(make(width, 2 * n), shares.told))
        if not last:
            self.take = smaller(make(n, width), shares.taken)
            self.refine = Residual(make, width, shares.block, dropout)

    def prior(self, state: Tensor | None) -> tuple[Tensor, Tensor, Tensor | None] | None:
        """Mean and log scale of p(z_l | z_{>l}), and what the state gains; None for a standard normal."""
        if self.top or state is None:
            return None
        told = self.foresee(state)
        mean, raw = _at_least_float32(told[:, : 2 * self.n]).chunk(2, 1)
        return mean, _within_reach(raw), None if self.last else told[:, 2 * self.n :]

    def posterior(self, state: Tensor | None, tap: Tensor) -> tuple[Tensor, Tensor]:
        """How far mean and log scale of q(z_l | z_{>l}, x) are from those of the prior; ``tap`` is what x says."""
        if not (self.top or state is None):
            asked = self.ask(state)
            tap = asked + tap.to(asked.dtype)
        shift, raw = _at_least_float32(self.answer(tap)).chunk(2, 1)
        return shift, _within_reach(raw)

    def onward(self, state: Tensor | None, z: Tensor) -> Tensor:
        """The state below this layer."""
        taken = self.take(z)
        # In the format of the layers, or all that follows would be cast to and fro.
        return self.refine(taken if state is None else state.to(taken.dtype) + taken)


class TopDown(nn.Module):
    """All layers of a ladder, the top one first.

    Parameters
    ----------
    rungs : sequence of Rung
        The layers.
    sizes : sequence of tuple of int
        Height and width at each layer; () where latents have no place.
    passages : sequence of Module
        What the state passes through before each layer but the top one.
    start : Tensor, optional
        The state above the top layer, (width, *size); learned.
    takes_doubles : bool
        Whether the layers compute in float64 if they are given that.
    """

    def __init__(
        self,
        rungs: Sequence[Rung],
        sizes: Sequence[tuple[int, ...]],
        passages: Sequence[nn.Module],
        start: Tensor | None = None,
        *,
        takes_doubles: bool = False,
    ) -> None:
        super().__init__()
        self.rungs, self.passages = nn.ModuleList(rungs), nn.ModuleList(passages)
        self.start = None if start is None else nn.Parameter(start)
        self.sizes, self.takes_doubles = list(sizes), takes_doubles
        self.widths = [rung.n * math.prod(size) for rung, size in zip(rungs, sizes, strict=True)]
        self.latent_dim = sum(self.widths)

    def taken(self, x: Tensor) -> Tensor:
        """Features, codes or noise in the format that the layers take."""
        return x if self.takes_doubles and x.dtype == torch.float64 else x.float()

    def descend(
        self,
        n: int,
        taps: Sequence[Tensor] | None = None,
        *,
        given: Tensor | None = None,
        noise: Tensor | None = None,
    ) -> Descent:
        """Walk down from the top for ``n`` codes.

        Parameters
        ----------
        n : int
            Codes.
        taps : sequence of Tensor, optional
            What B samples say to each layer, for n a multiple of B: code i is of sample i modulo B. With it every layer
            is drawn from q(z_l | z_{>l}, x), else from p(z_l | z_{>l}).
        given : Tensor of shape (n, latent_dim), optional
            The code, where it is known.
        noise : Tensor of shape (n, latent_dim), optional
            Standard normal; without it every layer takes its mean.
        """
        state = None if self.start is None else self.start.expand(n, *self.start.shape)
        zs: list[Tensor] = []
        priors: list[tuple[Tensor, Tensor]] = []
        posteriors: list[tuple[Tensor, Tensor]] = []
        ends = list(accumulate(self.widths))
        for level, (rung, passage, size) in enumerate(zip(self.rungs, self.passages, self.sizes, strict=True)):
            assert isinstance(rung, Rung)
            state = passage(state) if level else state
            foreseen, gain = rung.prior(state), None
            shift = None if taps is None else rung.posterior(state, _for_each(taps[level], n))
            part = slice(ends[level] - self.widths[level], ends[level])
            z, log_scale = None, None
            if foreseen is not None:
                z, log_scale, gain = flat(foreseen[0]), flat(foreseen[1]), foreseen[2]
            elif shift is not None:
                z = log_scale = torch.zeros_like(flat(shift[0]))
            else:
                like = self._like(given, noise)
                z = log_scale = torch.zeros(n, self.widths[level], device=like.device, dtype=like.dtype)
            priors.append((z, log_scale))
            if shift is not None:
                z, log_scale = z + flat(shift[0]), log_scale + flat(shift[1])
                posteriors.append((z, log_scale))
            if given is not None:
                z = given[:, part]
            elif noise is not None:
                z = z + log_scale.exp() * noise[:, part]
            zs.append(z)
            if not rung.last:
                state = state if gain is None or state is None else state + gain
                state = rung.onward(state, spread(z, size))
        return Descent(torch.cat(zs, 1), _joined(priors), _joined(posteriors) if posteriors else None, state)

    def _like(self, *tensors: Tensor | None) -> Tensor:
        return next((tensor for tensor in tensors if tensor is not None), next(self.parameters()))


def flat(x: Tensor) -> Tensor:
    """(N, C, *size) to (N, C * size), the channels of a place side by side, as they lie in memory."""
    return x.flatten(1) if x.ndim == 2 else x.permute(0, 2, 3, 1).flatten(1)


def spread(x: Tensor, size: tuple[int, ...]) -> Tensor:
    """What `flat` made flat, (N, C, *size)."""
    return x if size == () else x.unflatten(1, (*size, -1)).permute(0, 3, 1, 2)


def _at_least_float32(x: Tensor) -> Tensor:
    return x if x.dtype == torch.float64 else x.float()


def smaller(layer: nn.Module, share: float) -> nn.Module:
    """The layer with its initial weights times ``share``."""
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.mul_(share)
    return layer


def _for_each(tap: Tensor, n: int) -> Tensor:
    return tap if tap.shape[0] == n else tap.repeat(n // tap.shape[0], *(1 for _ in tap.shape[1:]))


def _joined(pairs: list[tuple[Tensor, Tensor]]) -> tuple[Tensor, Tensor]:
    return torch.cat([first for first, _ in pairs], 1), torch.cat([second for _, second in pairs], 1)


def _within_reach(x: Tensor) -> Tensor:
    """x, bent so that it stays within `_REACH`: a scale can neither vanish nor explode."""
    return _REACH * (x / _REACH).tanh()


def _log_normal(x: Tensor, mean: Tensor, log_scale: Tensor) -> Tensor:
    return -0.5 * (((x - mean) * (-log_scale).exp()).square() + math.log(2 * math.pi)) - log_scale
