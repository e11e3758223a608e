"""``isthmus fit_prior KIND RUN [DATA]``."""

from __future__ import annotations

import shlex
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from isthmus.commands.listing import summary
from isthmus.commands.runs import run_parser, run_samples
from isthmus.errors import ParameterError, RunError

_NONE = "none"


def run(command: str, args: list[str]) -> int:
    """Fit the density, and write the run."""
    if not args or args[0] in ("-h", "--help"):
        print(_overview())
        return 0 if args else 2
    kind = args[0]
    cls = None if kind == _NONE else _known(kind)
    what = "Give a run back the prior that it was trained with." if cls is None else summary(cls)
    parser = run_parser(f"fit_prior {kind}", what, takes_data=True, default="what the run was fitted on")
    parser.add_argument("--out", type=str | None, metavar="RUN", help="write another run, and leave this one as it is")
    parser.add_argument("--seed", type=int | None, default=None, help="seed of draws and training")
    if cls is not None:
        parser.add_class_arguments(cls, instantiate=False)
    config = parser.parse_args(args[1:])
    _fit(kind, config, {} if cls is None else {name: config[name] for name in cls().config()})
    return 0


def _known(kind: str) -> Any:
    from isthmus.priors.afterwards import fitted_priors

    known = fitted_priors()
    if kind not in known:
        close = get_close_matches(kind, known, n=1)
        hint = f"did you mean {close[0]!r}?" if close else f"kinds are {', '.join(sorted(known))} and {_NONE}"
        raise ParameterError(f"unknown kind of prior {kind!r}; {hint}")
    return known[kind]


def _overview() -> str:
    from isthmus.priors.afterwards import fitted_priors

    lines = [f"  {name:<14} {summary(cls)}" for name, cls in sorted(fitted_priors().items())]
    return "\n".join(
        [
            "usage: isthmus fit_prior KIND RUN [DATA] [options]",
            "",
            "Fit a density to the codes of data, by default those that the run was fitted on, and let the model draw",
            "its samples from it. RUN is rewritten, unless --out names another one.",
            "",
            "kinds:",
            *lines,
            f"  {_NONE:<14} The prior that the model was trained with.",
            "",
            "`isthmus fit_prior KIND --help` lists the options of a kind.",
        ]
    )


def _fit(kind: str, config: Any, options: dict[str, Any]) -> None:
    from isthmus.runs import PARAMS, load, run_source, write_run

    out = Path(config.out or config.run)
    if config.out is not None and (out / PARAMS).exists():
        raise RunError(f"{out} already holds a run; choose another --out, or leave it out to rewrite {config.run}")
    estimator = load(config.run)
    if kind == _NONE:
        estimator.drop_prior()
    else:
        estimator.fit_prior(kind, run_samples(estimator, config), random_state=config.seed, **options)
    write_run(estimator, out, run_source(config.run))
    choice = estimator.choices_.get("prior")
    print(f"{out}: {'the prior it was trained with' if choice is None else f'{choice.value}, {choice.reason}'}")
    print(f"next:\n  isthmus sample {shlex.quote(str(out))} -n 64 --out samples.png")
