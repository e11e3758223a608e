"""What a search is worth on rows that it has not seen, and what pruning saves.

    OMP_NUM_THREADS=1 python benchmarks/sweep.py

A fifth of the rows is held out as a test set. On the others a VAE is trained with its defaults, and searched
for with its default space, with and without pruning. Medians over seeds of the split and of the search.
"""

import argparse
import time

import numpy as np
from common import environment, halves
from sklearn.datasets import load_wine

from isthmus import VAE, search
from isthmus.data import load

SOURCES = {"digits": lambda: load("digits").X, "wine": lambda: load_wine().data}


def plain(train: np.ndarray, test: np.ndarray, epochs: int, seed: int) -> tuple[float, float, float]:
    """Test score, seconds and epochs of the defaults."""
    started = time.process_time()
    model = VAE(max_epochs=epochs, random_state=seed).fit(train)
    return model.score(test), time.process_time() - started, len(model.history_["epoch"])


def searched(
    train: np.ndarray, test: np.ndarray, epochs: int, seed: int, n_trials: int, pruner: str
) -> tuple[float, float, float]:
    """Test score of the best trial, seconds and epochs of all."""
    started = time.process_time()
    found = search(VAE(max_epochs=epochs, random_state=seed), train, n_trials=n_trials, pruner=pruner)
    seconds = time.process_time() - started
    return found.best_estimator_.score(test), seconds, sum(trial["epochs"] or 0 for trial in found.trials_)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", nargs="*", choices=SOURCES, default=list(SOURCES))
    parser.add_argument("--trials", type=int, default=30)
    parser.add_argument("--epochs", type=int, default=40)
    parser.add_argument("--seeds", type=int, default=3)
    args = parser.parse_args()
    print(environment(), "\n")
    print("| data | trials | test score, nats | gain over defaults (range) | epochs | CPU s |")
    print("| --- | --- | --- | --- | --- | --- |")
    for name in args.data:
        X = SOURCES[name]()
        rows: dict[str, list[tuple[float, float, float]]] = {}
        for seed in range(args.seeds):
            train, test = halves(X, seed, video=False)
            rows.setdefault("1, the defaults", []).append(plain(train, test, args.epochs, seed))
            for pruner in ("none", "median", "hyperband"):
                found = searched(train, test, args.epochs, seed, args.trials, pruner)
                rows.setdefault(f"{args.trials}, pruner {pruner}", []).append(found)
        base = np.array(rows["1, the defaults"])[:, 0]
        for label, found in rows.items():
            score, seconds, epochs = np.median(found, 0)
            gains = np.array(found)[:, 0] - base
            gain = f"{np.median(gains):.2f} ({gains.min():.2f} to {gains.max():.2f})"
            print(f"| {name} | {label} | {score:.2f} | {gain} | {epochs:,.0f} | {seconds:.0f} |", flush=True)


if __name__ == "__main__":
    main()
