"""``isthmus evaluate``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from isthmus.commands.parsing import Parser
from isthmus.commands.runs import run_parser, run_samples
from isthmus.commands.use import ENGINE
from isthmus.engines.settings import inference

if TYPE_CHECKING:
    from isthmus.evaluate.extras import Metrics

_TITLES = {
    "model": "reconstruction and likelihood",
    "representation": "what can be read off the code",
    "disentanglement": "single latents for single factors",
    "samples": "samples beside the data",
}


def run(command: str, args: list[str]) -> int:
    """Parse the options, load run and data, measure, and print."""
    parser = run_parser(command, "Every metric that applies, with its meaning.", takes_data=True)
    add_extra_options(parser)
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of a table")
    text = "write the metrics as JSON; with --reference, the extractor goes into a folder beside it"
    parser.add_argument("--out", type=str | None, metavar="FILE", help=text)
    for names, options in ENGINE:
        parser.add_argument(*names, **options)
    config = parser.parse_args(args)
    from isthmus.runs import load

    with inference(config.backend, config.precision):
        estimator = load(config.run)
        samples = run_samples(estimator, config)
        found = estimator.evaluate(samples, **extra_arguments(estimator, config))
    print(json.dumps(as_json(found)) if config.json else as_lines(found))
    if config.out is not None:
        _write(found, Path(config.out))
    return 0


def add_extra_options(parser: Parser) -> None:
    """Options that ask for more than what data alone give."""
    add = parser.add_argument
    add("--labels", action="store_true", help="use the labels of DATA: probes and clusters of the codes")
    add("--factors", action="store_true", help="use the factors of DATA (faces, shapes): disentanglement")
    add("--reference", type=str | None, metavar="TRAIN", help="data the model was trained on: quality of its samples")
    text = "classifier, pca-64, pixels, or a folder with one: by whose features samples are compared"
    add("--extractor", type=str | None, metavar="NAME", help=text)
    add("--n_samples", type=int | None, metavar="N", help="samples to draw; by default as many as there are rows")
    add("--seed", type=int, default=0, help="seed of what is drawn")


def extra_arguments(estimator: Any, config: Any) -> dict[str, Any]:
    """What these options say, as arguments of `BaseAutoencoder.evaluate`."""
    reference = None if config.reference is None else run_samples(estimator, config, config.reference)
    return {
        "y": True if config.labels else None,
        "factors": True if config.factors else None,
        "reference": reference,
        "extractor": config.extractor,
        "n_samples": config.n_samples,
        "random_state": config.seed,
    }


def as_json(found: Metrics) -> dict[str, Any]:
    """The numbers, and the label of the extractor if there is one."""
    return {**found, "extractor": found.extractor.label} if found.extractor else dict(found)


def as_lines(found: Metrics) -> str:
    """The numbers with their meaning, a line each, by group."""
    from isthmus.evaluate.catalogue import grouped, quantity

    lines = []
    for group, keys in grouped(list(found)).items():
        by = f", by features of {found.extractor.label}" if group == "samples" and found.extractor else ""
        lines.append(f"{_TITLES[group]}{by}")
        lines += [
            f"  {key:<20} {_value(found, key):>16} {_floor(found, key)}  {quantity(key).meaning}"
            for key in keys
            if not key.endswith(("_error", "_floor"))
        ]
    return "\n".join(lines)


def _value(found: Metrics, key: str) -> str:
    error = found.get(f"{key}_error")
    return f"{found[key]:,.4f}" + ("" if error is None else f" ± {error:.2g}")


def _floor(found: Metrics, key: str) -> str:
    floor = f"{key}_floor"
    return f"(data: {_value(found, floor)})" if floor in found else ""


def _write(found: Metrics, out: Path) -> None:
    from isthmus.files import write_json

    write_json(out, as_json(found))
    if found.extractor is not None:
        folder = out.with_suffix(".extractor")
        found.extractor.save(folder)
        print(f"{folder}: the extractor, to be used again with --extractor")
