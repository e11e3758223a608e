"""``isthmus animate MODEL DATA --out FILE``: a training as a film of its reconstructions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from isthmus.commands.fit import (
    add_model_options,
    known_model,
    make_model,
    overview,
    parse_model_options,
    spoken_warnings,
)
from isthmus.commands.listing import summary
from isthmus.commands.parsing import Parser, data_options
from isthmus.errors import DataError, DivergedError, ParameterError
from isthmus.explore.animation import ENDINGS, animate, side_by_side

_WHAT = "Train a model on pictures, and show how its reconstructions of a few of them improve over the epochs."


def run(command: str, args: list[str]) -> int:
    """Train with a recorder, and write what it saw."""
    if not args or args[0] in ("-h", "--help"):
        print(overview("animate", "FILE", _WHAT))
        return 0 if args else 2
    cls = known_model(args[0])
    parser = Parser(prog=f"isthmus animate {cls.name}", description=f"{_WHAT} {summary(cls)}")
    parser.add_argument("data", type=str, help="pictures: built-in name, file, folder or hf:NAME")
    parser.add_argument("--out", type=str, required=True, metavar="FILE", help=f"one of {', '.join(ENDINGS)}")
    parser.add_argument("--rows", type=int, default=8, help="how many pictures to show, the first of the data")
    parser.add_argument("--fps", type=float, default=8.0, help="epochs per second")
    parser.add_argument("--ping_pong", action="store_true", help="go back through the epochs before the start")
    add_model_options(parser, cls)
    _animate(cls, parse_model_options(parser, args[1:]))
    return 0


def _animate(cls: Any, config: Any) -> None:
    from isthmus.data import load
    from isthmus.processes import is_writer
    from isthmus.training import ReconstructionRecorder

    out = Path(config.out)
    if out.suffix.lower() not in ENDINGS:
        raise ParameterError(f"cannot write {config.out!r}: an animation goes to {', '.join(ENDINGS)}")
    if config.rows < 1:
        raise ParameterError(f"rows must be at least 1, got {config.rows}")
    samples = load(config.data, **data_options(config))
    if samples.X.ndim == 2 and config.image_shape is None and out.suffix.lower() != ".npy":
        raise DataError(f"only pictures can be shown as {out.suffix}; write the values of a table as .npy")
    recorder = ReconstructionRecorder(samples.X[: config.rows])
    estimator = make_model(cls, config, callbacks=[recorder])
    try:
        with spoken_warnings():
            estimator.fit(samples)
    except (KeyboardInterrupt, DivergedError):
        if recorder.metrics:
            _write(estimator, recorder, out, config)
        raise
    if not is_writer():
        return
    if not recorder.metrics:
        raise DataError(f"{cls.name} was solved in closed form, so there are no epochs to show; try --solver gradient")
    _write(estimator, recorder, out, config)


def _write(estimator: Any, recorder: Any, out: Path, config: Any) -> None:
    if out.suffix.lower() == ".npy":
        animate(recorder.frames, out)
    else:
        _film(estimator, recorder, out, config)
    if not config.quiet:
        print(f"{out}: {len(recorder.metrics)} epochs")


def _film(estimator: Any, recorder: Any, out: Path, config: Any) -> None:
    """Originals above, reconstructions below."""
    info = estimator.info_
    frames = recorder.frames.reshape(len(recorder.metrics), -1, *info.shape)
    originals = np.broadcast_to(recorder.rows.reshape(1, -1, *info.shape), frames.shape)
    walks = np.concatenate([originals, frames], axis=1).swapaxes(0, 1)
    film = side_by_side(walks, frames.shape[1], limits=info.display_range)
    animate(film, out, fps=config.fps, ping_pong=config.ping_pong, captions=[_caption(m) for m in recorder.metrics])


def _caption(metrics: dict[str, float]) -> str:
    part = "val" if "val_loss" in metrics else "train"
    return f"epoch {metrics['epoch']:.0f}: {part}_loss {metrics[f'{part}_loss']:,.1f} nats"
