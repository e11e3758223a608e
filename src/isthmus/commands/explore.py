"""Commands that walk through the code of a run, or look for groups in it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from isthmus.commands.outputs import write_pictures
from isthmus.commands.parsing import Parser
from isthmus.commands.runs import run_parser, run_samples
from isthmus.data.writing import write_rows
from isthmus.errors import DataError, ParameterError
from isthmus.explore.animation import ENDINGS, animate, side_by_side
from isthmus.explore.axes import REACH, spreads

if TYPE_CHECKING:
    from isthmus.data import Samples
    from isthmus.explore.axes import Along
    from isthmus.models.base import BaseAutoencoder

_MOST_LATENTS = 8
_ATTRIBUTE_REACH = 1.5


def run(command: str, args: list[str]) -> int:
    """Parse the options of ``command``, load the run, and act."""
    description, default, add_options, act = _COMMANDS[command]
    parser = run_parser(command, description, takes_data=True, default=default)
    add_options(parser)
    config = parser.parse_args(args)
    from isthmus.runs import load

    act(load(config.run), config)
    return 0


# ------------------------------------------------------------------ traverse


def _traverse_options(parser: Parser) -> None:
    add = parser.add_argument
    add("--latents", type=list[int] | None, metavar="[I,J]", help="latents to walk along; by default the most active")
    add("--attribute", type=str | None, metavar="NAME", help="attribute to walk along")
    add("--positive", type=str | None, metavar="DATA", help="examples that have the attribute: a folder, say")
    add("--negative", type=str | None, metavar="DATA", help="examples that lack it")
    add("--save", action="store_true", help="keep the attribute in the run, to be used by its name from then on")
    add("--start", type=int | None, metavar="ROW", help="row of DATA that is changed; by default the mean code")
    add("--reach", type=float | None, help="how far, in sd (2.5), or in the attribute's own units (1.5)")
    add("--steps", type=int, default=11, help="steps of the walk")
    _add_animation_options(parser, "a figure as .png, an animation as .gif, .webp or .mp4, the pictures as .npy")


def _traverse(est: BaseAutoencoder, config: Any) -> None:
    from isthmus.explore.walk_figures import traversal_figure
    from isthmus.explore.walks import places, traverse

    out = _check_ending(config.out)
    if config.start is not None and config.data is None:
        raise ParameterError("--start names a row of DATA, and no data are given: isthmus traverse RUN DATA --start 0")
    X = None if config.data is None else run_samples(est, config)
    start = None if X is None or config.start is None else _row(X, config.start)
    if config.positive or config.negative or config.save:
        _learn_attribute(est, config)
    along = _ways(est, config, X)
    reach = config.reach or (_ATTRIBUTE_REACH if config.attribute else REACH)
    options = {"X": X, "start": start, "reach": reach, "steps": config.steps}
    if out.suffix.lower() == ".png":
        _save_figure(traversal_figure(est, along, **options), out)
    else:
        walks = np.stack([traverse(est, way, **options) for way in along])
        captions = [f"{place:+.2f}".replace("-", "−") for place in places(reach, config.steps)]
        _write_walks(est, walks, out, config, captions)
    print(f"{out}: {len(along)} walks of {config.steps} steps, from {-reach:g} to {reach:g}")


def _learn_attribute(est: BaseAutoencoder, config: Any) -> None:
    if not (config.attribute and config.positive and config.negative):
        raise ParameterError("an attribute is learned from --attribute NAME --positive DATA --negative DATA, all three")
    groups = [run_samples(est, config, data) for data in (config.positive, config.negative)]
    est.fit_attribute(config.attribute, *groups)
    found = est.attributes_[config.attribute]
    print(
        f"{config.attribute}: learned from {found.n_positive} examples with it and {found.n_negative} without; "
        f"{100 * found.accuracy:.0f} % of them are told apart when left out"
    )
    if config.save:
        from isthmus.runs import run_source, write_run

        write_run(est, Path(config.run), run_source(config.run))
        print(f"{config.attribute}: kept in {config.run}")


def _ways(est: BaseAutoencoder, config: Any, X: Samples | None) -> list[Along]:
    """What to walk along: what was asked for, else the latents that vary most."""
    asked: list[Along] = list(config.latents or [])
    if config.attribute:
        asked.append(config.attribute)
    if asked:
        return asked
    spread = spreads(est, None if X is None else est.transform(X))
    return [int(k) for k in np.argsort(-spread, kind="stable")[:_MOST_LATENTS]]


# ------------------------------------------------------------------ interpolate


def _interpolate_options(parser: Parser) -> None:
    add = parser.add_argument
    add("--rows", type=int, nargs=2, required=True, metavar=("I", "J"), help="rows of DATA to go from and to")
    add("--kind", type=str, default="linear", help="linear or spherical")
    add("--steps", type=int, default=9, help="steps of the walk, both ends among them")
    _add_animation_options(parser, "an animation as .gif, .webp or .mp4, a strip as .png, the samples as .npy")


def _interpolate(est: BaseAutoencoder, config: Any) -> None:
    from isthmus.explore.walks import interpolate

    out = _check_ending(config.out)
    samples = run_samples(est, config)
    ends = [_row(samples, row) for row in config.rows]
    walk = interpolate(est, *ends, steps=config.steps, kind=config.kind)
    _write_walks(est, walk[None], out, config, ())
    print(f"{out}: from row {config.rows[0]} to row {config.rows[1]} in {config.steps} steps")


# ------------------------------------------------------------------ cluster


def _cluster_options(parser: Parser) -> None:
    add = parser.add_argument
    add("--n_clusters", type=int, required=True, metavar="K", help="how many groups to look for")
    add("--method", type=str, default="kmeans", help="kmeans, or gmm: a Gaussian mixture, with probabilities")
    add("--seed", type=int, default=0, help="seed of the starts")
    add("--out", type=str | None, metavar="FILE", help="cluster of each row (gmm: and probabilities): .csv, .npy, ...")
    add("--centres", type=str | None, metavar="FILE", help="decoded centres: .png, .csv, .npy or .parquet")


def _cluster(est: BaseAutoencoder, config: Any) -> None:
    samples = run_samples(est, config)
    found = est.cluster(samples, config.n_clusters, method=config.method, random_state=config.seed)
    sizes = ", ".join(f"{size:,}" for size in found.sizes)
    clusters = "1 cluster" if config.n_clusters == 1 else f"{config.n_clusters:,} clusters"
    print(f"{len(found.labels):,} rows in {clusters} of {sizes} rows")
    if samples.y is not None:
        scores = found.scores(samples.y)
        print("against the labels: " + ", ".join(f"{name} {value:.3f}" for name, value in scores.items()))
    if config.out is not None:
        columns, names = found.labels[:, None], ["cluster"]
        if found.probabilities is not None:
            columns = np.concatenate([columns, found.probabilities], axis=1)
            names += [f"p{k}" for k in range(config.n_clusters)]
        write_rows(Path(config.out), [columns], len(columns), names)
        print(f"{config.out}: {', '.join(names)} for each row of the data")
    if config.centres is not None:
        out, info = Path(config.centres), est.info_
        if out.suffix.lower() == ".png":
            write_pictures(out, found.decoded_centres.reshape(-1, *info.shape), info)
        else:
            columns = getattr(est, "feature_names_in_", None)
            names = None if columns is None else [str(name) for name in columns]
            write_rows(out, [found.decoded_centres], config.n_clusters, names)
        print(f"{out}: {config.n_clusters} decoded centres")


# ------------------------------------------------------------------ shared


def _add_animation_options(parser: Parser, text: str) -> None:
    parser.add_argument("--fps", type=float, default=8.0, help="frames per second")
    parser.add_argument("--ping_pong", action="store_true", help="go back through the frames before the start")
    parser.add_argument("--out", type=str, required=True, metavar="FILE", help=text)


def _check_ending(out: str) -> Path:
    """The path, before anything takes time."""
    if Path(out).suffix.lower() not in ENDINGS:
        raise ParameterError(f"cannot write {out!r}: a walk goes to {', '.join(ENDINGS)}")
    return Path(out)


def _write_walks(est: BaseAutoencoder, walks: np.ndarray, out: Path, config: Any, captions: Any) -> None:
    if out.suffix.lower() == ".npy":
        animate(walks[0] if len(walks) == 1 else walks, out)
        return
    if not est.info_.is_picture:
        raise DataError(f"only pictures can be written as {out.suffix}; use .npy for a table, or traverse to a .png")
    pictures = walks.reshape(*walks.shape[:2], *est.info_.shape)
    columns = int(np.ceil(np.sqrt(len(walks))))
    frames = side_by_side(pictures, columns, limits=est.info_.display_range)
    animate(frames, out, fps=config.fps, ping_pong=config.ping_pong, captions=captions)


def _save_figure(figure: Any, out: Path) -> None:
    from isthmus.files import atomic_write
    from isthmus.report.elements import to_png

    atomic_write(out, to_png(figure))


def _row(samples: Samples, row: int) -> np.ndarray:
    n = len(samples.X)
    if not 0 <= row < n:
        raise ParameterError(f"there is no row {row}; the data have {n:,}, from 0 to {n - 1:,}")
    return np.asarray(samples.X[row])


_COMMANDS = {
    "traverse": ("Decode a walk along latents, or along an attribute.", "the prior", _traverse_options, _traverse),
    "interpolate": ("Decode the way from one row to another.", None, _interpolate_options, _interpolate),
    "cluster": ("Group rows by their codes.", None, _cluster_options, _cluster),
}
