"""``isthmus fit MODEL DATA --out RUN``."""

from __future__ import annotations

import inspect
import shlex
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any

from isthmus.commands.listing import summary
from isthmus.commands.parsing import Parser, add_data_options, data_options
from isthmus.errors import DivergedError, IsthmusWarning, LostProcessError, ParameterError, RunError
from isthmus.files import make_folder

if TYPE_CHECKING:
    from isthmus.data import Samples
    from isthmus.training.callbacks import Callback

_CHECKPOINT = "checkpoint"
# Options of the trainer that say where a command runs rather than how it trains.
_SHORT = ("--devices", "--strategy", "--num_nodes")


def run(command: str, args: list[str]) -> int:
    """Train, save, report."""
    if not args or args[0] in ("-h", "--help"):
        print(overview("fit", "RUN", "Train a model on data and save it as a run folder with a report."))
        return 0 if args else 2
    cls = known_model(args[0])
    fit_and_save(cls, parse_model_options(fit_parser(cls), args[1:]))
    return 0


def fit_parser(cls: Any) -> Parser:
    """All that ``isthmus fit`` takes for a model."""
    parser = Parser(prog=f"isthmus fit {cls.name}", description=summary(cls))
    parser.add_argument("data", type=str, help="built-in name, file, folder, openml:NAME or hf:NAME")
    parser.add_argument("--out", type=str, required=True, metavar="RUN", help="folder of the run")
    if takes_target(cls):
        text = "data that the model is to give back for each row of DATA, which are then taken to be corrupted already"
        parser.add_argument("--target", type=str | None, metavar="DATA", help=text)
    parser.add_argument("--resume", action="store_true", help="continue a run that was interrupted or killed")
    parser.add_argument("--report", type=bool, default=True, help="write report.html")
    add_model_options(parser, cls)
    return parser


def known_model(name: str) -> Any:
    """Class of the model with this name."""
    from isthmus.models import models

    known = models()
    if name not in known:
        close = get_close_matches(name, known, n=1)
        hint = f"did you mean {close[0]!r}?" if close else f"models are {', '.join(known)}"
        raise ParameterError(f"unknown model {name!r}; {hint}")
    return known[name]


def overview(command: str, out: str, what: str) -> str:
    """Help of a command that trains a model."""
    from isthmus.models import models

    lines = [f"  {name:<14} {summary(cls)}" for name, cls in models().items()]
    return "\n".join(
        [
            f"usage: isthmus {command} MODEL DATA --out {out} [options]",
            "",
            what,
            "",
            "models:",
            *lines,
            "",
            f"`isthmus {command} MODEL --help` lists the options of a model; --devices, --strategy and --num_nodes are",
            "short for --trainer.devices and so on.",
        ]
    )


def add_model_options(parser: Parser, cls: Any) -> None:
    """Options of the data, the model and its training."""
    from isthmus.training import Trainer

    parser.add_argument("--quiet", action="store_true", help="no progress bar and no summary")
    parser.add_argument("--config", action="config", help="YAML file with options, as --print_config writes it")
    add_data_options(parser)
    parser.add_class_arguments(cls, skip={"trainer", "verbose"}, instantiate=False)
    parser.add_class_arguments(Trainer, "trainer", skip={"callbacks", "checkpoint", "resume"}, instantiate=False)


def parse_model_options(parser: Parser, args: list[str]) -> Any:
    """What was asked for; parts such as ``--network Conv --network.pool max`` are objects."""
    return parser.instantiate(parser.parse_args([_spelt_out(arg) for arg in args]))


def _spelt_out(arg: str) -> str:
    """The whole name of an option of the trainer that has a short one."""
    name, _, _ = arg.partition("=")
    return f"--trainer.{arg[2:]}" if name in _SHORT else arg


def make_model(cls: Any, config: Any, **trainer_options: Any) -> Any:
    """The estimator that the options describe."""
    from isthmus.training import Trainer

    trainer = Trainer(**vars(config.trainer), **trainer_options)
    own = {name: config[name] for name in cls._parameter_constraints if name in config and name != "trainer"}
    return cls(**own, trainer=trainer, verbose=not config.quiet)


def takes_target(cls) -> bool:
    """Whether a model can learn to turn one data set into another."""
    return "target" in inspect.signature(cls.fit).parameters


def say(text: str) -> None:
    """A line to the user beside what the command is for."""
    print(f"isthmus: {text}", file=sys.stderr)


def fit_and_save(
    cls: Any,
    config: Any,
    watch: Callable[[Any, Samples], Sequence[Callback]] = lambda estimator, samples: (),
    tell: Callable[[str], None] = say,
) -> None:
    """What ``isthmus fit`` does once its options are known.

    Parameters
    ----------
    cls : type
        The estimator.
    config : Namespace
        From `fit_parser`.
    watch : callable
        Gives callbacks for an estimator that is about to be fitted to samples.
    tell : callable
        Takes warnings, and where the model is if the training was cut off.
    """
    from isthmus.data import load
    from isthmus.processes import is_writer
    from isthmus.runs import PARAMS, write_run

    folder = Path(config.out)
    _check_out(folder, resume=config.resume)
    options = data_options(config)
    limit = config.trainer.memory_limit
    samples = load(config.data, **options, memory_limit=limit)
    target = {}
    if takes_target(cls) and config.target is not None:
        target = {"target": load(config.target, **options, memory_limit=limit)}
    estimator = make_model(cls, config, checkpoint=str(folder / _CHECKPOINT), resume=config.resume)
    if callbacks := watch(estimator, samples):
        estimator.trainer.set_params(callbacks=callbacks)
    source = {"data": config.data, "options": options}
    # Before the training, not after hours of it.
    make_folder(folder)
    try:
        with spoken_warnings(tell):
            estimator.fit(samples, **target)
    except LostProcessError as error:
        raise LostProcessError(f"{error}: the same command with --resume does that") from None
    except (KeyboardInterrupt, DivergedError) as error:
        if hasattr(estimator, "module_") and is_writer():
            write_run(estimator, folder, source)
            how = "interrupted" if isinstance(error, KeyboardInterrupt) else "stopped"
            tell(
                f"{how}; the best model so far (epoch {estimator.best_epoch_}) is in {folder}; "
                "the same command with --resume continues"
            )
        raise
    if not is_writer():
        return
    write_run(estimator, folder, source)
    if config.report:
        from isthmus.report import write_report

        write_report(estimator, samples, folder, run=config.out)
    if not config.quiet:
        print(_next_steps(config, folder / PARAMS))


@contextmanager
def spoken_warnings(tell: Callable[[str], None] = say) -> Iterator[None]:
    """Tell warnings of ours in one line each, once all is done."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", IsthmusWarning)
        yield
    from isthmus.processes import is_writer

    for warning in caught if is_writer() else []:
        tell(f"warning: {warning.message}")


def _check_out(folder: Path, *, resume: bool) -> None:
    from isthmus.runs import PARAMS

    if folder.exists() and not folder.is_dir():
        raise RunError(f"{folder} is a file; --out names a folder")
    if resume:
        if not (folder / _CHECKPOINT).is_dir():
            raise RunError(f"there is nothing to resume in {folder}: it has no checkpoint")
        return
    if (folder / PARAMS).exists():
        raise RunError(f"{folder} already holds a run; choose another --out, or --resume to continue it")
    if (folder / _CHECKPOINT).is_dir():
        raise RunError(f"{folder} holds a training that was cut off; --resume continues it, or choose another --out")


def _next_steps(config, params: Path) -> str:
    out, data = shlex.quote(config.out), shlex.quote(config.data)
    page = params.parent / "report.html"
    lines = [f"saved in {config.out}"]
    if config.report:
        lines.append(f"report: {page}")
    lines += [
        "next:",
        f"  isthmus encode {out} {data} --out codes.npy",
        f"  isthmus sample {out} -n 64 --out samples.png",
        f"  isthmus evaluate {out} {data}",
    ]
    return "\n".join(lines)
