"""Convolutional against fully connected networks: held-out error of the same number of parameters.

    python benchmarks/convolution.py
    python benchmarks/convolution.py --mnist train-images-idx3-ubyte.gz --frey frey_faces.npz --cifar cifar10_5000.npz

The convolutional networks are those that "conv" and "conv_pool" stand for: halved by strides, or by max pooling. The
fully connected ones have two hidden layers, as wide as the number of parameters allows, with batch normalisation as the
others have it, and without. All have the same code, data, epochs and trainer. A random fifth of the rows is held out;
Frey's faces are one video, so every fifth block of 100 frames is. Medians over seeds of the split and of the training.
"""

import argparse
import copy
import time
from typing import Literal

import numpy as np
import torch
from common import environment, halves

from isthmus import Autoencoder
from isthmus.data import load
from isthmus.data.info import describe_data
from isthmus.models.auto import choose_network
from isthmus.networks import MLP, Network


def n_parameters(network: Network, shape: tuple[int, ...], width: int) -> int:
    """Trained numbers of a network, counted without making them."""
    with torch.device("meta"):
        laid_out = copy.deepcopy(network)
        laid_out.setup(event_shape=shape, n_features=width, latent_dim=width, n_outputs=1)
    return sum(p.numel() for p in laid_out.parameters())


def of_budget(budget: int, shape: tuple[int, ...], width: int, norm: Literal["batch"] | None) -> MLP:
    """Two hidden layers with about so many parameters."""
    candidates = (MLP(hidden=(n, n), norm=norm) for n in range(8, 1025, 4))
    return min(candidates, key=lambda network: abs(n_parameters(network, shape, width) - budget))


def compare(name: str, X: np.ndarray, width: int, epochs: int, seeds: int) -> None:
    info = describe_data(X)
    strided, pooled = (choose_network(kind, info)[0] for kind in ("conv", "conv_pool"))
    budget = n_parameters(strided, info.shape, width)
    plain, normed = (of_budget(budget, info.shape, width, norm) for norm in (None, "batch"))
    networks = {"strided": strided, "pooled": pooled, "mlp": plain, "mlp, batch norm": normed}
    found: dict[str, list[float]] = {}
    for kind, network in networks.items():
        started = time.perf_counter()
        for seed in range(seeds):
            train, test = halves(X, seed, video=name == "Frey faces")
            model = Autoencoder(width, network=network, max_epochs=epochs, random_state=seed).fit(train)
            found.setdefault(kind, []).append(model.evaluate(test)["mse"])
        seconds = (time.perf_counter() - started) / seeds
        size = f"{n_parameters(network, info.shape, width):,}"
        print(f"| {name} | {width} | {kind} | {size} | {np.median(found[kind]):.4g} | {seconds:.0f} |", flush=True)
    best = np.minimum(found["mlp"], found["mlp, batch norm"])
    for kind in ("strided", "pooled"):
        ratios = np.array(found[kind]) / best
        spread = f"{np.median(ratios):.3f}; {ratios.min():.3f} to {ratios.max():.3f}"
        print(f"| {name} | {width} | {kind} / better mlp of each seed | | {spread} | |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mnist", help="IDX file of pictures")
    parser.add_argument("--frey", help="npz file with the array `images`")
    parser.add_argument("--cifar", help="npz file with the array `x_train`")
    parser.add_argument("--rows", type=int, default=2500, help="of MNIST and of CIFAR")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, help="for all; by default 60 for digits, 15 for files")
    args = parser.parse_args()
    sources = {"digits": ("digits", 8, 60)}
    sources |= {"MNIST": (args.mnist, 16, 15)} if args.mnist else {}
    sources |= {"Frey faces": (f"{args.frey}:images", 8, 15)} if args.frey else {}
    sources |= {"CIFAR pictures": (f"{args.cifar}:x_train", 64, 15)} if args.cifar else {}
    print(environment(), "\n")
    print("| data | code | network | parameters | held-out MSE; of ratios, median and range | s per fit |")
    print("| --- | --- | --- | --- | --- | --- |")
    for name, (source, width, epochs) in sources.items():
        X = load(source).X
        rows = len(X) if name == "Frey faces" else args.rows
        compare(name, X[:rows], width, args.epochs or epochs, args.seeds)


if __name__ == "__main__":
    main()
