"""What commands that use a run have in common: their first arguments, and how they read data."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from isthmus.commands.parsing import Parser, add_data_options, data_options
from isthmus.errors import ParameterError

if TYPE_CHECKING:
    from isthmus.data import Samples
    from isthmus.models.base import BaseAutoencoder

TABLES = (".csv", ".tsv", ".parquet")


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
    from isthmus.data import load
    from isthmus.runs import run_source

    source = run_source(config.run)
    given = data_options(config)
    if estimator.trainer is not None:
        given["memory_limit"] = estimator.trainer.memory_limit
    data = data or config.data
    if data is None:
        if source is None:
            raise ParameterError("the run does not say what it was fitted on; name the data: isthmus report RUN DATA")
        data = source["data"]
        return load(data, **{**source["options"], **given})
    remembered = source["options"] if source else {}
    if source and data == source["data"]:
        given = {**remembered, **given}
    if Path(data).is_dir() or Path(data).suffix.lower() in (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif"):
        given = {**{name: remembered[name] for name in ("resize", "grey") if name in remembered}, **given}
    names = getattr(estimator, "feature_names_in_", None)
    if names is not None and Path(data).suffix.lower() in TABLES and "columns" not in given:
        given["columns"] = list(names)
    return load(data, **given)
