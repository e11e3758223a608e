"""What commands that use a run have in common: their first arguments, and how they read data."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from isthmus.commands.parsing import Parser, add_data_options, data_options
from isthmus.run_data import samples_of_run

if TYPE_CHECKING:
    from isthmus.data import Samples
    from isthmus.models.base import BaseAutoencoder


def run_parser(command: str, description: str, *, takes_data: bool, default: str | None = None) -> Parser:
    """Parser of ``isthmus COMMAND RUN [DATA]``; data may be left out if there is something by ``default``."""
    parser = Parser(prog=f"isthmus {command}", description=description)
    parser.add_argument("run", type=str, help="run folder, as `isthmus fit --out` makes it")
    if takes_data:
        text = "data, as for `isthmus fit`" + (f"; by default {default}" if default else "")
        parser.add_argument("data", type=str, nargs="?" if default else None, help=text)
        add_data_options(parser)
    return parser


def run_samples(estimator: BaseAutoencoder, config: Any, data: str | None = None) -> Samples:
    """Data of the command, or those that are named, read the way that the run's own data were."""
    return samples_of_run(estimator, config.run, data or config.data, data_options(config))
