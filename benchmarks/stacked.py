"""What training stage by stage buys, against training the same network from scratch at equal compute.

    python benchmarks/stacked.py
    python benchmarks/stacked.py --train train-images-idx3-ubyte.gz --test t10k-images-idx3-ubyte.gz
    python benchmarks/stacked.py --train ... --test ... --features --rows 60000

Compute is counted in multiplications. A step of one stage passes through the layers of that stage only, so that E
epochs of every stage cost as much as E epochs of the whole network (fully connected; the codes, which are computed once
per stage, add a third of an epoch). The pretrained network has E epochs of every stage and E of the whole, the other 2E
of the whole, and a third one 8E, to tell what is sooner from what is better. Nothing stops early.

`--features` is the experiment of Vincent et al. (2010): denoising stages, frozen, then a linear classifier on the code.
It is compared with the pixels, with the same network as it was initialised, and with the same network trained as a
whole, at the same compute, as an autoencoder and as a denoising autoencoder.
"""

import argparse
import time
import warnings

import numpy as np
from common import environment
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from isthmus import DenoisingAutoencoder, OvercompleteWarning, StackedAutoencoder, Trainer
from isthmus.data import load
from isthmus.models.base import BaseAutoencoder
from isthmus.networks import MLP

Pair = tuple[np.ndarray, np.ndarray]
CODE = 8
HIDDEN = (256, 128, 64, 32)


# ------------------------------------------------------------------ held-out error


def error(model: BaseAutoencoder, train: np.ndarray, test: np.ndarray) -> float:
    return model.fit(train).evaluate(test)["mse"]


def held_out(name: str, train: np.ndarray, test: np.ndarray, seeds: int, epochs: int) -> None:
    trainer = Trainer(early_stopping=None)
    for activation in ("silu", "tanh", "sigmoid"):
        shared = {"network": MLP(HIDDEN, activation=activation), "trainer": trainer}
        found = []
        for seed in range(seeds):
            rows = np.random.default_rng(seed).permutation(len(train))
            part = train[rows[: len(rows) * 3 // 4]] if test is train else train
            rest = train[rows[len(rows) * 3 // 4 :]] if test is train else test
            options = {**shared, "random_state": seed}
            settings = [("plain", epochs), ("denoising", epochs), (None, 2 * epochs), (None, 8 * epochs)]
            found.append(
                [
                    error(StackedAutoencoder(CODE, pretraining=p, max_epochs=n, **options), part, rest)
                    for p, n in settings
                ]
            )
        plain, denoising, scratch, long = np.median(found, 0)
        ratios = [row[0] / row[2] for row in found]
        spread = f"{np.median(ratios):.2f}; {min(ratios):.2f} to {max(ratios):.2f}"
        cells = f"{plain:.4g} | {denoising:.4g} | {scratch:.4g} | {spread} | {long:.4g}"
        print(f"| {name} | {activation} | {cells} |", flush=True)


# ------------------------------------------------------------------ features


def classify(train: Pair, test: Pair) -> float:
    """Error in per cent of a linear classifier, whose regularisation a sixth of the training part chooses."""
    (X, y), n = train, len(train[0]) * 5 // 6

    def fitted(C: float, rows: slice) -> LogisticRegression:
        return make_pipeline(StandardScaler(), LogisticRegression(C=C, max_iter=100)).fit(X[rows], y[rows])

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a hundred steps need not have converged
        best = max((0.001, 0.01, 0.1), key=lambda C: fitted(C, slice(n)).score(X[n:], y[n:]))
        return 100 * (1 - fitted(best, slice(None)).score(*test))


def contenders(args: argparse.Namespace, seed: int) -> dict[str, BaseAutoencoder]:
    network = MLP(hidden=(args.width,) * (args.layers - 1), activation="relu", code_activation="relu")
    trainer = Trainer(batch_size=128, validation_fraction=0, learning_rate=1e-3)
    still = Trainer(batch_size=128, validation_fraction=0, learning_rate=1e-12, weight_decay=0)
    shared = {"network": network, "likelihood": "bernoulli", "max_epochs": args.epochs, "trainer": trainer}
    shared["random_state"] = seed
    noise = {"corruption": "masking", "noise": args.noise}
    return {
        "denoising stages, frozen": StackedAutoencoder(
            args.width, pretraining="denoising", fine_tuning=False, **noise, **shared
        ),
        "not trained": StackedAutoencoder(
            args.width, pretraining=None, **{**shared, "trainer": still, "max_epochs": 1}
        ),
        "autoencoder from scratch": StackedAutoencoder(args.width, pretraining=None, **shared),
        "denoising autoencoder from scratch": DenoisingAutoencoder(args.width, **noise, **shared),
    }


def classified_codes(model: BaseAutoencoder, train: Pair, test: Pair) -> tuple[float, float]:
    """Error of the classifier of the code in per cent, and seconds that the model was trained for."""
    started = time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", OvercompleteWarning)
        model.fit(train[0])
    seconds = time.perf_counter() - started
    return classify((model.transform(train[0]), train[1]), (model.transform(test[0]), test[1])), seconds


def features(train: Pair, test: Pair, args: argparse.Namespace) -> None:
    print(f"\n{len(train[0]):,} rows, {args.layers} layers of {args.width}, masking noise {args.noise}, ", end="")
    print(f"{args.epochs} epochs of every stage or of the whole; medians of {args.seeds} seeds")
    print("\n| input of the linear classifier | test error, % (range) | s of training |\n| --- | --- | --- |")
    pixels = classify((train[0].reshape(len(train[0]), -1), train[1]), (test[0].reshape(len(test[0]), -1), test[1]))
    print(f"| pixels | {pixels:.2f} | |", flush=True)
    for name in contenders(args, 0):
        found = [classified_codes(contenders(args, seed)[name], train, test) for seed in range(args.seeds)]
        errors, seconds = zip(*found, strict=True)
        spread = f"{np.median(errors):.2f} ({min(errors):.2f} to {max(errors):.2f})"
        print(f"| {name} | {spread} | {np.median(seconds):.0f} |", flush=True)
    print("| Vincent et al. (2010), SDAE-3, fine-tuned with the labels, 50,000 rows | 1.28 | |")


def labelled(path: str, rows: int) -> Pair:
    samples = load(path)
    return samples.X[:rows] / np.float32(samples.X.max()), np.asarray(samples.y)[:rows]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--train", help="pictures, as an IDX file with the labels beside it")
    parser.add_argument("--test", help="held-out pictures of the same kind")
    parser.add_argument("--rows", type=int, default=5000, help="of the training pictures")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--features", action="store_true", help="the linear classifiers instead of the held-out errors")
    parser.add_argument("--epochs", type=int, help="E: 30 for digits, 8 for files")
    parser.add_argument("--layers", type=int, default=3)
    parser.add_argument("--width", type=int, default=1000)
    parser.add_argument("--noise", type=float, default=0.5)
    args = parser.parse_args()
    print(environment(), "\n")
    if args.features:
        args.epochs = args.epochs or 5
        return features(labelled(args.train, args.rows), labelled(args.test, 10_000), args)
    print(f"fully connected, {HIDDEN} to a code of {CODE}; medians of {args.seeds} seeds\n")
    print(
        "| data | activation | pretrained: MSE | denoising stages | scratch | pretrained / scratch | scratch, 4 times |"
    )
    print("| --- | --- | --- | --- | --- | --- | --- |")
    digits = load_digits().images
    held_out("digits", digits, digits, args.seeds, args.epochs or 30)
    if args.train:
        train, test = (load(path).X[:n] for path, n in ((args.train, args.rows), (args.test, 2000)))
        held_out(f"{args.rows:,} pictures", train, test, args.seeds, args.epochs or 8)
    return None


if __name__ == "__main__":
    main()
