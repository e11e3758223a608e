"""The command line: ``isthmus COMMAND ...``; commands are imported when they are called, torch with them."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module

from isthmus import __version__
from isthmus.errors import IsthmusError, LostProcessError

_COMMANDS = {
    "fit": ("isthmus.commands.fit", "train a model on data and save it as a run folder"),
    "sweep": ("isthmus.commands.sweep", "search for good parameters of a model, by many trials"),
    "fit_prior": ("isthmus.commands.fit_prior", "fit a density to the codes of a run, for better samples"),
    "encode": ("isthmus.commands.use", "codes of data"),
    "reconstruct": ("isthmus.commands.use", "encode and decode data"),
    "denoise": ("isthmus.commands.use", "restore noisy data"),
    "sample": ("isthmus.commands.use", "draw new data"),
    "chain": ("isthmus.commands.chain", "the Markov chain of a denoising model, and whether it has converged"),
    "score": ("isthmus.commands.use", "log-likelihood of each row, in nats"),
    "evaluate": ("isthmus.commands.evaluate", "every metric that applies"),
    "compare": ("isthmus.commands.compare", "several runs on the same data, side by side"),
    "traverse": ("isthmus.commands.explore", "walk along latents, or along an attribute such as a smile"),
    "interpolate": ("isthmus.commands.explore", "walk from one row to another"),
    "cluster": ("isthmus.commands.explore", "group rows by their codes"),
    "animate": ("isthmus.commands.animate", "train a model, and show its reconstructions over the epochs"),
    "report": ("isthmus.commands.use", "write the HTML report of a run"),
    "tour": ("isthmus.commands.tour", "the whole family explained by running it, as one HTML page"),
    "export": ("isthmus.commands.export", "a model as ONNX, or as a page to explore it without a server"),
    "studio": ("isthmus.commands.studio", "a page in the browser to explore trained models, and an HTTP API"),
    "bench": ("isthmus.commands.bench", "how fast this machine trains, beside the floor"),
    "models": ("isthmus.commands.listing", "what models there are, one line each"),
}

_HELP = f"""usage: isthmus COMMAND ...

Autoencoders for compressing, exploring, denoising, checking and generating data.

commands:
{chr(10).join(f"  {name:<12} {text}" for name, (_, text) in _COMMANDS.items())}

examples:
  isthmus fit vae digits --latent_dim 8 --out runs/digits
  isthmus encode runs/digits digits --out codes.npy
  isthmus sample runs/digits -n 64 --out samples.png

DATA is a built-in name (digits, faces, shapes), a file (.npy, .npz or file.npz:array, .csv, .parquet, IDX,
a picture), a folder of pictures, or openml:NAME / hf:NAME where there is a network.
`isthmus COMMAND --help` explains a command; --debug shows where an error came from; --version the version."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code: 0 success, 2 usage or data error, 130 interrupted."""
    args = list(sys.argv[1:] if argv is None else argv)
    debug = "--debug" in args
    args = [arg for arg in args if arg != "--debug"]
    if not args or args[0] in ("-h", "--help", "help"):
        print(_HELP)
        return 0 if args else 2
    if args[0] in ("-V", "--version"):
        print(f"isthmus {__version__}")
        return 0
    try:
        return _run(args[0], args[1:])
    except IsthmusError as error:
        if debug:
            raise
        return _complain(str(error)) if _speaks(error) else 2
    except KeyboardInterrupt as error:
        if debug:
            raise
        if _speaks(error):
            print("isthmus: interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:
        # The reader (`| head`) has seen enough; Python would complain again when it flushes at exit.
        sys.stderr.close()
        return 0


def _run(command: str, args: list[str]) -> int:
    if command not in _COMMANDS:
        from difflib import get_close_matches

        close = get_close_matches(command, _COMMANDS, n=1)
        hint = f"; did you mean {close[0]!r}?" if close else f"; commands are {', '.join(_COMMANDS)}"
        return _complain(f"unknown command {command!r}{hint}")
    return import_module(_COMMANDS[command][0]).run(command, args)


def _speaks(error: BaseException) -> bool:
    """Whether this process says what went wrong: of several that train together the first does, if all know."""
    joined = sys.modules.get("isthmus.processes")
    return joined is None or joined.is_writer() or isinstance(error, LostProcessError)


def _complain(message: str) -> int:
    print(f"isthmus: {' '.join(message.split())}", file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main())
