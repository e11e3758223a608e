"""``isthmus chain RUN``."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from isthmus.commands.outputs import write_pictures
from isthmus.commands.parsing import Parser
from isthmus.data.writing import write_rows
from isthmus.errors import ParameterError

if TYPE_CHECKING:
    from isthmus.data.info import DataInfo
    from isthmus.explore.chains import Chains

_ANIMATION = "isthmus.explore.animation"
_MOVING = (".gif", ".webp", ".mp4")
_ROWS, _STEPS = 8, 16


def run(command: str, args: list[str]) -> int:
    """Run the chains of a denoising model, print the verdict, and write the draws."""
    parser = Parser(
        prog=f"isthmus {command}",
        description="Run the Markov chain of corrupting and denoising, and say whether it has converged.",
    )
    parser.add_argument("run", type=str, help="run folder of a denoising model")
    parser.add_argument("--n_chains", type=int | None, help="chains, run side by side (default: 16)")
    parser.add_argument("--n_draws", type=int, default=1000, help="states to record of each chain")
    parser.add_argument(
        "--burn_in",
        type=int | Literal["auto"],
        default="auto",
        help="steps before the first recorded state; auto: as many as come after; 0 shows how a chain leaves its start",
    )
    parser.add_argument("--thin", type=int, default=1, help="steps from one recorded state to the next")
    parser.add_argument("--seed", type=int | None, help="seed of the chains")
    parser.add_argument(
        "--out",
        type=str | None,
        metavar="FILE",
        help=".npy: the draws (chains, draws, ...); pictures also .png, a row for each chain, or .gif, .webp, .mp4",
    )
    config = parser.parse_args(args)
    from isthmus.runs import load

    out = None if config.out is None else Path(config.out)
    estimator = load(config.run)
    walk = getattr(estimator, "markov_chain", None)
    if walk is None:
        raise ParameterError(
            f"the model of this run, {type(estimator).__name__}, has no chain; fit a 'denoising' model"
        )
    if out is not None:
        _check(out, estimator.info_)
    chains = walk(
        config.n_chains,
        config.n_draws,
        burn_in=config.burn_in,
        thin=config.thin,
        random_state=config.seed,
    )
    if out is not None:
        _write(out, chains, estimator.info_)
    print(chains.describe())
    return 0


def _check(out: Path, info: DataInfo) -> None:
    """Complain before the chain is run rather than after."""
    ending = out.suffix.lower()
    if ending not in (".npy", ".png", *_MOVING):
        raise ParameterError(f"cannot write {str(out)!r}: draws go to .npy, and pictures also to .png or .gif")
    if ending != ".npy" and not info.is_picture:
        raise ParameterError(f"the states of this chain are not pictures, so there is nothing for {ending}; use .npy")
    if ending in _MOVING and find_spec(_ANIMATION) is None:
        raise ParameterError(f"this version writes no animations, so no {ending}; use .png or .npy")


def _write(out: Path, chains: Chains, info: DataInfo) -> None:
    ending = out.suffix.lower()
    if ending == ".npy":
        write_rows(out, [chains.draws], len(chains.draws))
        print(f"{out}: draws of shape {chains.draws.shape}")
        return
    if ending == ".png":
        shown = chains.pictures(_ROWS, _STEPS)
        write_pictures(out, shown.reshape(-1, *info.shape), info, columns=shown.shape[1])
        print(f"{out}: {len(shown)} chains from top to bottom, {shown.shape[1]} steps of each from left to right")
        return
    frames: np.ndarray = chains.frames()
    import_module(_ANIMATION).animate(frames, out)
    print(f"{out}: {len(frames)} frames")
