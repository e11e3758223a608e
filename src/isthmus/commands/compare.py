"""``isthmus compare``."""

from __future__ import annotations

import json

from isthmus.commands.evaluate import add_extra_options, extra_arguments
from isthmus.commands.parsing import Parser, add_data_options
from isthmus.commands.runs import run_samples


def run(command: str, args: list[str]) -> int:
    """Parse the options, measure all runs, print the table, and write the page if a folder is named."""
    parser = Parser(
        prog=f"isthmus {command}",
        description="Several runs side by side: the same rows, the same features, the same seeds.",
    )
    parser.add_argument("runs", type=str, nargs="+", metavar="RUN", help="run folders of the same kind of data")
    parser.add_argument("--data", type=str, required=True, metavar="DATA", help="data that none was trained on")
    add_data_options(parser)
    add_extra_options(parser)
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of a table")
    text = "write compare.html, table.csv, table.md, figures and the extractor"
    parser.add_argument("--out", type=str | None, metavar="FOLDER", help=text)
    config = parser.parse_args(args)
    from isthmus.comparison import compare
    from isthmus.runs import load

    # Data are read as the first run's were.
    config.run = config.runs[0]
    first = load(config.run)
    asked = extra_arguments(first, config)
    found = compare(config.runs, run_samples(first, config), asked.pop("y"), **asked, out=config.out)
    if config.json:
        by = found.extractor.label if found.extractor else None
        print(json.dumps({"models": found.table, "errors": found.errors, "best": found.best, "extractor": by}))
    else:
        print(found)
    if config.out is not None and not config.json:
        print(f"{config.out}: compare.html, the tables and the figures")
    return 0
