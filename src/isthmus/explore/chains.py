"""The Markov chain of corrupting and denoising: a denoiser as a generative model."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import islice
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch
from sklearn.utils import check_random_state
from torch import Tensor
from torch.distributions import Distribution

from isthmus.errors import MissingExtraError, ParameterError
from isthmus.evaluate.convergence import Reference, Table, Verdict, compare, judge
from isthmus.training.runtime import random_numbers

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST_BYTES = 1 << 28
"""What the kept draws and means may fill; of longer chains every second draw is kept, or every third, and so on."""

Corrupt = Callable[[Tensor], Tensor]
Reconstruct = Callable[[Tensor], Distribution]
Statistics = Callable[[Tensor], Mapping[str, Tensor]]

_MOST_COORDINATES = 10


@dataclass(frozen=True, repr=False)
class Chains:
    """Markov chains that have been run, and what is to be said of them.

    Parameters
    ----------
    draws : ndarray of shape (chains, kept, ...)
        States: draws from p(x|x̃). All that were recorded, or every ``stride``-th of them.
    means : ndarray of the shape of ``draws``
        Means of the distributions that these were drawn from: denoised, without grain.
    statistics : dict of str to ndarray of shape (chains, draws)
        Of every recorded state.
    start : ndarray of shape (chains, ...)
        Where the chains were started.
    burn_in, thin, stride : int
        Steps before the first recorded state; steps from one recorded state to the next; recorded states from one that
        was kept to the next.
    precision : float
        Standard error of the statistics' means that was asked for, in their standard deviations.
    data : dict of str to Reference
        The same statistics over the training data, if there are any.
    picture : tuple of int or None
        (H, W) or (H, W, C), if the samples are pictures.
    limits : tuple of float
        Values that are shown as black and white.

    Notes
    -----
    The verdict (`converged`, `reason`, `draws_needed`, `diagnostics`) needs arviz-stats, the extra ``chains``.
    """

    draws: np.ndarray
    means: np.ndarray
    statistics: dict[str, np.ndarray]
    start: np.ndarray
    burn_in: int
    thin: int
    stride: int
    precision: float = 0.05
    data: dict[str, Reference] = field(default_factory=dict)
    picture: tuple[int, ...] | None = None
    limits: tuple[float, float] = (0.0, 1.0)

    def __repr__(self) -> str:
        n_chains, n_draws = self.shape
        return f"Chains({n_chains} chains of {n_draws:,} draws, thin={self.thin}, burn_in={self.burn_in:,})"

    @property
    def shape(self) -> tuple[int, int]:
        """Chains, and recorded draws of each."""
        n_chains, n_draws = next(iter(self.statistics.values())).shape
        return n_chains, n_draws

    @cached_property
    def verdict(self) -> Verdict:
        """All that `isthmus.evaluate.convergence.judge` says."""
        return judge(self.statistics, precision=self.precision, data=self.data)

    @property
    def converged(self) -> bool:
        """Whether every statistic has R-hat below 1.01 and effective sample sizes of 400 or more."""
        return self.verdict.converged

    @property
    def reason(self) -> str:
        """Why, in one sentence, with the worst statistic and its numbers."""
        return self.verdict.reason

    @property
    def draws_needed(self) -> int | None:
        """Recorded draws per chain that would be enough for the precision; None where more draws are no remedy."""
        return self.verdict.draws_needed

    def diagnostics(self, *, as_frame: bool = False) -> Any:
        """R-hat, effective sample sizes and errors of every statistic; see `isthmus.evaluate.convergence.diagnose`.

        Parameters
        ----------
        as_frame : bool
            Return a pandas data frame, a row for each statistic, rather than a dict of dicts.
        """
        return _frame(self.verdict.table) if as_frame else self.verdict.table

    def against_data(self, *, as_frame: bool = False) -> Any:
        """Whether the chains sample the distribution of the data; see `isthmus.evaluate.convergence.compare`.

        Chains can converge to the wrong distribution, so this is no part of the verdict. Empty without data.
        """
        found = compare(self.verdict.table, self.data)
        return _frame(found) if as_frame else found

    def describe(self) -> str:
        """The verdict and both tables as text."""
        lines = [self.reason, "", _text(self.diagnostics(), _DIAGNOSTICS)]
        gaps = self.against_data()
        if gaps:
            lines += ["", "chains against the training data (gap in standard errors):", "", _text(gaps, _GAPS)]
        return "\n".join(lines)

    def of_data(
        self,
        data: dict[str, Reference],
        *,
        picture: tuple[int, ...] | None,
        limits: tuple[float, float],
        reshape: Callable[[np.ndarray], np.ndarray],
    ) -> Chains:
        """The same chains, with what is known of the data, and samples in the shape that these came in."""
        shaped = {name: reshape(getattr(self, name)) for name in ("draws", "means", "start")}
        return replace(self, data=data, picture=picture, limits=limits, **shaped)

    def trace_plot(self) -> Figure:
        """Every statistic over the recorded draws, a line for each chain."""
        from isthmus.explore.chain_figures import trace_plot

        return trace_plot(self.statistics, self.data)

    def rank_plot(self) -> Figure:
        """How the ranks of every statistic are spread over each chain (Vehtari et al., 2021, section 5)."""
        from isthmus.explore.chain_figures import rank_plot

        return rank_plot(self.statistics)

    def pictures(self, n_chains: int = 8, n_steps: int = 16) -> np.ndarray:
        """Denoised means of the first chains at steps spread evenly over the run.

        Returns
        -------
        ndarray of shape (n_chains, n_steps, H, W) or (n_chains, n_steps, H, W, C)
            In the data's own units; fewer chains or steps if there are no more.

        Raises
        ------
        ParameterError
            The samples are not pictures.
        """
        if self.picture is None:
            raise ParameterError("the states of these chains are not pictures; look at trace_plot() instead")
        at = np.linspace(0, self.means.shape[1] - 1, min(n_steps, self.means.shape[1])).round().astype(int)
        chosen = self.means[:n_chains, at]
        return chosen.reshape(*chosen.shape[:2], *self.picture)

    def frames(self, n_chains: int = 16, n_frames: int = 100) -> np.ndarray:
        """The chains as an animation: a grid of chains in every frame.

        Run them with ``burn_in=0`` to see how they leave their start.

        Returns
        -------
        ndarray of shape (n_frames, H', W') or (n_frames, H', W', C), uint8
            0 to 255 between the ends of the data's range.
        """
        from isthmus.explore.animation import side_by_side

        walks = self.pictures(n_chains, n_frames)
        return side_by_side(walks, int(np.ceil(np.sqrt(len(walks)))), limits=self.limits)


def transitions(corrupt: Corrupt, reconstruct: Reconstruct, x: Tensor) -> Iterator[tuple[Tensor, Distribution]]:
    """Steps of the chain without end: each state, and the distribution p(x|x̃) that it was drawn from.

    A state x is corrupted to x̃, and the next is drawn from p(x|x̃). If that is the true distribution of what was
    corrupted, the chain has the distribution of the data (Bengio et al., 2013b, theorem 1).
    """
    while True:
        p = reconstruct(corrupt(x))
        x = p.sample()
        yield x, p


@torch.no_grad()
def run_chains(
    corrupt: Corrupt,
    reconstruct: Reconstruct,
    start: Tensor | np.ndarray,
    n_draws: int = 1000,
    *,
    burn_in: int | Literal["auto"] = "auto",
    thin: int = 1,
    statistics: Statistics | None = None,
    precision: float = 0.05,
    random_state: int | np.random.RandomState | None = None,
    batch_size: int = 1024,
) -> Chains:
    """Run chains of corrupting and denoising, many at once.

    Parameters
    ----------
    corrupt : callable
        From states, Tensor (chains, *event), to corrupted ones. It draws its random numbers from torch.
    reconstruct : callable
        From corrupted states to p(x|x̃), a distribution with batch shape (chains,).
    start : Tensor or ndarray of shape (chains, *event)
        Where each chain starts. For R-hat to be of use the starts should be spread wider than what they converge to.
    n_draws : int
        States to record of each chain.
    burn_in : int or "auto"
        Steps before the first one. "auto": as many as come after, so that the first half of each chain is left out.
    thin : int
        Steps from one recorded state to the next.
    statistics : callable, optional
        From states to named statistics, each a Tensor (chains,), by which convergence is judged. By default the first
        ten values of the state.
    precision : float
        Standard error that is wanted, in standard deviations of a statistic.
    random_state : int, RandomState or None
        Seed. The caller's random state stays as it is.
    batch_size : int
        Chains that are run together.

    Returns
    -------
    Chains

    Raises
    ------
    ParameterError
        A number that cannot be.
    """
    for name, value, least in (("n_draws", n_draws, 1), ("thin", thin, 1), ("batch_size", batch_size, 1)):
        if value < least:
            raise ParameterError(f"{name} must be at least {least}, got {value}")
    steps = n_draws * thin if burn_in == "auto" else burn_in
    if steps < 0:
        raise ParameterError(f"burn_in must be 'auto' or at least 0, got {burn_in}")
    if len(start) == 0:
        raise ParameterError("there must be at least one chain, and start has no rows")
    first = torch.as_tensor(start)
    stride = -(-n_draws * 2 * first.numel() * first.element_size() // MOST_BYTES)
    seed = check_random_state(random_state).randint(2**31 - 1)
    with random_numbers(seed, first.device):
        walks = (transitions(corrupt, reconstruct, group) for group in first.split(batch_size))
        recorded = [
            _record(islice(walk, steps, steps + n_draws * thin, thin), statistics or _coordinates, stride)
            for walk in walks
        ]
    draws, means, values = (list(parts) for parts in zip(*recorded, strict=True))
    return Chains(
        draws=np.concatenate(draws),
        means=np.concatenate(means),
        statistics={name: np.concatenate([part[name] for part in values]) for name in values[0]},
        start=first.cpu().numpy(),
        burn_in=steps,
        thin=thin,
        stride=stride,
        precision=precision,
    )


def _record(
    walk: Iterator[tuple[Tensor, Distribution]], statistics: Statistics, stride: int
) -> tuple[np.ndarray, np.ndarray, dict[str, np.ndarray]]:
    """Draws, means and statistics of a walk; of the states themselves only every ``stride``-th."""
    draws, means, values = [], [], []
    for i, (x, p) in enumerate(walk):
        if i % stride == 0:
            draws.append(x.cpu().numpy())
            means.append(p.mean.cpu().numpy())
        values.append({name: value.cpu().numpy() for name, value in statistics(x).items()})
    columns = {name: np.stack([value[name] for value in values], 1).astype(np.float64) for name in values[0]}
    return np.stack(draws, 1), np.stack(means, 1), columns


def _coordinates(x: Tensor) -> dict[str, Tensor]:
    return {f"value {i}": column for i, column in enumerate(x.flatten(1)[:, :_MOST_COORDINATES].unbind(1))}


# ------------------------------------------------------------------ tables

_DIAGNOSTICS = {
    "mean": "{:.4g}",
    "sd": "{:.4g}",
    "mcse_mean": "{:.2g}",
    "rhat": "{:.3f}",
    "ess_bulk": "{:,.0f}",
    "ess_tail": "{:,.0f}",
}
_GAPS = {
    "data_mean": "{:.4g}",
    "chain_mean": "{:.4g}",
    "mean_gap": "{:+.1f}",
    "data_sd": "{:.4g}",
    "chain_sd": "{:.4g}",
    "sd_gap": "{:+.1f}",
}


def _text(table: Table, columns: dict[str, str]) -> str:
    rows = [[name, *(form.format(row[key]) for key, form in columns.items())] for name, row in table.items()]
    rows = [["", *columns], *rows]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        row[0].ljust(widths[0]) + "".join(f"  {cell:>{width}}" for cell, width in zip(row[1:], widths[1:], strict=True))
        for row in rows
    )


def _frame(table: Table) -> Any:
    try:
        import pandas as pd
    except ImportError:
        raise MissingExtraError("data frames need pandas: pip install 'isthmus[tables]'") from None
    return pd.DataFrame.from_dict(table, orient="index")
