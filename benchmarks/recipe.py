"""The default recipe: learning rate, size of batch, warm-up and schedule that lead to the best bound soonest.

    python benchmarks/recipe.py search --out recipe.jsonl [--mnist binarized_mnist.npz] [--trials 24]
    python benchmarks/recipe.py check --out recipe.jsonl [--mnist binarized_mnist.npz] [--best 3] [--seeds 3]
    python benchmarks/recipe.py table --out recipe.jsonl

A VAE as isthmus chooses it is trained on each of a family of data sets: a small table and a larger one, digits, drawn
faces (convolutional), and MNIST if it is given. Every recipe gets the same time: what the default takes for 300 steps,
and for 1,500. Time is counted, not measured, so that a busy machine changes nothing: a step costs what a step on an
empty batch does, plus so much for each row; both are timed once, at the start. What counts is the held-out bound once
the time is up. The regret of a recipe is by how much it misses the best one, as a share of the distance from the best
to the median recipe; recipes are ranked by its mean over data sets and times. `check` trains the best ones and the
default again, with fresh seeds. A run that was cut off goes on where it stood.
"""

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from common import environment, halves
from sklearn.datasets import load_breast_cancer, load_digits

from isthmus import VAE, Trainer
from isthmus.data import load
from isthmus.errors import DivergedError

DEFAULT = {"learning_rate": 3e-3, "batch_factor": 1.0, "warmup": 0.05, "schedule": "cosine"}
STEPS = {"short": 300, "long": 1500}
FRESH = 100


def data_sets(mnist: str | None) -> dict[str, Callable[[], np.ndarray]]:
    found = {
        "cancer 569 x 30": lambda: load_breast_cancer().data,
        "gaussians 5,000 x 20": correlated,
        "digits 1,797 x 64": lambda: load_digits().images.astype(np.uint8),
        "faces 1,500 x 32 x 32": lambda: load("faces:n=1500").X,
    }
    if mnist is not None:
        found["MNIST 20,000 x 784"] = lambda: bits(mnist)
    return found


def correlated() -> np.ndarray:
    """A table that is nonlinear in four hidden factors."""
    rng = np.random.default_rng(0)
    hidden = rng.normal(size=(5000, 4))
    mixed = np.tanh(hidden @ rng.normal(size=(4, 32))) @ rng.normal(size=(32, 20))
    return (mixed + 0.1 * rng.normal(size=mixed.shape)) * rng.lognormal(size=20)


def bits(path: str) -> np.ndarray:
    return np.unpackbits(np.load(path)["train"][:20000], axis=1)


def recipes(n: int) -> list[dict]:
    """The default, and random ones."""
    rng = np.random.default_rng(0)
    drawn = [
        {
            "learning_rate": float(f"{np.exp(rng.uniform(np.log(5e-4), np.log(2e-2))):.2g}"),
            "batch_factor": float(rng.choice([0.25, 0.5, 1.0, 2.0, 4.0])),
            "warmup": float(rng.choice([0.0, 0.02, 0.05, 0.1, 0.2])),
            "schedule": str(rng.choice(["cosine", "cosine", "constant"])),
        }
        for _ in range(n - 1)
    ]
    return [DEFAULT, *drawn]


def trainer(recipe: dict, n_rows: int) -> Trainer:
    rest = {name: value for name, value in recipe.items() if name != "batch_factor"}
    batch_size = max(4, round(Trainer().resolve_batch_size(n_rows) * recipe["batch_factor"]))
    return Trainer(batch_size=batch_size, validation_fraction=0, early_stopping=None, compile=False, **rest)


def cost_of_a_step(X: np.ndarray) -> tuple[float, float]:
    """Seconds of a step on no rows at all, and what each row adds."""
    sizes = (32, 256)
    best = []
    for size in sizes:
        rows = X[: 8 * size] if len(X) >= 8 * size else np.resize(X, (8 * size, *X.shape[1:]))
        times = []
        for _ in range(4):
            started = time.perf_counter()
            options = {"batch_size": size, "validation_fraction": 0, "compile": False}
            model = VAE(max_epochs=6, random_state=0, trainer=Trainer(**options)).fit(rows)
            times += model.history_["seconds"]
            assert time.perf_counter() > started
        best.append(min(times) / 8)
    each = max(0.0, (best[1] - best[0]) / (sizes[1] - sizes[0]))
    return max(best[0] - sizes[0] * each, 1e-6), each


def epochs(recipe: dict, n_rows: int, n_steps: int, cost: tuple[float, float]) -> int:
    """Passes that take as long as so many steps of the default."""

    def seconds(size: int) -> float:
        return cost[0] + cost[1] * size

    default, own = (trainer(r, n_rows).resolve_batch_size(n_rows) for r in (DEFAULT, recipe))
    return max(1, round(n_steps * seconds(default) / (-(-n_rows // own) * seconds(own))))


def run(out: Path, X: np.ndarray, name: str, recipe: dict, budget: str, seed: int, cost: tuple[float, float]) -> None:
    known = read(out)
    what = {"data": name, "budget": budget, "seed": seed, **recipe}
    if any(all(row.get(key) == value for key, value in what.items()) for row in known):
        return
    train, test = halves(X, seed, video=False)
    n_epochs = epochs(recipe, len(train), STEPS[budget], cost)
    try:
        model = VAE(max_epochs=n_epochs, random_state=seed, trainer=trainer(recipe, len(train))).fit(train)
        bound = model.score(test)
    except DivergedError:
        bound = -np.inf
    with out.open("a") as file:
        file.write(json.dumps({**what, "epochs": n_epochs, "bound": bound}) + "\n")


def read(out: Path) -> list[dict]:
    return [json.loads(line) for line in out.read_text().splitlines()] if out.exists() else []


def train_all(out: Path, mnist: str | None, chosen: list[dict], seeds: list[int]) -> None:
    for name, make in data_sets(mnist).items():
        X = make()
        cost = cost_of_a_step(X)
        print(f"{name}: a step takes {1e3 * cost[0]:.2f} ms and {1e6 * cost[1]:.1f} us a row", flush=True)
        for recipe in chosen:
            for budget in STEPS:
                for seed in seeds:
                    run(out, X, name, recipe, budget, seed, cost)


def ranking(rows: list[dict]) -> list[tuple[float, dict, dict[str, float]]]:
    """Recipes by their mean regret, with the regret on each data set and time."""
    groups: dict[tuple[str, str], dict[str, list[float]]] = {}
    for row in rows:
        recipe = json.dumps({name: row[name] for name in DEFAULT}, sort_keys=True)
        groups.setdefault((row["data"], row["budget"]), {}).setdefault(recipe, []).append(row["bound"])
    regrets: dict[str, dict[str, float]] = {}
    most = max(map(len, groups.values()))
    for (data, budget), bounds in groups.items():
        if len(bounds) < most:
            continue  # the search was cut off here
        means = {recipe: float(np.median(values)) for recipe, values in bounds.items()}
        best, middle = max(means.values()), float(np.median(list(means.values())))
        for recipe, bound in means.items():
            regrets.setdefault(recipe, {})[f"{data}, {budget}"] = min((best - bound) / max(best - middle, 1e-9), 5.0)
    found = [(float(np.mean(list(regret.values()))), json.loads(recipe), regret) for recipe, regret in regrets.items()]
    return sorted(found, key=lambda entry: entry[0])


def show(rows: list[dict], title: str) -> None:
    found = ranking(rows)
    columns = list(found[0][2])
    print(f"\n{title}\n\n| learning rate | batch | warm-up | schedule | mean regret | {' | '.join(columns)} |")
    print("|" + " --- |" * (5 + len(columns)))
    for mean, recipe, regret in found:
        cells = " | ".join(f"{regret[column]:.2f}" for column in columns)
        marked = " (default)" if recipe == DEFAULT else ""
        print(
            f"| {recipe['learning_rate']:g}{marked} | x {recipe['batch_factor']:g} | {recipe['warmup']:g} | "
            f"{recipe['schedule']} | {mean:.2f} | {cells} |"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("task", choices=["search", "check", "table"])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--mnist", help="binarized_mnist.npz")
    parser.add_argument("--trials", type=int, default=24)
    parser.add_argument("--best", type=int, default=3)
    parser.add_argument("--seeds", type=int, default=3)
    args = parser.parse_args()
    print(environment())
    if args.task == "search":
        train_all(args.out, args.mnist, recipes(args.trials), [0])
    searched = [row for row in read(args.out) if row["seed"] < FRESH]
    if args.task == "check":
        chosen = [recipe for _, recipe, _ in ranking(searched)[: args.best]]
        chosen += [DEFAULT] if DEFAULT not in chosen else []
        train_all(args.out, args.mnist, chosen, [FRESH + seed for seed in range(args.seeds)])
    show(searched, "search, one seed")
    fresh = [row for row in read(args.out) if row["seed"] >= FRESH]
    if fresh:
        show(fresh, "fresh seeds, medians")


if __name__ == "__main__":
    main()
