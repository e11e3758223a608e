"""``isthmus tour``."""

from __future__ import annotations

import sys
from pathlib import Path

from isthmus.commands.fit import spoken_warnings
from isthmus.commands.parsing import Parser
from isthmus.tour import chapter_names, write_tour


def run(command: str, args: list[str]) -> int:
    """Train, measure, explain, and say where the page is."""
    parser = Parser(
        prog=f"isthmus {command}",
        description="The whole family of autoencoders explained by running it, as one HTML page. "
        f"Chapters: {', '.join(chapter_names())}.",
    )
    parser.add_argument("--out", type=str, default="isthmus-tour.html", metavar="FILE", help="the page")
    parser.add_argument("--chapters", type=str | None, metavar="A,B", help="only these, in the tour's own order")
    parser.add_argument("--quick", action="store_true", help="train for half as long")
    parser.add_argument("--data", type=str, default="digits", help="pictures for the chapters that suit any")
    parser.add_argument("--resize", type=str | None, metavar="HxW", help="bring these pictures to this size")
    parser.add_argument("--quiet", action="store_true", help="do not tell which chapter is under way")
    config = parser.parse_args(args)

    def tell(text: str) -> None:
        if not config.quiet:
            print(f"chapter {text}", file=sys.stderr, flush=True)

    names = [name.strip() for name in (config.chapters or "").split(",") if name.strip()]
    out = Path(config.out)
    try:
        with spoken_warnings():
            write_tour(out, chapters=names, quick=config.quick, data=config.data, resize=config.resize, progress=tell)
    except KeyboardInterrupt as stop:
        for note in getattr(stop, "__notes__", ()):
            print(f"isthmus: interrupted; {note}", file=sys.stderr)
        raise
    print(out)
    return 0
