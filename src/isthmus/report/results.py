"""The sections of a report about what the model does."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

import numpy as np

from isthmus.errors import ParameterError
from isthmus.evaluate.metrics import METRICS
from isthmus.explore import figures, pictures
from isthmus.explore.axes import REACH, find_axis
from isthmus.explore.walk_figures import MOST_FEATURES, draw_walks, place_marks
from isthmus.explore.walks import places
from isthmus.report.elements import Plate, Section, Table, number
from isthmus.report.findings import find
from isthmus.report.view import LIKELIHOOD_DRAWS

if TYPE_CHECKING:
    from isthmus.report.view import View

MOST_LATENTS = 8
PER_GROUP = 4


def reconstructions(view: View) -> Section:
    """Originals beside reconstructions."""
    section = Section("reconstructions", "Reconstructions", "")
    if view.info.is_picture:
        section.intro = (
            "Each picture, what is left of it after the code, and the difference between the two. Look at the worst "
            "ones: they show what the code has no room for."
        )
        section.plates.append(_triples(view))
        return section
    section.intro = (
        "Each value against what is left of it after the code. Points on the line are reconstructed exactly; R² is "
        "the share of a column's variance that survives."
    )
    chosen = _spread_of_features(view)
    names = [view.feature_names[j] for j in chosen]
    figure = figures.feature_scatter(
        view.events[:, chosen], view.rebuilt[:, chosen], names, view.feature_r2[chosen].tolist()
    )
    alt = f"Reconstruction against original for {len(chosen)} columns"
    section.plates.append(Plate("reconstructions", figure, alt, _which_features(view, chosen)))
    section.tables.append(_extreme_rows(view))
    return section


def _triples(view: View) -> Plate:
    order = np.argsort(view.errors, kind="stable")
    n = min(PER_GROUP, len(order))
    middle = max(0, (len(order) - n) // 2)
    chosen = np.concatenate([order[:n], order[middle : middle + n], order[-n:]])
    originals = view.events[chosen].astype(np.float64)
    differences = view.rebuilt[chosen] - originals
    limit = float(np.quantile(np.abs(differences), 0.995)) or 1.0
    tiles = [
        view.colours(originals),
        view.colours(view.rebuilt[chosen]),
        pictures.difference_rgb(differences, limit),
    ]
    columns = [label if j == 0 else "" for label in ("best", "median", "worst") for j in range(n)]
    figure = pictures.picture_table(
        np.stack(tiles),
        row_labels=("original", "reconstruction", "difference"),
        column_labels=columns,
        group=n,
    )
    low, median, high = (number(float(np.quantile(view.errors, q)), 3) for q in (0, 0.5, 1))
    caption = (
        f"The {n} best, {n} median and {n} worst of {len(order):,} rows. Root mean squared error per pixel: best "
        f"{low}, median {median}, worst {high}. Difference: red where the reconstruction is too bright, blue "
        f"where too dark, full colour at {number(limit, 2)}."
    )
    return Plate("reconstructions", figure, "Originals, reconstructions and differences", caption)


def _spread_of_features(view: View) -> np.ndarray:
    """At most twelve columns, in their own order: all, or some from best to worst reconstructed."""
    n = view.info.n_values
    if n <= MOST_FEATURES:
        return np.arange(n)
    order = np.argsort(np.nan_to_num(view.feature_r2, nan=-np.inf))[::-1]
    return np.sort(order[np.linspace(0, n - 1, MOST_FEATURES).round().astype(int)])


def _which_features(view: View, chosen: np.ndarray) -> str:
    if len(chosen) == view.info.n_values:
        return ""
    return f"{len(chosen)} of {view.info.n_values:,} columns, spread evenly from best to worst reconstructed."


def _extreme_rows(view: View) -> Table:
    order = np.argsort(view.errors, kind="stable")
    chosen = [("Best", order[0]), ("Median", order[len(order) // 2])]
    chosen += [("Worst" if i == 0 else "Next worst", row) for i, row in enumerate(order[: -min(4, len(order)) : -1])]
    deviation = np.abs(view.events.astype(np.float64) - view.rebuilt) / view.feature_sd
    rows = [
        [
            name,
            f"{view.row_numbers[row]:,}",
            number(float(view.errors[row]), 3),
            view.feature_names[int(deviation[row].argmax())],
        ]
        for name, row in chosen
    ]
    caption = "Best, median and worst rows; error: root mean square"
    return Table(caption, ["", "Row (from 0)", "Error in sd", "Largest in"], rows)


def latent(view: View) -> Section:
    """Where the rows lie in the code."""
    width, labels = view.estimator.latent_dim_, view.labels
    section = Section(
        "latent",
        "The code",
        "Each point is a row at its place in the code; rows that the model finds alike lie close together."
        + ("" if labels is None else " Labels only colour the points: the model never saw them."),
    )
    if width == 1:
        figure = figures.latent_histogram(view.codes[:, 0], labels)
        section.intro = section.intro.replace(
            "Each point is a row at its place in the code; r", "The code is one number; r"
        )
        section.plates.append(Plate("latent", figure, "Histogram of the code", ""))
        return section
    points, axis_labels, caption, prior = view.codes, ("latent 0", "latent 1"), "", None
    if width > 2:
        points, share = _principal(view.codes)
        first, second = (f"principal component {i + 1} ({100 * share[i]:.1f} %)" for i in range(2))
        axis_labels = (first, second)
        caption = f"The {width} latents seen along the two directions in which the codes vary most (PCA)."
    elif view.stochastic:
        prior = _prior_moments(view)
        if prior is not None:
            caption = "Rings: 1 and 2 standard deviations of the prior, from which new codes are drawn."
    figure = figures.latent_scatter(points, labels, axis_labels=axis_labels, prior=prior)
    section.plates.append(Plate("latent", figure, f"Scatter of {len(points):,} codes in two dimensions", caption))
    return section


def _principal(codes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    centred = codes - codes.mean(0)
    left, scale, _ = np.linalg.svd(centred, full_matrices=False)
    points = np.zeros((len(codes), 2))
    points[:, : len(scale[:2])] = left[:, :2] * scale[:2]
    share = np.zeros(2)
    share[: len(scale[:2])] = scale[:2] ** 2 / max(float((scale**2).sum()), 1e-300)
    return points, share


def _prior_moments(view: View) -> tuple[np.ndarray, np.ndarray] | None:
    prior = view.estimator.module_.prior()
    try:
        return prior.mean.detach().cpu().numpy(), prior.stddev.detach().cpu().numpy()
    except NotImplementedError:
        return None


def samples(view: View) -> Section:
    """New data from the model."""
    section = Section("samples", "Samples", "")
    try:
        drawn = view.draw(64 if view.info.is_picture else max(500, len(view.events)))
    except ParameterError as error:
        section.intro = f"No samples can be drawn: {error}."
        return section
    if view.info.is_picture:
        section.intro = (
            f"New pictures: {view.sampling}. Good samples look like the data, differ from each other, and "
            "copy none of them."
        )
        figure = pictures.picture_grid(view.colours(drawn), 8)
        section.plates.append(Plate("samples", figure, "64 pictures drawn from the model", "64 samples, not selected."))
        return section
    section.intro = (
        f"New rows: {view.sampling}. The outline of the samples should follow the filled histogram of the "
        "data in every column."
    )
    chosen = _spread_of_features(view)
    names = [view.feature_names[j] for j in chosen]
    figure = figures.feature_histograms(view.events[:, chosen].astype(np.float64), drawn[:, chosen], names)
    alt = f"Histograms of data and samples for {len(chosen)} columns"
    caption = f"{len(drawn):,} samples beside {len(view.events):,} rows. {_which_features(view, chosen)}".strip()
    section.plates.append(Plate("samples", figure, alt, caption))
    return section


def traversal(view: View) -> Section:
    """What each latent does."""
    moved = view.most_active[:MOST_LATENTS]
    steps, start = places(REACH, 11), view.codes.mean(0)
    codes = np.stack([find_axis(view.estimator, int(k), view.codes).place(start, steps) for k in moved])
    decoded = view.decode(codes.reshape(-1, codes.shape[-1]))
    many = "" if len(moved) == view.estimator.latent_dim_ else f" The {len(moved)} most active are shown."
    section = Section(
        "traversal",
        "What each latent does",
        f"One latent at a time moves from −{REACH:g} to {REACH:g} standard deviations about the mean code, while the "
        f"others stay at the mean. What changes along a row is what that latent stands for.{many}",
    )
    labels = [f"latent {k}" for k in moved]
    alt = f"Decoded codes as each of {len(moved)} latents moves"
    figure = draw_walks(
        view.estimator,
        decoded.reshape(len(moved), len(steps), *decoded.shape[1:]),
        labels,
        steps,
        marks=place_marks(steps, middle="mean"),
        feature_sd=view.feature_sd,
        feature_names=view.feature_names,
    )
    caption = ""
    if not view.info.is_picture:
        caption = "Red: the column rises above its value at the mean code; blue: it falls below."
        if view.info.n_values > MOST_FEATURES:
            caption += f" The {MOST_FEATURES} of {view.info.n_values:,} columns that answer most."
    section.plates.append(Plate("traversal", figure, alt, caption))
    return section


def latents(view: View) -> Section:
    """How much each latent carries."""
    from isthmus.models.fitting import ACTIVE

    width, active = view.estimator.latent_dim_, int(view.active.sum())
    counted = f"{active} of {width} latents are active: their code varies over the rows by more than {ACTIVE:g}"
    if view.divergences is not None:
        intro = (
            "How much each latent says about a row: its divergence from the prior, in nats. A latent near zero carries "
            "nothing and could be left out; if nearly all do, the code has collapsed."
        )
        figure = figures.latent_bars(view.divergences, view.active, "KL, nats per sample")
        caption = f"{counted} (variance of the posterior mean)."
    else:
        intro = (
            "How much each latent varies over the rows. A latent that does not vary carries nothing; the scale of "
            "the others is the model's own, so compare them with care."
        )
        figure = figures.latent_bars(view.latent_variance, view.active, "variance of the code")
        caption = f"{counted} (variance)."
    alt = f"Bar chart of {width} latents, {active} of them active"
    return Section("latents", "Active units", intro, plates=[Plate("latents", figure, alt, caption)])


OF_THE_CODE = (latent, samples, traversal, latents)


def no_code(view: View) -> Section:
    """Why there is nothing to see of the code."""
    width, n = view.estimator.latent_dim_, view.info.n_values
    return Section(
        "latent",
        "The code",
        f"The network passes on every scale of its input, {width:,} values for the {n:,} of a picture. It is there to "
        "restore, not to compress, so there is no latent space to look at and no prior to draw new codes from.",
    )


def numbers(view: View) -> Section:
    """Every metric with its meaning."""
    rows = [
        [name, number(value, 5), METRICS.get(name, "defined by this model; see its documentation")]
        for name, value in view.metrics.items()
    ]
    if view.importance_weighted is not None:
        n, value = view.importance_weighted
        meaning = (
            f"importance-weighted bound on log p(x), nats per sample: {LIKELIHOOD_DRAWS} draws per row, over "
            f"{n:,} rows (Burda et al., 2016)"
        )
        rows.append([f"log_likelihood ({LIKELIHOOD_DRAWS} draws)", number(value, 5), meaning])
    return Section(
        "numbers",
        "Numbers",
        "The same quantities for every model, in the data's own units, so that models can be compared on the same "
        f"data. Measured on {view.metrics['n_samples']:,.0f} rows chosen at random; rows that the model was trained "
        "on are among them, unless you gave others.",
        tables=[Table("Metrics", ["Metric", "Value", "Meaning"], rows, "metrics")],
    )


def warnings(view: View) -> Section:
    """What may be wrong."""
    intro = "What a careful reader would ask about: signs of trouble found in the training, the code and the data."
    return Section("warnings", "Warnings", intro, warnings=find(view))


def next_steps(view: View, run: str | None) -> Section:
    """Commands that use the model."""
    name, source = run or "RUN", view.samples.name
    r, d = shlex.quote(name), shlex.quote(source)
    end = "png" if view.info.is_picture else "npy"
    uses = [
        (f"isthmus encode {r} {d} --out codes.npy", "Z = est.transform(X)", "codes, (n, latent_dim)"),
        (f"isthmus reconstruct {r} {d} --out rebuilt.{end}", "X1 = est.reconstruct(X)", "through the code and back"),
        (f"isthmus sample {r} -n 64 --out samples.{end}", "S = est.sample(64)", "new data"),
        (f"isthmus score {r} {d} --out scores.npy", "s = est.score_samples(X)", "nats per row; low means unusual"),
        (f"isthmus evaluate {r} {d}", "m = est.evaluate(X)", "every metric, as a dict"),
    ]
    if hasattr(view.estimator, "denoise"):
        restore = (f"isthmus denoise {r} {d} --out restored.{end}", "X2 = est.denoise(X)", "noisy data, restored")
        uses = [restore, *(uses[3:] if view.restores else uses)]
    python = ["import isthmus", "", f"est = isthmus.load({name!r})"]
    python += [f"{call:<30} # {meaning}" for _, call, meaning in uses]
    intro = "The model can be used from a terminal or from Python."
    if run is None:
        intro += " RUN stands for the folder that it was saved in."
    code = [("In a terminal", "\n".join(command for command, *_ in uses)), ("In Python", "\n".join(python))]
    return Section("next", "How to use this model", intro, code=code)
