"""Samples of our models against those of GANs on MNIST, at equal compute.

    python benchmarks/samples.py MNIST --extractor E --search --out search.jsonl --jobs 8
    python benchmarks/samples.py MNIST --extractor E --final --best search.jsonl --out final.jsonl --jobs 8
    python benchmarks/samples.py --table final.jsonl

MNIST is the folder with its four IDX files. Every method has the same number of seconds of the processor's time on one
thread (those of a density fitted to the codes included), float32, batches of 64, and the same decoder as generator:
that of `NETWORK`, what "auto" takes for pictures of this size. A timing beforehand says how many samples an estimator
can see in that time, so that its learning rate falls to 0 when the time is over; a GAN stops when it is. Samples are
cut to [0, 255] and rounded, as the data are.

``--search`` tries the six settings of each method that `TRIALS` lists, with one seed, on the first 50,000 training
pictures against the other 10,000. ``--final`` trains the setting of least FID on all 60,000 with five seeds, and
compares 10,000 samples with the 10,000 test pictures. Trials that are in the file already are not run again.
"""

import argparse
import json
import math
import multiprocessing
import os
import time
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import torch
from common import environment
from gans import Gan
from PIL import Image

import isthmus
from isthmus import Trainer
from isthmus.data.idx import read_idx
from isthmus.evaluate.extractor import Extractor
from isthmus.evaluate.frechet import frechet_distance
from isthmus.evaluate.kernel import kernel_distance
from isthmus.evaluate.samples import compare_features
from isthmus.networks import Conv

NETWORK = Conv(channels=(16, 32), norm="batch")
BATCH, N_SAMPLES, N_VALIDATION = 64, 10_000, 10_000
DENSITY_SHARE = {"gmm": 0.35, "flow": 0.15, "flow_matching": 0.15}  # of the time, for a density of the codes
MIXTURE_ROWS = 30_000  # whose codes a mixture is fitted to: more would take all of the time
MIXTURE = {"n_components": 200}
KEYS = ("fid", "kid", "precision", "recall", "density", "coverage")
FILES = ("train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz", "t10k-images-idx3-ubyte.gz")


@dataclass(frozen=True)
class Method:
    """An estimator of ours, by name, with a density of its codes if it is to have one; or a GAN, by its loss."""

    name: str
    density: str | None = None
    fixed: dict[str, Any] = field(default_factory=dict)
    trials: tuple[dict[str, Any], ...] = ()


def _trials(**values: tuple) -> tuple[dict[str, Any], ...]:
    """Settings, one column each."""
    return tuple(dict(zip(values, column, strict=True)) for column in zip(*values.values(), strict=True))


GANS = ("ns", "wgan_gp")
_PLAIN = _trials(latent_dim=(8, 16, 32, 8, 16, 32), learning_rate=(3e-3, 3e-3, 3e-3, 6e-3, 6e-3, 6e-3))
_FAST = _trials(latent_dim=(8, 16, 32, 8, 16, 32), learning_rate=(6e-3, 6e-3, 6e-3, 1.2e-2, 1.2e-2, 1.2e-2))
_DENSE = _trials(
    latent_dim=(16, 16, 16, 32, 32, 16),
    learning_rate=(6e-3, 6e-3, 6e-3, 6e-3, 6e-3, 1.2e-2),
    beta=(1, 0.3, 0.1, 0.3, 0.1, 0.1),
)
METHODS = {
    "ns_gan": Method(
        "ns",
        trials=_trials(
            latent_dim=(32, 16, 32, 32, 32, 32),
            learning_rate=(2e-3, 1e-3, 4e-3, 2e-3, 2e-3, 2e-3),
            penalty=(1.0, 1.0, 1.0, 0.1, 10.0, 0.0),
            critic=("none", "none", "none", "none", "none", "spectral"),
            ema=(5e3, 0, 5e3, 5e3, 5e3, 5e3),
            decay=(True, True, True, True, True, True),
        ),
    ),
    "wgan_gp": Method(
        "wgan_gp",
        fixed={"penalty": 10.0},
        trials=_trials(
            latent_dim=(32, 32, 32, 32, 32, 32),
            learning_rate=(2e-3, 1e-3, 1e-3, 2e-3, 4e-3, 2e-3),
            n_critic=(1, 5, 2, 2, 1, 1),
            critic=("layer", "layer", "layer", "none", "layer", "none"),
            beta1=(0.5, 0, 0, 0, 0.5, 0.5),
            ema=(5e3, 5e3, 5e3, 5e3, 5e3, 0),
            decay=(True, True, True, True, True, True),
        ),
    ),
    "vae": Method("VAE", trials=_PLAIN),
    "vae_vamp": Method("VAE", fixed={"prior": "vamp"}, trials=_PLAIN),
    "vae_flow": Method("VAE", "flow", trials=_DENSE),
    "vae_flow_matching": Method("VAE", "flow_matching", trials=_DENSE),
    "vae_gmm": Method("VAE", "gmm", trials=_DENSE),
    "ae_gmm": Method("Autoencoder", "gmm", trials=_FAST),
    "ae_flow": Method("Autoencoder", "flow", trials=_FAST),
    "ae_flow_matching": Method("Autoencoder", "flow_matching", trials=_FAST),
    "rae_l2": Method("RAE", "gmm", fixed={"smoothing": "l2", "density": None}, trials=_FAST),
    "rae_gp": Method("RAE", "gmm", fixed={"smoothing": "gradient_penalty", "density": None}, trials=_FAST),
    "wae": Method("WAE", trials=_PLAIN),
    "info_vae": Method("InfoVAE", trials=_PLAIN),
    "vae_gan": Method("VAEGAN", trials=_PLAIN),
    "aae": Method("AdversarialAutoencoder", trials=_PLAIN),
}


# ---------------------------------------------------------------- training within the time


def draw(method: Method, X: np.ndarray, options: dict[str, Any], seconds: float, seed: int) -> tuple[np.ndarray, dict]:
    """Samples of a method that was trained on X for so long, (n, H, W) of whole numbers, and what it took."""
    torch.set_num_threads(1)
    options = {**method.fixed, **options}
    if method.name in GANS:
        started = time.process_time()
        model = Gan(NETWORK, method.name, batch_size=BATCH, seed=seed, **options).fit(X, seconds)  # pyright: ignore[reportArgumentType]
        took = {"seconds_spent": time.process_time() - started, "steps": model.n_steps_ - 1}
    else:
        model, took = _fit(method, X, options, seconds, seed)
    samples = model.sample(N_SAMPLES, random_state=seed)
    return np.clip(np.rint(samples), 0, 255).astype(np.uint8), took


def _fit(method: Method, X: np.ndarray, options: dict[str, Any], seconds: float, seed: int) -> tuple[Any, dict]:
    """Fit an estimator, and the density of its codes, within the time; the timing beforehand is not counted."""
    share = 0.0 if method.density is None else DENSITY_SHARE[method.density]
    per_row, per_density_step = _timing(method, X, options)
    n_rows = max(BATCH, int(seconds * (1 - share) / per_row))
    started = time.process_time()
    # One pass over as many copies of the data as there is time for: whole passes would waste up to one of them.
    model = _make(method, options, seed).fit(_repeated(X, n_rows, seed))
    took = {"seconds_spent": time.process_time() - started, "steps": n_rows // BATCH}
    if method.density == "gmm":
        model.fit_prior("gmm", X[:MIXTURE_ROWS], random_state=seed, **MIXTURE)
    elif method.density is not None:
        encoding = len(X) / 6000 * _seconds(model.transform, X[:6000])
        left = seconds - took["seconds_spent"] - encoding
        took["density_steps"] = max(50, int(left / per_density_step))
        model.fit_prior(method.density, X, random_state=seed, max_steps=took["density_steps"])
    return model, {**took, "seconds_spent": time.process_time() - started}


def _make(method: Method, options: dict[str, Any], seed: int) -> Any:
    options = dict(options)
    trainer = Trainer(
        batch_size=BATCH,
        learning_rate=options.pop("learning_rate"),
        precision="32",
        compile=False,
        device="cpu",
        n_threads=1,
        validation_fraction=0.0,
        early_stopping=None,
    )
    kind = getattr(isthmus, method.name)
    return kind(network=NETWORK, max_epochs=1, trainer=trainer, random_state=seed, **options)


def _repeated(X: np.ndarray, n: int, seed: int) -> np.ndarray:
    """Rows in random order, each as often as the others but for one."""
    whole, rest = divmod(n, len(X))
    order = np.random.default_rng(seed).permutation(len(X))[:rest]
    return np.concatenate([X] * whole + [X[order]])


def _timing(method: Method, X: np.ndarray, options: dict[str, Any]) -> tuple[float, float]:
    """Seconds for each row of the training, and for each step of a density."""
    few, many = 10 * BATCH, 110 * BATCH
    took = []
    for n in (few, few, many):  # the first is a warm-up
        model = _make(method, options, 0)
        took.append(_seconds(model.fit, X[:n]))
    per_row = (took[2] - took[1]) / (many - few)
    if method.density in (None, "gmm"):
        return per_row, math.nan
    few, many = 20, 120
    took = [_seconds(model.fit_prior, method.density, X[:2000], max_steps=n) for n in (few, few, many)]
    return per_row, (took[2] - took[1]) / (many - few)


def _seconds(function: Any, *arguments: Any, **options: Any) -> float:
    started = time.process_time()
    function(*arguments, **options)
    return time.process_time() - started


# ---------------------------------------------------------------- the data, and how samples are judged


def read(folder: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Training pictures, their labels, and test pictures, uint8."""
    X, y, test = (read_idx(folder / name) for name in FILES)
    return X, y, test


def extractor_of(folder: Path, data: Path) -> Extractor:
    """The classifier in this folder; if there is none yet, fitted on the first 50,000 training pictures, and saved."""
    if not folder.exists():
        X, y, _ = read(data)
        Extractor.fit(X[:-N_VALIDATION], y[:-N_VALIDATION], "classifier").save(folder)
    return Extractor.load(folder)


def judge(extractor: Extractor, real: np.ndarray, samples: np.ndarray, *, quick: bool) -> dict[str, float]:
    """Every number, or the two that take little time."""
    real, made = extractor.features(real), extractor.features(samples)
    if quick:
        return {"fid": frechet_distance(real, made), "kid": kernel_distance(real, made)[0]}
    return compare_features(real, made)


def work(task: dict[str, Any], data: Path, extractor: Path, sheets: Path | None) -> dict[str, Any]:
    """One trial: what it was, and what it came to. One that fails says so, and the others go on."""
    X, _, test = read(data)
    if task["phase"] == "search":
        X, test = X[:-N_VALIDATION], X[-N_VALIDATION:]
    judged_by = Extractor.load(extractor)
    row = {**task, "extractor": judged_by.label, "environment": environment()}
    started = time.monotonic()
    try:
        if task["method"] == "floor":
            chosen = np.random.default_rng(task["seed"]).permutation(len(X))[:N_SAMPLES]
            samples, took = X[chosen], {}
        else:
            options = task["options"]
            samples, took = draw(METHODS[task["method"]], X, options, task["seconds"], task["seed"])
        found = judge(judged_by, test, samples, quick=task["phase"] == "search")
    except (isthmus.IsthmusError, ValueError, RuntimeError, AttributeError) as error:
        return {**row, "error": f"{type(error).__name__}: {error}"}
    if sheets is not None:
        number = "" if task["trial"] is None else f"-{task['trial']}"
        write_sheet(sheets / f"{task['phase']}-{task['method']}{number}-{task['seed']}.png", samples[:100])
    return {**row, **took, **found, "wall": time.monotonic() - started}


def write_sheet(path: Path, samples: np.ndarray) -> None:
    """The first samples as a square of pictures."""
    side = math.isqrt(len(samples))
    n, height, width = samples[: side * side].shape
    tiles = samples[:n].reshape(side, side, height, width).swapaxes(1, 2).reshape(side * height, side * width)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.clip(np.rint(tiles), 0, 255).astype(np.uint8)).save(path)


# ---------------------------------------------------------------- what is run, and what came of it


def rows_of(path: Path | None) -> list[dict[str, Any]]:
    """What was found so far; a last line that was cut off is left out."""
    if path is None or not path.exists():
        return []
    found = []
    for line in path.read_text().splitlines():
        try:
            found.append(json.loads(line))
        except json.JSONDecodeError:
            continue
    return found


def tasks_of(args: argparse.Namespace) -> list[dict[str, Any]]:
    """Trials of the search; or the best of each method, with every seed, and the training data themselves."""
    names = args.only or list(METHODS)
    tasks: list[dict[str, Any]] = []
    if args.search:
        for trial in range(6):  # the first trial of every method, then the second
            for name in names:
                options = METHODS[name].trials[trial]
                tasks += [_task("search", name, trial, options, args.seconds, seed) for seed in args.seeds[:1]]
    if args.final:
        for seed in args.seeds:
            tasks.append(_task("final", "floor", None, {}, args.seconds, seed))
            for name in names:
                trial = best_trial(rows_of(args.best), name)
                tasks.append(_task("final", name, trial, METHODS[name].trials[trial], args.seconds, seed))
    return tasks


def _task(phase: str, method: str, trial: int | None, options: dict, seconds: float, seed: int) -> dict[str, Any]:
    keys = ("phase", "method", "trial", "options", "seconds", "seed")
    return dict(zip(keys, (phase, method, trial, options, seconds, seed), strict=True))


def best_trial(rows: list[dict[str, Any]], method: str) -> int:
    """The trial of least FID in the search, with the options that the file of trials lists now."""
    found = {
        row["trial"]: row["fid"]
        for row in rows
        if row["phase"] == "search"
        and row["method"] == method
        and math.isfinite(row.get("fid", math.nan))
        and row["options"] == METHODS[method].trials[row["trial"]]
    }
    if not found:
        raise SystemExit(f"{method} has no trial that succeeded in the file of --best; run --search first")
    return min(found, key=lambda trial: found[trial])


def run(args: argparse.Namespace) -> None:
    """All tasks that the file does not have yet, so many side by side."""
    known = [
        {key: row[key] for key in _task("", "", None, {}, 0, 0)} for row in rows_of(args.out) if "error" not in row
    ]
    tasks = [task for task in tasks_of(args) if task not in known]
    extractor_of(args.extractor, args.data)
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(args.jobs, mp_context=context, max_tasks_per_child=1) as pool:
        waiting = [pool.submit(work, task, args.data, args.extractor, args.sheets) for task in tasks]
        for number, done in enumerate(as_completed(waiting), 1):
            row = done.result()
            with open(args.out, "a") as file:
                file.write(json.dumps(row) + "\n")
            found = row.get("error") or " ".join(f"{key} {row[key]:.3f}" for key in KEYS if key in row)
            print(f"{number}/{len(tasks)} {row['method']} {row['options']} seed {row['seed']}: {found}", flush=True)


def table(rows: list[dict[str, Any]]) -> None:
    """Medians and ranges over the seeds, best FID first; or the trials of a search, by method."""
    final = [row for row in rows if row["phase"] == "final" and "error" not in row]
    if final:
        print(final[0]["environment"], final[0]["extractor"], sep="; ")
        print(f"| method | setting | seeds | {' | '.join(KEYS)} |\n|{' --- |' * (3 + len(KEYS))}")
        groups = {
            name: [row for row in final if row["method"] == name] for name in dict.fromkeys(r["method"] for r in final)
        }
        for name, group in sorted(groups.items(), key=lambda item: median(row["fid"] for row in item[1])):
            cells = [_spread([row[key] for row in group]) for key in KEYS]
            print(f"| {name} | {_setting(group[0])} | {len(group)} | {' | '.join(cells)} |")
    search = [row for row in rows if row["phase"] == "search"]
    if search:
        print("| method | setting | s | steps | fid | kid |\n|" + " --- |" * 6)
        for row in sorted(search, key=lambda row: (list(METHODS).index(row["method"]), row.get("fid", math.inf))):
            if "error" in row:
                print(f"| {row['method']} | {_setting(row)} | - | - | {row['error']} | - |")
            else:
                cells = f"{row['seconds_spent']:.0f} | {row['steps']} | {row['fid']:.2f} | {row['kid']:.3f}"
                print(f"| {row['method']} | {_setting(row)} | {cells} |")


def _setting(row: dict[str, Any]) -> str:
    return ", ".join(f"{key} {value}" for key, value in row["options"].items())


def _spread(values: list[float]) -> str:
    return f"{median(values):.3g} ({min(values):.3g} to {max(values):.3g})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, nargs="?", help="folder with the files of MNIST")
    parser.add_argument("--extractor", type=Path, help="folder of the classifier; fitted if it is not there")
    parser.add_argument("--search", action="store_true")
    parser.add_argument("--final", action="store_true")
    parser.add_argument("--best", type=Path, help="file of a search, for --final")
    parser.add_argument("--out", type=Path, help="file that a line is added to for every trial")
    parser.add_argument("--sheets", type=Path, help="folder for pictures of samples")
    parser.add_argument("--only", nargs="+", choices=list(METHODS), metavar="NAME", help=", ".join(METHODS))
    parser.add_argument("--seconds", type=float, default=100.0)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    parser.add_argument("--jobs", type=int, default=1, help="processes of one thread, side by side")
    parser.add_argument("--table", type=Path, nargs="+", metavar="FILE", help="only print what these files hold")
    args = parser.parse_args()
    if args.table:
        table([row for path in args.table for row in rows_of(path)])
        return
    if args.search == args.final or not (args.data and args.extractor and args.out):
        parser.error("give MNIST, --extractor, --out, and either --search or --final; or --table")
    run(args)
    table(rows_of(args.out))


if __name__ == "__main__":
    main()
