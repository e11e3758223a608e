"""Whether Markov chains have converged: the verdict, and the numbers that it rests on."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from isthmus.errors import MissingExtraError, ParameterError

MOST_RHAT, LEAST_ESS = 1.01, 400
"""R-hat must stay below the one, effective sample sizes reach the other (Vehtari et al., 2021, section 4)."""
FEWEST_CHAINS, FEWEST_DRAWS = 4, 100

_TAIL = (0.05, 0.95)
# Chains that disagree by more than this do not just need a little longer.
_APART = 1.1
# Standard deviations of the data that are out of reach of chance.
_FAR = 10
# A chain that has moved to and fro this often knows the place where it is.
_SETTLED = 20

Table = dict[str, dict[str, float]]


@dataclass(frozen=True)
class Reference:
    """Mean and standard deviation of a statistic over ``n`` samples of data."""

    mean: float
    sd: float
    n: int


@dataclass(frozen=True)
class Verdict:
    """What is to be said of the convergence of some chains.

    Parameters
    ----------
    converged : bool
        Whether every statistic passes. False where that cannot be told.
    reason : str
        One sentence: the worst statistic and its numbers, or what is wrong.
    draws_needed : int or None
        Draws per chain that would be enough, by an extrapolation of the worst numbers; None where more draws are no
        remedy, or nothing can be said.
    table : dict of str to dict of str to float
        `diagnose` of the statistics.
    """

    converged: bool
    reason: str
    draws_needed: int | None
    table: Table


def diagnose(statistics: Mapping[str, np.ndarray]) -> Table:
    """Mean, spread and the diagnostics of Vehtari et al. (2021) of every statistic.

    Parameters
    ----------
    statistics : mapping of str to ndarray of shape (chains, draws)
        Values of each statistic along the chains.

    Returns
    -------
    dict of str to dict of str to float
        ``mean``, ``sd``; ``mcse_mean``, ``mcse_sd``: their Monte Carlo standard errors; ``rhat``: rank-normalised split
        R-hat; ``ess_bulk``, ``ess_tail``: effective sample sizes of the bulk and of the 5 % and 95 % quantiles. NaN
        where a number is not defined: of chains that do not move, of fewer than 4 draws, and R-hat of a single chain.

    Raises
    ------
    MissingExtraError
        arviz-stats is not installed.
    """
    stats = _arviz()
    return {name: _row(stats, np.asarray(values, np.float64)) for name, values in statistics.items()}


def judge(
    statistics: Mapping[str, np.ndarray], *, precision: float = 0.05, data: Mapping[str, Reference] | None = None
) -> Verdict:
    """Say whether chains have converged.

    They have, if every statistic has R-hat below 1.01 and effective sample sizes of at least 400, bulk and tail, over
    at least 4 chains of at least 100 draws (Vehtari et al., 2021). Chains that have converged agree with each other;
    whether they agree with the data is another question, which `compare` answers. And chains that have all missed the
    same part of the distribution agree as well: start them far apart.

    Parameters
    ----------
    statistics : mapping of str to ndarray of shape (chains, draws)
        Values of each statistic along chains that were started far apart.
    precision : float
        Standard error of a mean that is wanted, in standard deviations of the statistic. Below 0.05 it raises the
        effective sample size that is asked for from 400 to 1 / precision².
    data : mapping of str to Reference, optional
        The same statistics over data, to say which of the chains that do not agree have left the data altogether.

    Returns
    -------
    Verdict

    Raises
    ------
    MissingExtraError
        arviz-stats is not installed.
    ParameterError
        There are no statistics, or they are not of one shape (chains, draws).
    """
    arrays = {name: np.asarray(values, np.float64) for name, values in statistics.items()}
    shapes = {array.shape for array in arrays.values()}
    if len(shapes) != 1 or len(next(iter(shapes))) != 2:
        raise ParameterError(f"statistics of chains have one shape (chains, draws), and these have {sorted(shapes)}")
    if not 0 < precision < math.inf:
        raise ParameterError(f"precision must be positive and finite, got {precision}")
    table = diagnose(arrays)
    obstacle = next((found for found in map(_obstacle, arrays, arrays.values()) if found), "")
    undefined = [name for name, row in table.items() if any(math.isnan(value) for value in row.values())]
    if undefined and not obstacle:
        obstacle = f"the diagnostics of {undefined[0]} are not defined, as it takes hardly any different values"
    if obstacle:
        return Verdict(False, f"not converged: {obstacle}", None, table)
    verdict = _weigh(arrays, table, max(LEAST_ESS, math.ceil(precision**-2 - 1e-9)))
    lost = "" if verdict.converged else _lost(arrays, data or {})
    return Verdict(False, f"not converged: {lost}", None, table) if lost else verdict


def compare(table: Table, data: Mapping[str, Reference]) -> Table:
    """Do the chains sample the distribution of the data? Chains that have converged may have converged elsewhere.

    Parameters
    ----------
    table : dict of str to dict of str to float
        What `diagnose` returns.
    data : mapping of str to Reference
        The same statistics over data.

    Returns
    -------
    dict of str to dict of str to float
        For every statistic that both know: ``data_mean`` and ``chain_mean``, ``data_sd`` and ``chain_sd``, and
        ``mean_gap`` and ``sd_gap``, chain less data in standard errors, which are those of the chain (MCSE) and of the
        data (as if normal) together. Beyond ±3 a gap is more than chance.
    """
    return {name: _gaps(table[name], moments) for name, moments in data.items() if name in table}


def _gaps(row: dict[str, float], data: Reference) -> dict[str, float]:
    errors = (
        math.hypot(row["mcse_mean"], data.sd / data.n**0.5),
        math.hypot(row["mcse_sd"], data.sd / (2 * data.n) ** 0.5),
    )
    gaps = (row["mean"] - data.mean, row["sd"] - data.sd)
    mean_gap, sd_gap = (gap / error if error > 0 else math.nan for gap, error in zip(gaps, errors, strict=True))
    return {
        "data_mean": data.mean,
        "chain_mean": row["mean"],
        "mean_gap": mean_gap,
        "data_sd": data.sd,
        "chain_sd": row["sd"],
        "sd_gap": sd_gap,
    }


def _arviz():
    try:
        from arviz_stats.base.array import array_stats
    except ImportError:
        raise MissingExtraError("diagnostics of chains need arviz-stats: pip install 'isthmus[chains]'") from None
    return array_stats


def _row(stats, values: np.ndarray) -> dict[str, float]:
    n_chains, n_draws = values.shape
    defined = n_draws >= 4 and np.isfinite(values).all() and not _frozen(values).any()
    row = {
        "mean": lambda: values.mean(),
        "sd": lambda: values.std(ddof=1),
        "mcse_mean": lambda: stats.mcse(values, method="mean"),
        "mcse_sd": lambda: stats.mcse(values, method="sd"),
        "rhat": lambda: stats.rhat(values) if n_chains > 1 else math.nan,
        "ess_bulk": lambda: stats.ess(values, method="bulk"),
        "ess_tail": lambda: stats.ess(values, method="tail", prob=_TAIL),
    }
    with np.errstate(all="ignore"):
        return {key: float(find()) if defined or key == "mean" else math.nan for key, find in row.items()}


def _frozen(values: np.ndarray) -> np.ndarray:
    """Which chains never move."""
    return np.ptp(values, axis=1) == 0


def _obstacle(name: str, values: np.ndarray) -> str:
    """What keeps anybody from judging these chains; empty if nothing does."""
    n_chains, n_draws = values.shape
    if not np.isfinite(values).all():
        chains = int((~np.isfinite(values)).any(1).sum())
        return f"{name} is not finite in {chains} of {n_chains} chains, so these have run away"
    if n_chains < FEWEST_CHAINS:
        n = "a single chain" if n_chains == 1 else f"{n_chains} chains"
        return f"{n} cannot show whether others would agree; run at least {FEWEST_CHAINS}"
    if n_draws < FEWEST_DRAWS:
        return f"there are too few draws per chain to judge by ({n_draws}); take at least {FEWEST_DRAWS}"
    frozen = int(_frozen(values).sum())
    if frozen:
        return f"{name} never changes in {frozen} of {n_chains} chains, so these do not move"
    return ""


def _lost(arrays: Mapping[str, np.ndarray], data: Mapping[str, Reference]) -> str:
    """Which chains have ended far from all data, if any have: more draws would not bring them back."""
    worst = ("", 0, 0.0)
    for name in arrays.keys() & data.keys():
        late = arrays[name][:, arrays[name].shape[1] // 2 :]
        far = np.abs(np.median(late, axis=1) - data[name].mean) / max(data[name].sd, 1e-300)
        worst = max(worst, (name, int((far > _FAR).sum()), float(far.max())), key=lambda found: found[2])
    name, n, far = worst
    if not n:
        return ""
    n_chains = len(arrays[name])
    return f"{n} of {n_chains} chains have left the data, by up to {far:,.0f} standard deviations of {name}"


def _weigh(arrays: Mapping[str, np.ndarray], table: Table, least: int) -> Verdict:
    rhat_of = max(table, key=lambda name: table[name]["rhat"])
    ess_of, kind = min(((n, k) for n in table for k in ("ess_bulk", "ess_tail")), key=lambda at: table[at[0]][at[1]])
    rhat, ess = table[rhat_of]["rhat"], table[ess_of][kind]
    n_draws = next(iter(arrays.values())).shape[1]
    # 1 less R-hat falls about as 1 / draws.
    share = max(least / ess, (rhat - 1) / (MOST_RHAT - 1) if rhat >= MOST_RHAT else 0)
    needed = max(FEWEST_DRAWS, math.ceil(share * n_draws))
    which = f"{kind.removeprefix('ess_')} of {ess_of}"
    if rhat < MOST_RHAT and ess >= least:
        reason = (
            f"converged: over {len(table)} statistics R-hat is at most {rhat:.3f} ({rhat_of}; should be below "
            f"{MOST_RHAT}) and the effective sample size at least {ess:,.0f} ({which}; should be {least:,} or more)"
        )
        return Verdict(True, reason, needed, table)
    groups = _groups(arrays[rhat_of]) if rhat > _APART else []
    if len(groups) > 1 and _settled(arrays[rhat_of]):
        where = "; ".join(f"{len(group)} about {np.mean(arrays[rhat_of][group]):.3g}" for group in groups[:4])
        reason = (
            f"not converged: the chains are stuck in {len(groups)} places, between which none has moved: by {rhat_of}, "
            f"{where}{' and so on' if len(groups) > 4 else ''} (R-hat {rhat:.2f}, should be below {MOST_RHAT})"
        )
        return Verdict(False, reason, None, table)
    return Verdict(False, _shortfall((rhat_of, rhat), (which, ess), least, needed), needed, table)


def _shortfall(worst: tuple[str, float], fewest: tuple[str, float], least: int, needed: int) -> str:
    found = []
    if worst[1] >= MOST_RHAT:
        found.append(f"R-hat of {worst[0]} is {worst[1]:.3f} (should be below {MOST_RHAT})")
    if fewest[1] < least:
        found.append(f"the effective sample size is {fewest[1]:,.0f} ({fewest[0]}; should be {least:,} or more)")
    about = "about" if worst[1] < _APART else "at least"
    digits = 10 ** max(0, len(str(needed)) - 2)
    enough = math.ceil(needed / digits) * digits
    return f"not converged: {' and '.join(found)}; {about} {enough:,} draws per chain would be enough"


def _groups(values: np.ndarray) -> list[np.ndarray]:
    """Chains whose ranges (5 % to 95 %) overlap, directly or by way of others; from the lowest group up."""
    low, high = np.quantile(values, _TAIL, axis=1)
    order = np.argsort(low)
    reached = np.maximum.accumulate(high[order])
    return np.split(order, np.flatnonzero(low[order][1:] > reached[:-1]) + 1)


def _settled(values: np.ndarray) -> bool:
    """Whether each chain for itself moves freely about its place, rather than creeping along."""
    stats = _arviz()
    return bool(np.median([stats.ess(chain[None], method="mean") for chain in values]) >= _SETTLED)
