"""Denoising with clean, noisy and no second copies: clean targets, noise2noise, and two methods that are blind.

    python benchmarks/denoising.py --mnist train-images-idx3-ubyte.gz t10k-images-idx3-ubyte.gz
    python benchmarks/denoising.py --frey frey_faces.npz

Gaussian noise of 0.4 of the range (MNIST) or 0.1 (Frey's faces, whose contrast is smaller) is drawn once and stored;
the same network, the same number of epochs. Errors are on unseen noisy pictures, against the clean ones: MNIST's test
set; of Frey's video, every fifth block of 100 frames. Medians over seeds of noise, weights and order. Of several
learning rates each method takes the one with the lowest loss on held-out pictures and targets of its own, on the first
seed: what a user of that method can know. ``--sizes`` trains on fewer pictures, to see how noise2noise comes near to
clean targets.
"""

import argparse
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from common import environment

from isthmus import DenoisingAutoencoder, DivergedError, Noise2Noise, Noise2Self, Trainer
from isthmus.data import load
from isthmus.networks import UNet


def noisy(X: np.ndarray, sigma: float, rng: np.random.Generator) -> np.ndarray:
    return X + sigma * rng.standard_normal(X.shape, dtype=np.float32)


def contenders(options: dict) -> dict[str, Callable]:
    """How each model is fitted to clean pictures and two noisy copies of them, and how it restores."""
    return {
        "clean targets": lambda X, first, second: DenoisingAutoencoder(**options).fit(first, target=X),
        "noise2noise": lambda X, first, second: Noise2Noise(**options).fit(first, target=second),
        "blind spot": lambda X, first, second: Noise2Self(**options).fit(first),
        "neighbours": lambda X, first, second: Noise2Self(method="neighbours", **options).fit(first),
    }


def decibels(mse: float) -> float:
    return float(-10 * np.log10(mse))


Errors = dict[str, tuple[float, float]]


def fitted(
    name: str, pictures: tuple[np.ndarray, ...], rate: float, seed: int, args: argparse.Namespace
) -> tuple[Any, float]:
    """A trained model, and how many seconds that took."""
    trainer = Trainer(batch_size=args.batch_size, learning_rate=rate, precision=args.precision, early_stopping=None)
    network = UNet(tuple(args.channels))
    options = {"network": network, "max_epochs": args.epochs, "random_state": seed, "trainer": trainer}
    started = time.monotonic()
    return contenders(options)[name](*pictures), time.monotonic() - started


def best_rate(name: str, pictures: tuple[np.ndarray, ...], args: argparse.Namespace) -> float:
    """Learning rate with the lowest loss on held-out rows."""
    if len(args.learning_rate) == 1:
        return args.learning_rate[0]
    losses = {}
    for rate in args.learning_rate:
        try:
            model, _ = fitted(name, pictures, rate, 0, args)
        except DivergedError:
            continue
        losses[rate] = min(model.history_["val_loss"])
        print(f"<!-- {name}: learning rate {rate:g}, held-out loss {losses[rate]:.2f} -->", flush=True)
    return min(losses, key=lambda rate: losses[rate])


def errors(
    pictures: tuple[np.ndarray, ...],
    unseen: np.ndarray,
    clean: np.ndarray,
    rates: dict[str, float],
    seed: int,
    args: argparse.Namespace,
) -> Errors:
    """Squared error in units of the range, and seconds of training, of every contender."""
    found = {"noisy": (float(np.mean((unseen - clean) ** 2)), 0.0)}
    for name, rate in rates.items():
        model, seconds = fitted(name, pictures, rate, seed, args)
        found[name] = (float(np.mean((model.denoise(unseen) - clean) ** 2)), seconds)
        if name == "blind spot":
            found["blind spot, strictly"] = (float(np.mean((model.denoise(unseen, blind=True) - clean) ** 2)), seconds)
    return found


def draw(train: np.ndarray, test: np.ndarray, sigma: float, seed: int) -> tuple[tuple[np.ndarray, ...], np.ndarray]:
    """Clean pictures with two noisy copies of them, and noisy pictures to restore."""
    rng = np.random.default_rng(seed)
    return (train, noisy(train, sigma, rng), noisy(train, sigma, rng)), noisy(test, sigma, rng)


def report(title: str, train: np.ndarray, test: np.ndarray, sigma: float, args: argparse.Namespace) -> None:
    first, _ = draw(train, test, sigma, 0)
    rates = {name: best_rate(name, first, args) for name in args.methods}
    runs = [
        errors(*draw(train, test, sigma, seed), test, rates, seed, args)
        for seed in range(args.first_seed, args.first_seed + args.seeds)
    ]
    print(f"\n{title}: {len(train):,} pictures to learn from, {len(test):,} unseen, noise {sigma:g} of the range")
    print(f"learning rates: {', '.join(f'{name} {rate:g}' for name, rate in rates.items())}\n")
    print("| targets | mean squared error | PSNR, dB | behind clean targets, dB (least to most) | s of training |")
    print("| --- | --- | --- | --- | --- |")
    for name in runs[0]:
        mse, seconds = np.median([run[name] for run in runs], 0)
        behind = "–"
        if "clean targets" in runs[0] and name not in ("noisy", "clean targets"):
            gaps = [decibels(run["clean targets"][0]) - decibels(run[name][0]) for run in runs]
            behind = f"{np.median(gaps):.2f} ({min(gaps):.2f} to {max(gaps):.2f})"
        print(f"| {name} | {mse:.5f} | {decibels(mse):.2f} | {behind} | {seconds:.0f} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mnist", nargs=2, metavar=("TRAIN", "TEST"), help="IDX files of MNIST's pictures")
    parser.add_argument("--frey", help="npz file with the array `images`")
    parser.add_argument("--sizes", type=int, nargs="*", default=[20_000], help="MNIST pictures to learn from")
    parser.add_argument("--methods", nargs="*", default=["clean targets", "noise2noise", "blind spot", "neighbours"])
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--batch_size", type=int, default=32)
    parser.add_argument("--learning_rate", type=float, nargs="*", default=[1e-2])
    parser.add_argument("--precision", default="bf16")
    parser.add_argument("--channels", type=int, nargs="*", default=[8, 16, 32], help="of the U-Net, at each scale")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--first_seed", type=int, default=0)
    args = parser.parse_args()
    print(environment())
    print(vars(args))
    if args.mnist:
        train, test = (load(path).X.astype(np.float32) / 255 for path in args.mnist)
        for size in args.sizes:
            chosen = np.random.default_rng(0).permutation(len(train))[:size]
            report("MNIST", train[chosen], test[:2000], 0.4, args)
    if args.frey:
        X = load(f"{args.frey}:images").X.astype(np.float32) / 255
        held_out = (np.arange(len(X)) // 100) % 5 == 0
        report("Frey's faces", X[~held_out], X[held_out], 0.1, args)
    if not (args.mnist or args.frey):
        X = load("faces:n=2400,size=32").X.astype(np.float32) / 255
        report("drawn faces", X[:2000], X[2000:], 0.2, args)


if __name__ == "__main__":
    main()
