"""The Markov chain of a denoiser, some steps at a time, with what is to be said of its convergence in plain words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from isthmus.corruptions import CustomCorruption
from isthmus.errors import MissingExtraError, ParameterError
from isthmus.evaluate.convergence import FEWEST_CHAINS, FEWEST_DRAWS, LEAST_ESS, MOST_RHAT, Verdict, compare, judge
from isthmus.studio.lab.noise import trained_with

if TYPE_CHECKING:
    from isthmus.explore.chains import Chains
    from isthmus.studio.opened import OpenedRun

Start = Literal["noise", "sample", "prior"]

MOST_CHAINS, MOST_AT_ONCE, MOST_STEPS = 32, 50, 20_000
MOST_VALUES = 1 << 20
"""Numbers of all states together: what is sent with every step."""
# Beyond ±3 standard errors chain and data differ by more than chance.
_GAP = 3
_SHOWN = ("rhat", "ess_bulk", "ess_tail", "mean", "sd")


@dataclass(frozen=True)
class Told:
    """The verdict as the page tells it.

    Parameters
    ----------
    state : {"early", "no", "yes", "unknown"}
        Whether the chains have converged.
    headline : str
        In a few words.
    words : str
        In a sentence or two for somebody who has never heard of R-hat.
    reason : str
        `isthmus.evaluate.convergence.judge`'s sentence, with the numbers; empty while it is too early.
    table : dict
        R-hat, effective sample sizes, mean and sd of each statistic; None where a number is not defined.
    """

    state: str
    headline: str
    words: str
    reason: str
    table: dict[str, dict[str, float | None]]

    def plain(self) -> dict[str, Any]:
        """For JSON."""
        return dict(vars(self))


def has_chain(estimator: Any) -> bool:
    """Whether corrupting and denoising in turn can be done with this model."""
    corruption = trained_with(estimator)
    # A saved run does not hold a function that its maker wrote.
    lost = isinstance(corruption, CustomCorruption) and corruption.function is None
    return hasattr(estimator, "markov_chain") and corruption is not None and not lost


def limits_for(run: OpenedRun) -> dict[str, Any] | None:
    """Most chains and steps, and mean and sd of the statistics over the data; None if the model has no chain."""
    if not has_chain(run.est):
        return None
    references = {name: {"mean": known.mean, "sd": known.sd} for name, known in _references(run).items()}
    return {"most": _most_chains(run), "steps": MOST_STEPS, "references": references}


def _references(run: OpenedRun) -> dict[str, Any]:
    return getattr(run.est, "references_", {})


def _most_chains(run: OpenedRun) -> int:
    return max(1, min(MOST_CHAINS, MOST_VALUES // run.info.n_values))


class WalkingChains:
    """Several chains side by side, of which every state is recorded.

    Parameters
    ----------
    run : OpenedRun
        A model with a chain.
    start : {"noise", "sample", "prior"}
        ``"noise"``: random samples spread wider than the data; ``"sample"``: all from ``sample``; ``"prior"``: codes
        drawn from the prior, decoded.
    n_chains : int
        How many.
    seed : int
        Equal seeds give equal chains, however many steps are asked for at a time.
    sample : ndarray of shape ``info.shape``, optional
        Where ``start="sample"`` starts.

    Raises
    ------
    ParameterError
        The model has no chain, or a number that cannot be.
    """

    def __init__(self, run: OpenedRun, start: Start, n_chains: int, seed: int, sample: np.ndarray | None) -> None:
        most = _most_chains(run)
        if not has_chain(run.est):
            raise ParameterError(f"a {type(run.est).__name__} makes no Markov chain; fit a denoising model")
        if not 1 <= n_chains <= most:
            raise ParameterError(f"chains must be from 1 to {most} for this model, got {n_chains}")
        self._run, self._seed, self.start = run, seed, start
        self._est: Any = run.est
        self.n_steps = 0
        self.names = list(_references(run))
        """Names of the statistics."""
        self._trace: list[np.ndarray] = []
        self.state = self.means = self._first(start, n_chains, sample)

    def _first(self, start: Start, n_chains: int, sample: np.ndarray | None) -> np.ndarray:
        est, shape = self._est, self._run.info.shape
        if start == "noise":
            chains = est.markov_chain(n_chains, 1, burn_in=0, random_state=self._seed)
            return chains.start.reshape(n_chains, *shape)
        if start == "sample":
            if sample is None:
                raise ParameterError("chains that start from a sample need one: send its values")
            return np.repeat(np.asarray(sample, np.float64)[None], n_chains, 0)
        if start != "prior":
            raise ParameterError(f"start must be 'noise', 'sample' or 'prior', got {str(start)[:40]!r}")
        codes = self._run.draw_codes(n_chains, self._seed)
        return est.inverse_transform(codes).reshape(n_chains, *shape)

    @property
    def n_chains(self) -> int:
        """Chains."""
        return len(self.state)

    def walk(self, n_steps: int) -> np.ndarray:
        """Go on, and return the statistics of the new states: float32 of shape (n_steps, statistics, chains).

        Raises
        ------
        ParameterError
            So many steps cannot be taken at once, or are more than are recorded at all.
        """
        if not 1 <= n_steps <= MOST_AT_ONCE:
            raise ParameterError(f"steps must be from 1 to {MOST_AT_ONCE} at a time, got {n_steps}")
        if self.n_steps + n_steps > MOST_STEPS:
            raise ParameterError(f"the chains have taken all {MOST_STEPS:,} steps that are recorded; start them anew")
        new = np.stack([self._step() for _ in range(n_steps)])
        self._trace.append(new)
        return new.astype(np.float32)

    def _step(self) -> np.ndarray:
        """The statistics of the next states, of shape (statistics, chains)."""
        # A seed for every step: what comes next does not depend on how many steps are asked for at a time.
        seed = np.random.SeedSequence([self._seed, self.n_steps]).generate_state(1)[0]
        rows = self._run.taken(self.state)
        chains: Chains = self._est.markov_chain(start=rows, n_draws=1, burn_in=0, random_state=int(seed))
        self.n_steps += 1
        self.state = chains.draws[:, -1].reshape(self.state.shape)
        self.means = chains.means[:, -1].reshape(self.state.shape)
        if not np.isfinite(self.state).all():
            raise ParameterError(f"the chains have run away to infinity after {self.n_steps:,} steps; start them anew")
        return np.stack([chains.statistics[name][:, 0] for name in self.names])

    def judge(self) -> Told:
        """Whether the chains have converged, by the second half of their steps: the first still tells of the start."""
        n_draws = self.n_steps - self.n_steps // 2
        if n_draws < 4:
            return Told("early", "Just started", _early(self.n_steps), "", {})
        trace = np.concatenate(self._trace)[-n_draws:]
        late = {name: trace[:, i].T for i, name in enumerate(self.names)}
        try:
            verdict = judge(late, data=self._est.references_)
        except MissingExtraError as error:
            return Told("unknown", "No verdict", f"{error}.", "", {})
        table = {
            name: {key: row[key] if np.isfinite(row[key]) else None for key in _SHOWN}
            for name, row in verdict.table.items()
        }
        if n_draws < FEWEST_DRAWS:
            return Told("early", "Too early to tell", _early(self.n_steps), "", table)
        reason = verdict.reason[0].upper() + verdict.reason[1:] + "."
        if verdict.converged:
            words = self._agreement(verdict)
            return Told("yes", "Converged", words, reason, table)
        return Told("no", "Not converged", self._disagreement(verdict), reason, table)

    def _agreement(self, verdict: Verdict) -> str:
        fewest = min(row["ess_bulk"] for row in verdict.table.values())
        words = (
            f"The {self.n_chains} chains look alike: where they are no longer depends on where they started. Their "
            f"states are worth about {fewest:,.0f} independent samples."
        )
        if self.start != "noise":
            words += " As they did not start far apart, start some from noise as well to be sure."
        gaps = compare(verdict.table, self._est.references_)
        worst = max(gaps, key=lambda name: np.nan_to_num(abs(gaps[name]["mean_gap"])), default="")
        if worst and abs(gaps[worst]["mean_gap"]) > _GAP:
            words += (
                f" They agree with each other, but not quite with the data: the mean of {worst} is "
                f"{_number(gaps[worst]['chain_mean'])}, and {_number(gaps[worst]['data_mean'])} in the data."
            )
        return words

    def _disagreement(self, verdict: Verdict) -> str:
        if self.n_chains < FEWEST_CHAINS:
            return f"Too few chains to compare with each other: run at least {FEWEST_CHAINS}."
        if verdict.draws_needed is None:
            return f"More steps will not help: {verdict.reason.removeprefix('not converged: ')}."
        table = verdict.table
        worst = max(table, key=lambda name: table[name]["rhat"])
        about = self._more(verdict.draws_needed)
        if table[worst]["rhat"] >= MOST_RHAT:
            return f"The chains still differ, most in {worst}: some have not forgotten where they started. {about}"
        fewest = min(row[key] for row in table.values() for key in ("ess_bulk", "ess_tail"))
        return (
            f"The chains look alike, but move so slowly that their states are worth only {fewest:,.0f} independent "
            f"samples; {LEAST_ESS} are wanted. {about}"
        )

    def _more(self, n_draws: int) -> str:
        """How many steps are missing, as as many draws are left out at the start as are judged."""
        more = max(10, 2 * n_draws - self.n_steps)
        digits = 10 ** max(0, len(str(more)) - 2)
        steps = f"{-(-more // digits) * digits:,} more steps"
        if self.n_steps + more > MOST_STEPS:
            return (
                f"It would take about {steps}, beyond the {MOST_STEPS:,} of this page; markov_chain in Python goes on."
            )
        return f"About {steps} should be enough."


def _early(n_steps: int) -> str:
    return f"After {n_steps:,} of at least {2 * FEWEST_DRAWS:,} steps the chains cannot be judged yet."


def _number(value: float) -> str:
    return f"{value:.3g}".replace("-", "−")
