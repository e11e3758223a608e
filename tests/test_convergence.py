"""The verdict on chains: what has converged is told from what has not, and from what cannot be judged."""

import re
import sys

import numpy as np
import pytest
from arviz_stats.base.array import array_stats

from isthmus import MissingExtraError, ParameterError
from isthmus.evaluate.convergence import Reference, compare, diagnose, judge


def autoregressive(phi: float, n_chains: int, n_draws: int, start: np.ndarray | float = 0.0) -> np.ndarray:
    """Chains of unit variance whose correlation over a lag of k is phi to the power k."""
    rng = np.random.default_rng(0)
    x, draws = np.zeros(n_chains) + start, []
    for _ in range(n_draws):
        x = phi * x + (1 - phi**2) ** 0.5 * rng.normal(size=n_chains)
        draws.append(x)
    return np.stack(draws, 1)


RNG = np.random.default_rng(1)
NOISE = RNG.normal(size=(8, 500))
APART = NOISE + 10 * np.repeat([-1, 1], 4)[:, None]


def test_diagnostics_are_those_of_arviz():
    values = autoregressive(0.8, 4, 300)
    row = diagnose({"a": values})["a"]
    expected = {
        "mean": values.mean(),
        "sd": values.std(ddof=1),
        "mcse_mean": array_stats.mcse(values),
        "mcse_sd": array_stats.mcse(values, method="sd"),
        "rhat": array_stats.rhat(values),
        "ess_bulk": array_stats.ess(values),
        "ess_tail": array_stats.ess(values, method="tail", prob=(0.05, 0.95)),
    }
    assert row == pytest.approx({name: float(value) for name, value in expected.items()})


def test_effective_sample_size_is_that_of_theory():
    # An autoregressive chain of n draws is worth n (1 − φ) / (1 + φ) independent ones.
    row = diagnose({"a": autoregressive(0.8, 8, 4000)})["a"]
    assert row["ess_bulk"] == pytest.approx(8 * 4000 / 9, rel=0.15)
    assert row["mcse_mean"] == pytest.approx(row["sd"] / (8 * 4000 / 9) ** 0.5, rel=0.15)


def test_independent_draws_have_converged():
    verdict = judge({"first": NOISE, "second": RNG.normal(size=NOISE.shape)})
    assert verdict.converged
    assert verdict.reason.startswith("converged: over 2 statistics R-hat is at most 1.0")
    assert verdict.draws_needed == 100  # there have to be so many at least


def test_the_worst_statistic_is_named_with_its_numbers():
    slow = autoregressive(0.98, 8, 1000)
    verdict = judge({"quick": RNG.normal(size=(8, 1000)), "slow": slow})
    row = verdict.table["slow"]
    assert not verdict.converged
    assert f"R-hat of slow is {row['rhat']:.3f}" in verdict.reason
    assert f"the effective sample size is {row['ess_bulk']:,.0f} (bulk of slow" in verdict.reason
    assert "quick" not in verdict.reason


def test_as_many_draws_as_it_says_are_enough():
    needed = judge({"slow": autoregressive(0.98, 8, 1000)}).draws_needed
    assert needed is not None
    assert 1000 < needed < 20_000
    longer = judge({"slow": autoregressive(0.98, 8, int(1.3 * needed))})
    assert longer.converged, longer.reason
    assert not judge({"slow": autoregressive(0.98, 8, needed // 4)}).converged


def test_a_finer_precision_asks_for_more():
    statistics = {"a": RNG.normal(size=(4, 300))}
    assert judge(statistics).converged
    fine = judge(statistics, precision=0.02)
    assert not fine.converged
    assert "should be 2,500 or more" in fine.reason
    assert fine.draws_needed == pytest.approx(625, rel=0.25)
    # A coarser one does not lower what R-hat and the quantiles need.
    assert "should be 400 or more" in judge(statistics, precision=0.5).reason


class TestStuck:
    def test_two_places(self):
        verdict = judge({"free": NOISE, "level": APART})
        assert not verdict.converged
        assert verdict.draws_needed is None
        assert "stuck in 2 places" in verdict.reason
        assert "by level, 4 about -10; 4 about 9.99 (R-hat 1." in verdict.reason

    def test_a_single_chain_elsewhere(self):
        values = NOISE.copy()
        values[3] += 8
        verdict = judge({"level": values})
        assert "stuck in 2 places" in verdict.reason
        assert "7 about" in verdict.reason

    def test_slow_chains_are_not_called_stuck(self):
        creeping = autoregressive(0.9999, 8, 500, start=np.linspace(-3, 3, 8))
        verdict = judge({"level": creeping})
        assert not verdict.converged
        assert "stuck" not in verdict.reason
        assert "at least" in verdict.reason

    def test_chains_that_jump_between_the_places_are_not_stuck(self):
        place = np.where(autoregressive(0.9, 8, 4000) > 0, 10, -10)
        verdict = judge({"level": place + RNG.normal(size=place.shape)})
        assert verdict.converged, verdict.reason

    def test_a_place_that_differs_in_spread_alone(self):
        values = NOISE.copy()
        values[:4] *= 5
        assert not judge({"level": values}).converged


@pytest.mark.parametrize(
    ("values", "complaint"),
    [
        (NOISE[:1], "a single chain cannot show"),
        (NOISE[:3], "3 chains cannot show"),
        (NOISE[:, :60], r"too few draws per chain to judge by \(60\)"),
        (NOISE[:, :1], r"too few draws per chain to judge by \(1\)"),
        (np.ones((8, 200)), "never changes in 8 of 8 chains"),
        (np.concatenate([NOISE[:7], np.ones((1, 500))]), "never changes in 1 of 8 chains"),
        (np.where(np.arange(500) > 300, np.nan, NOISE), "is not finite in 8 of 8 chains"),
        (np.where((np.arange(500) > 300) & (np.arange(8) == 2)[:, None], np.inf, NOISE), "not finite in 1 of 8 chains"),
    ],
)
def test_what_cannot_be_judged_has_not_converged(values, complaint):
    verdict = judge({"level": values})
    assert not verdict.converged
    assert verdict.draws_needed is None
    assert re.search(complaint, verdict.reason)
    assert "\n" not in verdict.reason
    assert verdict.table.keys() == {"level"}


@pytest.mark.parametrize(
    ("statistics", "precision", "complaint"),
    [
        ({}, 0.05, "have one shape"),
        ({"a": NOISE, "b": NOISE[:, 1:]}, 0.05, r"\(8, 499\), \(8, 500\)"),
        ({"a": NOISE[0]}, 0.05, r"\(500,\)"),
        ({"a": NOISE}, 0.0, "precision must be positive"),
    ],
)
def test_what_makes_no_sense_is_refused(statistics, precision, complaint):
    with pytest.raises(ParameterError, match=complaint):
        judge(statistics, precision=precision)


class TestAgainstData:
    def gaps(self, shift: float, scale: float) -> dict[str, float]:
        values = shift + scale * autoregressive(0.5, 8, 2000)
        return compare(diagnose({"a": values}), {"a": Reference(0.0, 1.0, 5000)})["a"]

    def test_the_same_distribution_differs_by_chance_alone(self):
        gaps = self.gaps(0, 1)
        assert abs(gaps["mean_gap"]) < 3
        assert abs(gaps["sd_gap"]) < 3

    def test_another_mean_and_another_spread_are_seen(self):
        assert self.gaps(0.2, 1)["mean_gap"] > 5
        assert self.gaps(0, 1.2)["sd_gap"] > 5
        assert self.gaps(0, 0.8)["sd_gap"] < -5

    def test_a_gap_is_counted_in_standard_errors_of_both(self):
        table = diagnose({"a": NOISE})
        row, data = table["a"], Reference(0.5, 2.0, 100)
        error = (row["mcse_mean"] ** 2 + 2.0**2 / 100) ** 0.5
        assert compare(table, {"a": data, "unknown": data})["a"]["mean_gap"] == pytest.approx(
            (row["mean"] - 0.5) / error
        )


def test_chains_that_left_the_data_are_not_told_to_go_on():
    values = NOISE.copy()
    values[2, 300:] += np.linspace(0, 400, 200)
    data = {"level": Reference(0.0, 1.0, 100)}
    verdict = judge({"other": NOISE, "level": values}, data=data)
    assert not verdict.converged
    assert verdict.draws_needed is None
    assert "1 of 8 chains have left the data, by up to" in verdict.reason
    assert "standard deviations of level" in verdict.reason
    assert "draws per chain would be enough" in judge({"level": values}).reason
    # Chains that agree with each other have converged, wherever that is.
    assert judge({"level": NOISE + 50}, data=data).converged


def test_without_arviz_the_message_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "arviz_stats.base.array", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'isthmus\[chains\]'"):
        judge({"a": NOISE})
