"""The sections of a report about models that restore corrupted data, and about the chain that they make."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from isthmus.errors import MissingExtraError, ParameterError
from isthmus.evaluate.pictures import psnr
from isthmus.explore import pictures
from isthmus.report.elements import Plate, Section, Table, number

if TYPE_CHECKING:
    from isthmus.explore.chains import Chains
    from isthmus.report.view import View

_PICTURES, _ROWS, _COLUMNS = 10, 500, 20
_CHAINS, _SHOWN = 8, 4
# Draws of each chain, fewer of large samples: what takes seconds on one core.
_FEWEST, _MOST, _CHAIN_VALUES = 100, 500, 1 << 19
_STEPS = (1, 2, 3, 5, 10, 20, 50, 100)


def restored(view: View) -> Section:
    """Noisy data beside what the model makes of them, and beside the clean ones where these are known."""
    section = Section("denoising", "Denoising", "")
    clean, shape = view.rows[:_ROWS], (-1, *view.info.shape)
    noisy = clean
    if not view.estimator.learned_from_noisy:
        try:
            noisy = view.estimator.corrupt(clean, random_state=0)
        except ParameterError as error:
            section.intro = f"The data cannot be corrupted as in training: {error}."
            return section
    found = view.estimator.denoise(noisy)
    clean, noisy, found = (samples.reshape(shape).astype(np.float64) for samples in (clean, noisy, found))
    if view.estimator.learned_from_noisy:
        section.intro = (
            "The data are noisy themselves, so there is nothing clean to compare with. What was taken away should look "
            "like noise: where it shows a structure, the model has smoothed away something real."
        )
        (_noisy_pictures if view.info.is_picture else _noisy_columns)(view, section, noisy, found)
    else:
        section.intro = (
            "Rows of the data, corrupted as in training, and restored. Nothing but the corrupted rows was given to the "
            "model."
        )
        (_clean_pictures if view.info.is_picture else _clean_columns)(view, section, clean, noisy, found)
    return section


def _clean_pictures(view: View, section: Section, clean: np.ndarray, noisy: np.ndarray, found: np.ndarray) -> None:
    rows = {"clean": clean, "corrupted": noisy, "restored": found}
    before, after = (psnr(float(np.mean((samples - clean) ** 2)), view.info) for samples in (noisy, found))
    moves = "rises" if after > before else "falls"
    ends = f"from {number(before, 3)} to {number(after, 3)} dB"
    caption = f"Over {len(clean):,} rows the peak signal-to-noise ratio {moves} {ends}."
    section.plates.append(_table_of(view, rows, "Clean, corrupted and restored pictures", caption))


def _noisy_pictures(view: View, section: Section, noisy: np.ndarray, found: np.ndarray) -> None:
    removed = noisy - found
    limit = float(np.quantile(np.abs(removed[:_PICTURES]), 0.995)) or 1.0
    extra = pictures.difference_rgb(removed[:_PICTURES], limit)
    rms = number(float(np.sqrt(np.mean(removed**2))), 3)
    caption = f"What was taken away has a root mean square of {rms} per pixel; full colour at {number(limit, 2)}."
    rows = {"noisy": noisy, "restored": found}
    section.plates.append(_table_of(view, rows, "Noisy and restored pictures", caption, {"taken away": extra}))


def _table_of(
    view: View, rows: dict[str, np.ndarray], alt: str, caption: str, tiles: dict[str, np.ndarray] | None = None
) -> Plate:
    tiles = {name: view.colours(samples[:_PICTURES]) for name, samples in rows.items()} | (tiles or {})
    figure = pictures.picture_table(np.stack(list(tiles.values())), row_labels=list(tiles))
    return Plate("denoising", figure, alt, caption)


def _clean_columns(view: View, section: Section, clean: np.ndarray, noisy: np.ndarray, found: np.ndarray) -> None:
    before, after = (_rms(samples - clean, view.feature_sd) for samples in (noisy, found))
    rows = [
        [name, number(float(a), 3), number(float(b), 3)]
        for name, a, b in zip(view.feature_names[:_COLUMNS], before, after, strict=False)
    ]
    means = [number(float(np.sqrt(np.mean(errors**2))), 3) for errors in (before, after)]
    caption = f"Root mean square error, in sd of each column; over all: corrupted {means[0]}, restored {means[1]}"
    section.tables.append(Table(caption + _left_out(view), ["Column", "Corrupted", "Restored"], rows))


def _noisy_columns(view: View, section: Section, noisy: np.ndarray, found: np.ndarray) -> None:
    removed = _rms(noisy - found, view.feature_sd)
    rows = [[name, number(float(a), 3)] for name, a in zip(view.feature_names[:_COLUMNS], removed, strict=False)]
    caption = "Root mean square of what was taken away, in sd of each column"
    section.tables.append(Table(caption + _left_out(view), ["Column", "Taken away"], rows))


def _rms(difference: np.ndarray, unit: np.ndarray) -> np.ndarray:
    return np.sqrt(((difference / unit) ** 2).mean(0))


def _left_out(view: View) -> str:
    left = view.info.n_values - _COLUMNS
    return f"; {left:,} more columns are not listed" if left > 0 else ""


def chain(view: View) -> Section:
    """The chain of corrupting and denoising: how it leaves its start, and whether it has converged."""
    section = Section(
        "chain",
        "The denoiser as a generative model",
        "Corrupting and denoising in turn is a Markov chain, which makes new samples. Whether it has forgotten its "
        "start is told by comparing several chains that started far apart: they have to agree.",
    )
    n_draws = max(_FEWEST, min(_MOST, _CHAIN_VALUES // view.info.n_values))
    try:
        chains = view.estimator.markov_chain(_CHAINS, n_draws, random_state=0)
    except ParameterError as error:
        section.intro += f" It cannot be run: {error}."
        return section
    if view.info.is_picture:
        section.plates.append(_steps(view))
    section.plates.append(
        Plate(
            "chain-traces",
            chains.trace_plot(),
            f"Traces of {len(chains.statistics)} statistics along {_CHAINS} chains",
            f"{_CHAINS} chains, each in its colour, over {n_draws:,} draws, after {chains.burn_in:,} steps that are "
            "not shown. Chains that have converged look alike and cross all the time. Scores are along the principal "
            "components of the training data; the energy is the cost of reconstructing the state, in nats.",
        )
    )
    try:
        verdict = chains.reason
    except MissingExtraError as error:
        section.intro += f" There is no verdict: {error}."
        return section
    section.intro += f" The verdict: {verdict}."
    section.tables += [_verdict(chains), _against_data(chains)]
    return section


def _steps(view: View) -> Plate:
    walk: Any = view.estimator.markov_chain(_SHOWN, _STEPS[-1], burn_in=0, random_state=0)
    start = walk.start.reshape(_SHOWN, 1, *view.info.shape)
    shown = np.concatenate([start, walk.pictures(_SHOWN, _STEPS[-1])[:, np.array(_STEPS) - 1]], 1)
    tiles = view.colours(shown.reshape(-1, *view.info.shape))
    figure = pictures.picture_table(
        tiles.reshape(*shown.shape[:2], *tiles.shape[1:]),
        row_labels=[f"chain {i + 1}" for i in range(_SHOWN)],
        column_labels=["start", *(f"step {step}" if step == 1 else str(step) for step in _STEPS)],
    )
    caption = (
        "From a random start, spread wider than the data, the first steps find the data; the later ones show how far "
        "the chain moves among them. Each picture is the mean of what the state is drawn from."
    )
    return Plate("chain", figure, f"{_SHOWN} chains over {_STEPS[-1]} steps", caption)


def _verdict(chains: Chains) -> Table:
    forms = {"rhat": ".3f", "ess_bulk": ",.0f", "ess_tail": ",.0f", "mcse_mean": ".2g"}
    header = ["Statistic", "R-hat", "Bulk ESS", "Tail ESS", "MCSE"]
    return Table("Convergence: R-hat below 1.01, ESS 400 or more", header, _rows(chains.diagnostics(), forms))


def _against_data(chains: Chains) -> Table:
    value, gap = ".3g", "+.1f"
    forms = {
        "data_mean": value,
        "chain_mean": value,
        "mean_gap": gap,
        "data_sd": value,
        "chain_sd": value,
        "sd_gap": gap,
    }
    header = ["Statistic", "Data mean", "Chain mean", "Gap in s.e.", "Data sd", "Chain sd", "Gap in s.e."]
    caption = "Chain against data: a gap beyond ±3 standard errors is no chance"
    return Table(caption, header, _rows(chains.against_data(), forms))


def _rows(table: dict[str, dict[str, float]], forms: dict[str, str]) -> list[list[str]]:
    return [[name, *(_form(row[key], form) for key, form in forms.items())] for name, row in table.items()]


def _form(value: float, form: str) -> str:
    return format(value, form).replace("-", "−") if value == value else number(value)
