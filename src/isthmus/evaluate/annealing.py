"""Annealed importance sampling: log p(x) by a path from a density that can be drawn from to p(x, z).

Protocol. For each row, chains start at the prior p(z) or at q(z|x), called f₀ here, and pass through the densities
f₀(z)^(1 − β) p(x, z)^β for β from 0 to 1 in sigmoidal steps (Neal, 2001; Wu et al., 2017, section 3). At each they move
by one Hamiltonian transition of some leapfrog steps (Neal, 2011), in units of the spread of f₀. The logarithm of the
mean weight of the chains is a lower bound on log p(x) on average, and tends to it with more steps and with more chains.

The step of the transitions must suit every β. A few pilot chains find it for every row, as Wu et al. do: it is made
longer or shorter on the way, so that 65 % of the proposals are accepted. The chains that count then move by the steps
that are known by then. If they adapted their own, these would depend on where they are, and their weights be biased.

Bidirectional Monte Carlo. Of data that the model itself draws, a code of p(z|x) is known: the one they were decoded
from. A chain from there back to f₀ estimates 1 / p(x), and minus the logarithm of that is an upper bound on log p(x) on
average. The gap to the lower bound says how well annealing does for this model (Grosse et al., 2015, section 4).

Everything is in float64, and every row has random numbers of its own, so that neither batches nor rounding change it.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Literal, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.distributions import Distribution, MultivariateNormal

from isthmus.core import Composed
from isthmus.data.streams import AnyRows, chunks
from isthmus.evaluate.bounds import draw, own_noise, posterior
from isthmus.evaluate.likelihood import LikelihoodEstimate, judged, summarise
from isthmus.evaluate.rate import gaussian
from isthmus.terms.kl import is_diagonal_gaussian
from isthmus.training.runtime import random_numbers

Start = Literal["posterior", "prior"]

_PILOTS, _FIRST_STEP, _SHORTEST, _LONGEST = 4, 0.5, 1e-4, 2.0
_TARGET, _GAIN = 0.65, 0.2
# The length of a step varies, so that no trajectory is a whole orbit that ends where it began.
_JITTER = 0.2
# Chains at once, whatever the row's company, so that it has the same draws in each.
_GROUP = 64
_SPREAD_DRAWS = 1000


@dataclass(frozen=True)
class Annealing:
    """How to anneal.

    Parameters
    ----------
    n_steps : int
        Steps from β = 0 to β = 1; one Hamiltonian transition after each but the last.
    n_leapfrog : int
        Leapfrog steps of a transition, each of which takes one gradient of the decoder.
    start : {"posterior", "prior"}
        Where chains begin. q(z|x) is far nearer to p(z|x), if there is one.
    """

    n_steps: int = 250
    n_leapfrog: int = 2
    start: Start = "posterior"

    @property
    def betas(self) -> list[float]:
        """β of every step, from 0 to 1: a sigmoid from −4 to 4, scaled to these ends (Wu et al., 2017, appendix)."""
        curve = [1 / (1 + math.exp(-4 * (2 * t / self.n_steps - 1))) for t in range(self.n_steps + 1)]
        return [(value - curve[0]) / (curve[-1] - curve[0]) for value in curve]


@dataclass(frozen=True)
class BidirectionalEstimate:
    """Bounds on log p(x) from both sides, of rows that the model itself has drawn.

    Parameters
    ----------
    lower, upper : ndarray of shape (n,), float64
        Stochastic bounds on log p(x) of every row, in nats: on average below and above.
    X : ndarray of shape (n, *event)
        The rows.
    """

    lower: np.ndarray
    upper: np.ndarray
    X: np.ndarray

    @property
    def gap(self) -> float:
        """Mean of upper − lower in nats: an upper bound, on average, on what annealing misses of log p(x)."""
        return float((self.upper - self.lower).mean())

    @property
    def gap_error(self) -> float:
        """Standard error of `gap`, from its spread over the rows."""
        gaps = self.upper - self.lower
        return float(gaps.std(ddof=1) / math.sqrt(len(gaps)))

    def __str__(self) -> str:
        bounds = f"{self.lower.mean():.3f} to {self.upper.mean():.3f} nats"
        return f"log p(x) of {len(self.lower):,} drawn rows: {bounds}, gap {self.gap:.2g} ± {self.gap_error:.1g}"


def annealed_estimate(
    module: Composed, rows: AnyRows, n_chains: int, seed: int, annealing: Annealing
) -> LikelihoodEstimate:
    """Estimate log p(x) of rows (n, *event) with ``n_chains`` annealed chains each."""
    parts = []
    for path in _paths(module, rows, n_chains, seed, annealing):
        steps = path.find_steps()
        weights = (path.anneal(path.begin(k), steps) for k in _groups(n_chains))
        parts.append(summarise(weights, path.x, n_chains).cpu().numpy())
    return judged(np.concatenate(parts), n_chains, "annealed")


def bidirectional(module: Composed, n: int, n_chains: int, seed: int, annealing: Annealing) -> BidirectionalEstimate:
    """Draw ``n`` rows (n, *event) from p(z) p(x|z), and bound log p(x) of each from both sides."""
    exact = _exact(module)
    with random_numbers(seed, exact.scaling.shift.device), torch.no_grad():
        codes = exact.density().sample(torch.Size([n])).double()
        rows = exact.decode(codes).sample().cpu().numpy()
    lower, upper, first = [], [], 0
    for path in _paths(module, rows, n_chains, seed, annealing):
        truth = codes[first : first + len(path.x)]
        first += len(path.x)
        steps = path.find_steps()
        there = [path.anneal(path.begin(k), steps) for k in _groups(n_chains)]
        back = [path.anneal(path.at(truth.expand(k, -1, -1)), steps, reverse=True) for k in _groups(n_chains)]
        lower.append(torch.cat(there).logsumexp(0) - math.log(n_chains))
        upper.append(math.log(n_chains) - torch.cat(back).logsumexp(0))
    return BidirectionalEstimate(torch.cat(lower).cpu().numpy(), torch.cat(upper).cpu().numpy(), rows)


def _groups(n_chains: int) -> Iterator[int]:
    for start in range(0, n_chains, _GROUP):
        yield min(_GROUP, n_chains - start)


class _Exact(Composed):
    """The same model, with its decoder in float64: the acceptance of a proposal must not hang on rounding."""

    def __init__(self, module: Composed) -> None:
        self.__dict__.update(module.__dict__)
        self._modules = dict(module._modules)
        self.decoder64 = copy.deepcopy(module.network.decoder).double().requires_grad_(False)

    def outputs(self, z: Tensor) -> Tensor:
        return self.decoder64(z.double())

    def density(self) -> Distribution:
        """p(z), in float64 where it is a Gaussian; others see to their precision themselves."""
        with torch.no_grad():
            p = self.prior()
        if isinstance(p, MultivariateNormal):
            return MultivariateNormal(p.loc.double(), scale_tril=p.scale_tril.double(), validate_args=False)
        return gaussian(p.mean.double(), p.stddev.double()) if is_diagonal_gaussian(p) else p


def _exact(module: Composed) -> _Exact:
    return _Exact(module.eval())


def _paths(module: Composed, rows: AnyRows, n_chains: int, seed: int, annealing: Annealing) -> Iterator[_Path]:
    """Paths of as many rows at a time as memory allows."""
    from isthmus.models.inference import batch_size, device_of

    exact, device = _exact(module), device_of(module)
    with random_numbers(seed, device), torch.no_grad():
        prior = exact.density()
        spread = prior.sample(torch.Size([_SPREAD_DRAWS])).double().std(0)
    size = batch_size(module, math.prod(module.event_shape), min(n_chains, _GROUP))
    first = 0
    for chunk in chunks(rows, size):
        x = exact.real(torch.tensor(chunk, device=device))
        with torch.no_grad():
            q = posterior(module, x) if annealing.start == "posterior" else None
        yield _Path(exact, x, prior, q, spread, annealing, _Numbers(seed, first, len(x), module))
        first += len(x)


class _Numbers:
    """Random numbers of every row for itself."""

    def __init__(self, seed: int, first: int, n_rows: int, module: Composed) -> None:
        bottleneck = module.bottleneck
        self.device = module.scaling.shift.device
        self.seeds = [(seed, first + row) for row in range(n_rows)]
        width = bottleneck.latent_dim_
        self._codes = own_noise(seed, first, n_rows, bottleneck.noise_dim)
        self._moves = own_noise(seed + 1, first, n_rows, width + 2)

    def codes(self, k: int) -> Tensor:
        """Noise of ``k`` draws from q(z|x) for each row."""
        return self._codes(-(-k // 16) * 16)[:k].double().to(self.device)

    def moves(self, k: int) -> Tensor:
        """Momentum of ``k`` transitions for each row, and two normal numbers besides: (k, B, latent_dim + 2)."""
        return self._moves(-(-k // 16) * 16)[:k].double().to(self.device)

    def draws(self, p: Distribution, k: int) -> Tensor:
        """``k`` draws from a distribution for each row, (k, B, latent_dim)."""
        drawn = []
        for seed in self.seeds:
            with random_numbers(int(np.random.SeedSequence((2, *seed)).generate_state(1)[0]), self.device):
                drawn.append(p.sample(torch.Size([k])))
        return torch.stack(drawn, 1)


class _Point(NamedTuple):
    """Codes (k, B, latent_dim), log densities (k, B) at both ends of the path, and their gradients."""

    z: Tensor
    start: Tensor
    end: Tensor
    start_slope: Tensor
    end_slope: Tensor

    def density(self, beta: float) -> Tensor:
        return (1 - beta) * self.start + beta * self.end

    def slope(self, beta: float) -> Tensor:
        return (1 - beta) * self.start_slope + beta * self.end_slope


@dataclass
class _Path:
    """The way from f₀ to p(x, z) for some rows."""

    exact: Composed
    x: Tensor
    prior: Distribution
    q: Distribution | None
    spread: Tensor
    annealing: Annealing
    numbers: _Numbers
    betas: list[float] = field(init=False)

    def __post_init__(self) -> None:
        self.betas = self.annealing.betas
        if self.q is not None:
            self.spread = self.q.stddev.double()
        self.spread = self.spread.clamp_min(torch.finfo(torch.float64).tiny)

    def begin(self, k: int) -> _Point:
        """``k`` chains of each row at f₀."""
        with torch.no_grad():
            z = self.numbers.draws(self.prior, k) if self.q is None else draw(self.q, self.numbers.codes(k))
        return self.at(z.double())

    def at(self, z: Tensor) -> _Point:
        with torch.enable_grad():
            z = z.detach().requires_grad_()
            prior, decoded = self.prior.log_prob(z), self.exact.log_prob(self.x, z)
            start, rest = (prior, decoded) if self.q is None else (self.q.log_prob(z), prior + decoded)
            slopes = [torch.autograd.grad(value.sum(), z)[0] for value in (start, rest)]
        start, rest = start.detach(), rest.detach()
        if self.q is None:
            return _Point(z.detach(), start, start + rest, slopes[0], slopes[0] + slopes[1])
        return _Point(z.detach(), start, rest, *slopes)

    def find_steps(self) -> list[Tensor]:
        """Step of every transition for every row, (B,) each, that pilot chains found to be accepted often enough."""
        step = torch.full((len(self.x),), _FIRST_STEP, dtype=torch.float64, device=self.x.device)
        point, steps = self.begin(_PILOTS), []
        for beta in self.betas[1:-1]:
            point, accepted = self.move(point, beta, step)
            step = (step * (_GAIN * (accepted.mean(0) - _TARGET)).exp()).clamp(_SHORTEST, _LONGEST)
            steps.append(step)
        return steps

    def anneal(self, point: _Point, steps: list[Tensor], *, reverse: bool = False) -> Tensor:
        """Log weights (k, B) of chains that go from f₀ to p(x, z), or the other way."""
        order = slice(None, None, -1) if reverse else slice(None)
        betas, steps = self.betas[order], steps[order]
        total = torch.zeros_like(point.start)
        for t in range(1, len(betas)):
            total = total + (betas[t] - betas[t - 1]) * (point.end - point.start)
            if t < len(betas) - 1:
                point, _ = self.move(point, betas[t], steps[t - 1])
        return total

    def move(self, point: _Point, beta: float, step: Tensor) -> tuple[_Point, Tensor]:
        """One Hamiltonian transition (Neal, 2011, section 3.2), and the probability that it was to be accepted."""
        numbers = self.numbers.moves(len(point.z))
        momentum, chance = numbers[..., :-2], torch.special.ndtr(numbers[..., -2:])
        length = (step * (1 - _JITTER + 2 * _JITTER * chance[..., 0])).unsqueeze(-1) * self.spread
        before = point.density(beta) - 0.5 * momentum.square().sum(-1)
        proposal, momentum = point, momentum + 0.5 * length * point.slope(beta)
        for i in range(self.annealing.n_leapfrog):
            proposal = self.at(proposal.z + length * momentum)
            half = 0.5 if i == self.annealing.n_leapfrog - 1 else 1.0
            momentum = momentum + half * length * proposal.slope(beta)
        after = proposal.density(beta) - 0.5 * momentum.square().sum(-1)
        # A trajectory that ran off to where nothing is finite is refused.
        accepted = (after - before).nan_to_num(nan=-math.inf).exp().clamp_max(1)
        chosen = chance[..., 1] < accepted
        return _Point(*map(partial(_choose, chosen), proposal, point)), accepted


def _choose(chosen: Tensor, new: Tensor, old: Tensor) -> Tensor:
    return torch.where(chosen.unsqueeze(-1) if new.ndim > chosen.ndim else chosen, new, old)
