"""``isthmus sweep MODEL DATA --trials N --out FOLDER``."""

from __future__ import annotations

import argparse
import shlex
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from isthmus.commands.fit import (
    add_model_options,
    known_model,
    make_model,
    overview,
    parse_model_options,
    spoken_warnings,
    takes_target,
)
from isthmus.commands.listing import summary
from isthmus.commands.parsing import Parser, data_options
from isthmus.errors import IsthmusError, ParameterError

if TYPE_CHECKING:
    from optuna import Study

    from isthmus.sweep.plan import Plan

_WHAT = "Search for good parameters of a model: train it many times, and keep the best run."
_TOP = 5


def run(command: str, args: list[str]) -> int:
    """Search, keep the best, tell."""
    if not args or args[0] in ("-h", "--help"):
        print(overview("sweep", "FOLDER", _WHAT))
        return 0 if args else 2
    cls = known_model(args[0])
    config = parse_model_options(_parser(cls), args[1:])
    try:
        _sweep(cls, config, args)
    except KeyboardInterrupt:
        if config.worker:
            return 130  # whoever started it has words enough
        raise
    return 0


def _parser(cls: Any) -> Parser:
    parser = Parser(prog=f"isthmus sweep {cls.name}", description=f"{_WHAT} {summary(cls)}")
    parser.add_argument("data", type=str, help="built-in name, file, folder, openml:NAME or hf:NAME")
    parser.add_argument(
        "--out", type=str, required=True, metavar="FOLDER", help="for the study, the best run, a table and a page"
    )
    text = "trials of the study in all, those of other workers and earlier calls included; a larger number goes on"
    parser.add_argument("--trials", type=int, default=30, metavar="N", help=text)
    parser.add_argument(
        "--space",
        type=str,
        nargs="+",
        action="extend",
        default=[],
        metavar="NAME=VALUES",
        help="what to search besides the default, or otherwise: NAME=LOW..HIGH, NAME=LOW..HIGH:log or NAME=A,B,C, as "
        "in trainer.learning_rate=1e-4..1e-2:log",
    )
    text = "search what has a default range too, unless an option below sets it"
    parser.add_argument("--default_space", type=bool, default=True, help=text)
    text = (
        "what to compare on the held-out rows: score, a key of `isthmus evaluate`, or val_ and a cost of the training"
    )
    parser.add_argument("--metric", type=str, default="auto", help=text)
    text = "how hopeless trials are recognised while they are trained"
    parser.add_argument("--pruner", type=Literal["median", "hyperband", "none"], default="median", help=text)
    parser.add_argument("--timeout", type=float | None, metavar="SECONDS", help="start no trial after this time")
    text = "worker processes on this machine; they share the trials and the processor"
    parser.add_argument("--jobs", type=int, default=1, metavar="N", help=text)
    text = (
        "database for workers on several machines, as postgresql://USER:PASSWORD@HOST/NAME; by default a file in FOLDER"
    )
    parser.add_argument("--storage", type=str | None, metavar="URL", help=text)
    text = "name of the study in it; workers of one study, wherever they run, share its trials"
    parser.add_argument("--study", type=str | None, metavar="NAME", help=text)
    text = "refuse to begin a new study; without this the same command begins one or goes on"
    parser.add_argument("--resume", action="store_true", help=text)
    parser.add_argument("--report", type=bool, default=True, help="write the report of the best run")
    parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    if takes_target(cls):
        text = "data that the model is to give back for each row of DATA, which are then taken to be corrupted already"
        parser.add_argument("--target", type=str | None, metavar="DATA", help=text)
    add_model_options(parser, cls)
    return parser


def _sweep(cls: Any, config: Any, args: list[str]) -> None:
    from isthmus.data import load
    from isthmus.sweep.place import Place
    from isthmus.sweep.planning import make_plan
    from isthmus.sweep.search import check_number
    from isthmus.sweep.storage import database_errors, need_optuna, quiet_optuna

    need_optuna()
    for name in ("trials", "jobs"):
        check_number(name, config[name])
    options, limit = data_options(config), config.trainer.memory_limit
    target = None
    if takes_target(cls) and config.target is not None:
        target = load(config.target, **options, memory_limit=limit)
    samples = load(config.data, **options, memory_limit=limit)
    with spoken_warnings():
        plan = make_plan(
            make_model(cls, config),
            samples,
            target=target,
            space=config.space,
            use_defaults=config.default_space,
            metric=config.metric,
            fixed=_mentioned(args),
        )
    place = Place(Path(config.out), config.storage, config.study)
    source = {"data": config.data, "options": options, "target": None if target is None else config.target}
    with quiet_optuna(), database_errors(place.where):
        study = place.open(plan, config.pruner, must_exist=config.resume)
        if not (config.quiet or config.worker):
            print(_announce(plan), file=sys.stderr)
        try:
            _work(plan, study, config, source, args)
        except KeyboardInterrupt:
            with suppress(IsthmusError):
                _finish(plan, study, config, source, report=False)
            if not config.worker:
                print(
                    f"isthmus: interrupted; what is finished is in {config.out}; the same command goes on",
                    file=sys.stderr,
                )
            raise
        except IsthmusError:
            with suppress(IsthmusError):
                _finish(plan, study, config, source, report=False)
            raise
        _finish(plan, study, config, source, report=config.report)


def _mentioned(args: list[str]) -> list[str]:
    """Names of options that were given; what a user sets, even to its default, is not searched."""
    return [arg[2:].partition("=")[0] for arg in args if arg.startswith("--")]


def _announce(plan: Plan) -> str:
    space = "\n".join(f"  {name:<24} {dimension}" for name, dimension in plan.space.items())
    better = "higher" if plan.metric.direction == "maximize" else "lower"
    return (
        f"searching for {plan.metric.name}, {better} is better: {plan.metric.meaning}\n{space}\n"
        f"trained on {len(plan.split.train):,} rows, compared on {len(plan.split.validation):,}"
    )


def _work(plan: Plan, study: Study, config: Any, source: dict[str, Any], args: list[str]) -> None:
    from isthmus.sweep.search import teller
    from isthmus.sweep.worker import Worker
    from isthmus.sweep.workers import run_workers

    if config.jobs > 1:
        run_workers(["sweep", *args, "--jobs", "1", "--worker"], config.jobs)
        return
    worker = Worker(plan, study, config.trials, config.timeout, Path(config.out), source)
    if not config.quiet:
        worker.tell = teller(plan, study)
    worker.run()


def _finish(plan: Plan, study: Study, config: Any, source: dict[str, Any], *, report: bool) -> None:
    """Write what the folder is to hold, and print the best trials; a worker leaves that to whoever started it."""
    from isthmus.sweep.conclude import conclude
    from isthmus.sweep.table import census, in_columns, ranked, top

    if config.worker:
        return
    trials = conclude(plan, study, Path(config.out), source, shown=config.out, report=report)
    if not ranked(trials, plan.metric):
        raise ParameterError(f"no trial came to an end ({census(trials) or 'none was started'}); there is no best run")
    if config.quiet:
        return
    print(f"{len(trials)} trials: {census(trials)}; the best by {plan.metric.name}:\n")
    print(in_columns(*top(trials, plan.metric, _TOP)))
    print(_next_steps(config, trials, plan))


def _next_steps(config: Any, trials: list[dict[str, Any]], plan: Plan) -> str:
    from isthmus.sweep.best import BEST, holder
    from isthmus.sweep.page import PAGE
    from isthmus.sweep.table import TABLE, ranked

    folder, best = Path(config.out), ranked(trials, plan.metric)[0]
    held, run = holder(folder), f"{config.out}/{BEST}"
    lines = ["", f"page: {folder / PAGE}", f"all trials: {folder / TABLE}"]
    if held is None or held[0] != best["number"]:
        lines.append(f"the best trial, {best['number']}, was run elsewhere: {best['place']}")
    if held is not None:
        lines += [f"best run{'' if held[0] == best['number'] else ' of this folder'}: {run} (trial {held[0]})"]
        lines += ["next:", f"  isthmus report {shlex.quote(run)}", f"  isthmus evaluate {shlex.quote(run)} TEST_DATA"]
    return "\n".join(lines)
