"""Commands that use a run: ``isthmus COMMAND RUN [DATA] [options]``."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from isthmus.commands.outputs import write_pictures
from isthmus.commands.parts import SharedCommand, add_part_options, chosen_rows
from isthmus.commands.runs import run_parser, run_samples
from isthmus.data.writing import apply, write_rows
from isthmus.engines.settings import Backend, Precision, inference
from isthmus.errors import ParameterError

if TYPE_CHECKING:
    from isthmus.data import Samples
    from isthmus.models.base import BaseAutoencoder

_MOST_PAIRS = 32


def run(command: str, args: list[str]) -> int:
    """Parse the options of ``command``, load run and data, and act."""
    action, description, takes_data = _ACTIONS[command]
    default = "what the run was fitted on" if command == "report" else None
    parser = run_parser(command, description, takes_data=takes_data, default=default)
    for names, options in _OPTIONS[command]:
        parser.add_argument(*names, **options)
    if command in _DIVISIBLE:
        add_part_options(parser)
    config = parser.parse_args(args)
    config.again = SharedCommand(command, args)
    from isthmus.runs import load

    with inference(getattr(config, "backend", "auto"), getattr(config, "precision", "32")):
        action(load(config.run), config)
    return 0


def _encode(estimator: BaseAutoencoder, config: Any) -> None:
    names = [str(name) for name in estimator.get_feature_names_out()]
    shape = _write(estimator.transform, *_rows(estimator, config), config, names)
    print(f"{config.out}: codes of shape {shape}")


def _reconstruct(estimator: BaseAutoencoder, config: Any) -> None:
    samples, first = _rows(estimator, config)
    out = Path(config.out)
    if out.suffix.lower() == ".png":
        shown = samples.X[:_MOST_PAIRS]
        decoded = estimator.reconstruct(replace(samples, X=shown, y=None, factors=None))
        truth = shown.reshape(-1, *estimator.info_.shape)
        pairs = np.stack([truth, decoded.reshape(truth.shape)], axis=1).reshape(-1, *truth.shape[1:])
        write_pictures(out, pairs, estimator.info_, columns=8)
        print(f"{out}: the first {len(truth)} originals, each with its reconstruction on its right")
        return
    shape = _write(estimator.reconstruct, samples, first, config, _feature_names(estimator))
    print(f"{out}: reconstructions of shape {shape}")


def _denoise(estimator: BaseAutoencoder, config: Any) -> None:
    from isthmus.models.denoiser import Denoiser

    if not isinstance(estimator, Denoiser):
        raise ParameterError(
            f"this model ({type(estimator).__name__}) was not trained to denoise; fit one that is, such as "
            "`isthmus fit denoising`"
        )
    samples, out = run_samples(estimator, config), Path(config.out)
    if not config.corrupt and out.suffix.lower() != ".png":
        shape = apply(estimator.denoise, samples, out, names=_feature_names(estimator))
        print(f"{out}: restored samples of shape {shape}")
        return
    # The error is that of all of them, a sheet shows the first.
    X = np.asarray(samples.X if config.corrupt else samples.X[:_MOST_PAIRS])
    noisy = estimator.corrupt(X, random_state=config.seed) if config.corrupt else X
    restored = estimator.denoise(noisy)
    stages = [X, noisy, restored] if config.corrupt else [noisy, restored]
    if out.suffix.lower() == ".png":
        shown = [stage[:_MOST_PAIRS].reshape(-1, *estimator.info_.shape) for stage in stages]
        sheet = np.stack(shown, axis=1).reshape(-1, *estimator.info_.shape)
        # The noise reaches beyond the range of what lies under it, which is what there is to see.
        clean = np.quantile(restored, [0.001, 0.999]).tolist()
        limits = estimator.info_.display_range if estimator.info_.dtype == "uint8" else (clean[0], clean[1])
        write_pictures(out, sheet, estimator.info_, columns=len(stages) * (8 // len(stages)), limits=limits)
        names = "the clean one, the noisy one and the restored one" if config.corrupt else "noisy and restored"
        print(f"{out}: the first {len(shown[0])} samples, each as {names}, from left to right")
    else:
        write_rows(out, [restored], len(restored), _feature_names(estimator))
        print(f"{out}: restored samples of shape {restored.shape}")
    if config.corrupt:
        before, after = (float(np.mean((stage - X.astype(float)) ** 2)) for stage in (noisy, restored))
        print(f"mean squared error against the clean data: {before:.4g} of the noisy ones, {after:.4g} restored")


def _sample(estimator: BaseAutoencoder, config: Any) -> None:
    told = {} if config.y is None else {"y": _class_named(estimator, config.y)}
    drawn = estimator.sample(config.n, random_state=config.seed, **told)
    out = Path(config.out)
    if out.suffix.lower() == ".png":
        write_pictures(out, drawn.reshape(-1, *estimator.info_.shape), estimator.info_)
    else:
        write_rows(out, [drawn], len(drawn), _feature_names(estimator))
    print(f"{out}: {config.n} samples")


def _class_named(estimator: BaseAutoencoder, name: str) -> Any:
    """The class that a conditional model knows by this name."""
    from isthmus.models.conditional import Conditional

    if not isinstance(estimator, Conditional):
        raise ParameterError(
            f"this model ({type(estimator).__name__}) knows no classes; leave --y out, or fit one that does, such as "
            "`isthmus fit conditional_vae`"
        )
    known = {str(label): label for label in estimator.classes_.tolist()}
    if name not in known:
        raise ParameterError(f"the model knows no class {name!r}; it was fitted on {', '.join(known) or 'none'}")
    return known[name]


def _score(estimator: BaseAutoencoder, config: Any) -> None:
    samples, first = _rows(estimator, config)
    what = "score" if config.n_samples is None else "log_likelihood"
    if config.n_samples is not None and not hasattr(estimator, "log_likelihood"):
        raise ParameterError(f"{type(estimator).__name__} has no likelihood to estimate; leave --n_samples out")
    if config.devices > 1:
        beside = Path(config.out).parent if config.out else Path(tempfile.gettempdir())
        scores = np.concatenate(list(config.again.results(len(samples.X), first, config.devices, beside)))
    elif config.n_samples is None:
        scores = estimator.score_samples(samples)
    else:
        scores = estimator.log_likelihood(samples, n_samples=config.n_samples)
    low, middle, high = np.quantile(scores, [0.01, 0.5, 0.99])
    print(f"{len(scores)} rows; {what} in nats: mean {scores.mean():.3f}, median {middle:.3f}", end="")
    print(f", 1 % below {low:.3f}, 1 % above {high:.3f}; lowest in row {first + int(scores.argmin())}")
    if config.out is not None:
        write_rows(Path(config.out), [scores], len(scores), [what])
        print(f"{config.out}: one value per row")


def _report(estimator: BaseAutoencoder, config: Any) -> None:
    from isthmus.report import write_report

    samples = run_samples(estimator, config)
    print(write_report(estimator, samples, Path(config.run), run=config.run))


def _rows(estimator: BaseAutoencoder, config: Any) -> tuple[Samples, int]:
    """The rows that the command is about, and the number of the first."""
    if config.devices < 1:
        raise ParameterError(f"--devices must be at least 1, got {config.devices}")
    return chosen_rows(run_samples(estimator, config), config.rows)


def _write(
    method: Callable[[Any], np.ndarray], samples: Samples, first: int, config: Any, names: list[str] | None
) -> tuple[int, ...]:
    """Write what a method makes of the rows, in this process or in several, and return its shape."""
    if config.devices == 1:
        return apply(method, samples, config.out, names=names)
    out, n = Path(config.out), len(samples.X)
    return write_rows(out, config.again.results(n, first, config.devices, out.parent), n, names)


def _feature_names(estimator: BaseAutoencoder) -> list[str] | None:
    names = getattr(estimator, "feature_names_in_", None)
    return None if names is None else [str(name) for name in names]


def _out(text: str) -> tuple[tuple[str, ...], dict[str, Any]]:
    return ("--out",), {"type": str, "required": True, "metavar": "FILE", "help": text}


_DIVISIBLE = ("encode", "reconstruct", "score")
_ACTIONS: dict[str, tuple[Callable[..., None], str, bool]] = {
    "encode": (_encode, "Write the codes of data.", True),
    "reconstruct": (_reconstruct, "Encode and decode data.", True),
    "denoise": (_denoise, "Restore noisy data.", True),
    "sample": (_sample, "Draw new data from a model.", False),
    "score": (
        _score,
        "Log-likelihood (a lower bound) of each row, in nats; low scores are unusual rows.",
        True,
    ),
    "report": (_report, "Write RUN/report.html and RUN/figures anew.", True),
}
ENGINE = [
    (
        ("--backend",),
        {
            "type": Backend,
            "default": "auto",
            "help": "who computes: PyTorch eager or compiled, or ONNX Runtime",
        },
    ),
    (
        ("--precision",),
        {"type": Precision, "default": "32", "help": "of the weights and between the layers"},
    ),
]
_OPTIONS: dict[str, list[tuple[tuple[str, ...], dict[str, Any]]]] = {
    "encode": [_out("where to write: .npy, .csv or .parquet"), *ENGINE],
    "reconstruct": [_out(".npy, .csv or .parquet; for pictures .png, a sheet of pairs"), *ENGINE],
    "denoise": [
        _out(".npy, .csv or .parquet; for pictures .png, a sheet of noisy and restored ones"),
        (("--corrupt",), {"action": "store_true", "help": "the data are clean: add the model's own noise first"}),
        (("--seed",), {"type": int | None, "default": None, "help": "seed of that noise"}),
        *ENGINE,
    ],
    "sample": [
        (("-n", "--n"), {"type": int, "default": 64, "help": "how many"}),
        (("--seed",), {"type": int | None, "default": None, "help": "seed of the draw"}),
        (("--y",), {"type": str | None, "metavar": "CLASS", "help": "class of the samples, for conditional models"}),
        _out(".npy, .csv or .parquet; for pictures .png, a sheet"),
    ],
    "score": [
        (("--n_samples",), {"type": int | None, "help": "importance samples per row: a tighter bound"}),
        (
            ("--out",),
            {"type": str | None, "metavar": "FILE", "help": "write one value per row: .npy, .csv, .parquet"},
        ),
        *ENGINE,
    ],
    "report": [],
}
