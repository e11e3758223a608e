"""``isthmus export RUN``: a trained model for others, as ONNX graphs or as a page that needs no server."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from isthmus.commands.parsing import Parser
from isthmus.errors import ParameterError

_DEFAULT_SAMPLES = 2000


def run(command: str, args: list[str]) -> int:
    """Parse the options, and write what is asked for."""
    parser = Parser(prog=f"isthmus {command}", description="Write a trained model for use elsewhere.")
    add = parser.add_argument
    add("run", type=str, help="run folder, as `isthmus fit --out` makes it")
    add("data", type=str, nargs="?", help="data on the map of the page; by default what the run was fitted on")
    add("--onnx", type=str | None, metavar="FOLDER", help="write encoder.onnx and decoder.onnx there")
    add(
        "--web",
        type=str | None,
        metavar="OUT",
        help="write a page that explores the run without any server: a folder, or one file if OUT ends in .html",
    )
    add(
        "--samples",
        type=int,
        default=_DEFAULT_SAMPLES,
        metavar="N",
        help="samples that become part of the page, at most; with 0 none do, and the map shows draws from the prior",
    )
    add("--name", type=str | None, help="what the page calls the run; by default the name of its folder")
    config = parser.parse_args(args)
    if config.onnx is None and config.web is None:
        raise ParameterError("say what to write: --onnx FOLDER for ONNX graphs, --web OUT for a page, or both")
    if config.data is not None and config.web is None:
        raise ParameterError("data are for a page only; leave them out, or add --web OUT")
    if config.onnx is not None:
        _write_onnx(config)
    if config.web is not None:
        _write_page(config)
    return 0


def _write_onnx(config: Any) -> None:
    from isthmus.onnx import to_onnx
    from isthmus.runs import load

    if Path(config.onnx).is_file():
        raise ParameterError(f"{config.onnx} is a file; --onnx names a folder, in which both graphs are written")
    written = to_onnx(load(config.run), config.onnx)
    spread = " and std, the spread of the posterior" if written.spread else ""
    print(f"{written.encoder}: from x, as the model takes it, to code{spread}")
    print(f"{written.decoder}: from code to x")
    print(f"for any number of rows; at most {written.error:.0e} of the largest value away from PyTorch")


def _write_page(config: Any) -> None:
    from isthmus.export import write_page

    def say(text: str) -> None:
        print(f"isthmus: {text}", file=sys.stderr)

    page = write_page(
        config.run, config.web, data=config.data, n_samples=config.samples, name=config.name, progress=say
    )
    what = f"{page.n_samples:,} samples on its map" if page.n_samples else "draws from the prior on its map"
    print(f"{page.start}: {page.n_bytes / 1e6:.1f} MB, with {what}; open it in a browser")
    if page.note:
        print(page.note)
