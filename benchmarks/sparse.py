"""Seven ways to a sparse code, compared on a known dictionary at equal numbers of active latents.

    python benchmarks/sparse.py

The data: 512 directions of unit norm in 64 dimensions, drawn at random; each sample is a sum of a few of them, with
magnitudes uniform in [0.5, 1.5], and a little noise. Firing rates fall as a power of the rank; features are correlated,
as thresholds of Gaussians with common factors. Every way gets as many latents as there are features and the same
training. Where a penalty decides how many latents are active, it is searched for on the first seed, by the secant rule
on logarithms, until the held-out number is that of the truth within a few per cent.

MMCS: mean over the true directions of the cosine to the closest atom; found: share of them with a cosine above 0.9.
Variance explained, active latents and dead share are of rows that were held out. The reference is sparse coding with
the true directions known (FISTA; Beck & Teboulle, 2009), at the same number of active latents.
"""

import argparse
import time
from dataclasses import dataclass
from typing import get_args

import numpy as np
import torch
from common import environment
from scipy.special import ndtri

from isthmus import SparseAutoencoder, Trainer
from isthmus.evaluate.sparsity import mmcs
from isthmus.models.sparse import Sparsity

GUESSES = {"jumprelu": 10.0, "gated": 20.0, "l1": 20.0, "kl": 100.0}
HELD_OUT = 5_000
N_FACTORS, SHARED = 16, 0.3


@dataclass(frozen=True)
class Truth:
    """Data of a known dictionary: rows to train on, rows held out with their codes, directions."""

    train: np.ndarray
    test: np.ndarray
    codes: np.ndarray
    directions: np.ndarray


def make(args: argparse.Namespace, seed: int) -> Truth:
    rng = np.random.default_rng(seed)
    directions = rng.normal(size=(args.features, args.dim))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    rates = np.arange(1.0, args.features + 1) ** -args.power
    rates *= args.active / rates.sum()
    factors = rng.normal(size=(N_FACTORS, args.features))
    factors /= np.linalg.norm(factors, axis=0)

    def codes(n: int) -> np.ndarray:
        common = rng.normal(size=(n, N_FACTORS)) @ factors
        score = np.sqrt(SHARED) * common + np.sqrt(1 - SHARED) * rng.normal(size=(n, args.features))
        return (score > ndtri(1 - rates)) * rng.uniform(0.5, 1.5, score.shape)

    def rows(code: np.ndarray) -> np.ndarray:
        return (code @ directions + args.noise * rng.normal(size=(len(code), args.dim))).astype(np.float32)

    train = np.concatenate([rows(codes(10_000)) for _ in range(-(-args.samples // 10_000))])[: args.samples]
    held_out = codes(HELD_OUT)
    return Truth(train, rows(held_out), held_out, directions)


def explained(truth: np.ndarray, rebuilt: np.ndarray) -> float:
    return float(1 - ((truth - rebuilt) ** 2).sum() / ((truth - truth.mean(0)) ** 2).sum())


def fit(kind: str, penalty: float | str, data: Truth, args: argparse.Namespace, seed: int) -> dict[str, float]:
    trainer = Trainer(batch_size=args.batch_size, learning_rate=args.learning_rate, early_stopping=None)
    model = SparseAutoencoder(
        args.features,
        sparsity=kind,
        n_active=args.active,
        penalty=penalty,
        scaling="common",
        max_epochs=args.epochs,
        trainer=trainer,
        random_state=seed,
    )
    started = time.perf_counter()
    model.fit(data.train)
    seconds = time.perf_counter() - started
    metrics, atoms = model.evaluate(data.test), model.dictionary_
    closest = [mmcs(atoms, direction[None]) for direction in data.directions]
    return {
        "l0": metrics["l0"],
        "mmcs": float(np.mean(closest)),
        "found": float(np.mean(np.array(closest) > 0.9)),
        "explained": metrics["r2"],
        "dead": metrics["dead_share"],
        "seconds": seconds,
    }


def search(kind: str, data: Truth, args: argparse.Namespace) -> float:
    """Penalty at which as many latents are active as in the truth."""
    tried: list[tuple[float, float]] = []
    penalty, slope = GUESSES[kind], -0.6
    for _ in range(args.trials):
        l0 = fit(kind, penalty, data, args, seed=0)["l0"]
        tried.append((np.log(penalty), np.log(max(l0, 0.1) / args.active)))
        print(f"<!-- {kind}: penalty {penalty:.3g} gives {l0:.2f} active -->", flush=True)
        if abs(tried[-1][1]) < args.tolerance:
            break
        if len(tried) > 1 and tried[-1][0] != tried[-2][0]:
            slope = np.clip((tried[-1][1] - tried[-2][1]) / (tried[-1][0] - tried[-2][0]), -3.0, -0.15)
        penalty = float(np.exp(tried[-1][0] - np.clip(tried[-1][1] / slope, -2, 2)))
    return float(np.exp(min(tried, key=lambda pair: abs(pair[1]))[0]))


def fista(x: torch.Tensor, directions: torch.Tensor, penalty: float, steps: int = 300) -> torch.Tensor:
    """Nonnegative codes that minimise ½‖x − zD‖² + penalty Σ z."""
    rate = 1 / torch.linalg.matrix_norm(directions, 2).item() ** 2
    gram, target = directions @ directions.T, x @ directions.T - penalty
    z = ahead = torch.zeros_like(target)
    t = 1.0
    for _ in range(steps):
        following = (ahead + rate * (target - ahead @ gram)).relu()
        t_next = (1 + (1 + 4 * t * t) ** 0.5) / 2
        ahead, z, t = following + (t - 1) / t_next * (following - z), following, t_next
    return z


def oracle(data: Truth, active: float) -> dict[str, float]:
    """Sparse coding with the true directions, at this many active latents."""
    x, directions = (torch.tensor(array, dtype=torch.float32) for array in (data.test[:1000], data.directions))
    low, high = 1e-3, 2.0
    z = fista(x, directions, high)
    for _ in range(12):
        middle = (low * high) ** 0.5
        z = fista(x, directions, middle)
        low, high = (middle, high) if (z > 1e-4).sum(1).float().mean() > active else (low, middle)
    l0 = float((z > 1e-4).sum(1).float().mean())
    return {"l0": l0, "mmcs": 1.0, "found": 1.0, "explained": explained(x.numpy(), (z @ directions).numpy())}


def row(name: str, runs: list[dict[str, float]], penalty: str = "") -> str:
    def median(key: str, pattern: str) -> str:
        return pattern.format(np.median([run[key] for run in runs])) if key in runs[0] else ""

    spread = [run["mmcs"] for run in runs]
    similarity = f"{np.median(spread):.3f} ({min(spread):.3f} to {max(spread):.3f})" if len(runs) > 1 else ""
    cells = [name, penalty, median("l0", "{:.2f}"), similarity or median("mmcs", "{:.3f}"), median("found", "{:.2f}")]
    cells += [median("explained", "{:.3f}"), median("dead", "{:.3f}"), median("seconds", "{:.0f}")]
    return "| " + " | ".join(cells) + " |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--features", type=int, default=512)
    parser.add_argument("--dim", type=int, default=64)
    parser.add_argument("--active", type=int, default=5, help="features in a sample, on average")
    parser.add_argument("--power", type=float, default=0.7, help="of the decay of the firing rates")
    parser.add_argument("--noise", type=float, default=0.02, help="standard deviation of each value")
    parser.add_argument("--samples", type=int, default=100_000)
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--batch_size", type=int, default=512)
    parser.add_argument("--learning_rate", type=float, default=1e-2)
    parser.add_argument("--trials", type=int, default=5, help="trainings to find a penalty")
    parser.add_argument("--tolerance", type=float, default=0.05, help="relative error of the number of active latents")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--kinds", nargs="*", default=get_args(Sparsity))
    args = parser.parse_args()
    print(f"{environment()}, {torch.get_num_threads()} threads\n{vars(args)}\n")
    truths = [make(args, seed) for seed in range(args.seeds)]
    penalties = {kind: search(kind, truths[0], args) for kind in args.kinds if kind in GUESSES}
    print("\n| sparsity | penalty | active | MMCS (median; range) | found | variance explained | dead | s per fit |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- |")
    truth = [
        {"l0": float((data.codes > 0).sum(1).mean()), "explained": explained(data.test, data.codes @ data.directions)}
        for data in truths
    ]
    print(row("true codes", [{**run, "mmcs": 1.0, "found": 1.0} for run in truth]))
    print(row("FISTA, true directions", [oracle(data, args.active) for data in truths]), flush=True)
    for kind in args.kinds:
        penalty = penalties.get(kind, "auto")
        runs = [fit(kind, penalty, data, args, seed) for seed, data in enumerate(truths)]
        print(row(kind, runs, f"{penalty:.3g}" if kind in penalties else ""), flush=True)


if __name__ == "__main__":
    main()
