"""Held-out squared error of a nonlinear code against PCA of the same width.

    python benchmarks/nonlinear.py --frey frey_faces.npz

On digits and on drawn faces a random fifth of the rows is held out; Frey's faces are one video, so every fifth
block of 100 frames is. The same split for both; medians over seeds of the split and of the training.
"""

import argparse
import time

import numpy as np
from common import environment, halves
from sklearn.decomposition import PCA

from isthmus import Autoencoder
from isthmus.data import load


def errors(train: np.ndarray, test: np.ndarray, width: int, seed: int, epochs: int | str) -> tuple[float, float]:
    rows, held_out = train.reshape(len(train), -1).astype(float), test.reshape(len(test), -1).astype(float)
    pca = PCA(width, random_state=seed).fit(rows)
    linear = np.mean((pca.inverse_transform(pca.transform(held_out)) - held_out) ** 2)
    model = Autoencoder(width, max_epochs=epochs, random_state=seed).fit(train)
    nonlinear = np.mean((model.reconstruct(test).reshape(held_out.shape) - held_out) ** 2)
    return float(nonlinear), float(linear)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frey", help="npz file with the array `images`")
    parser.add_argument("--widths", type=int, nargs="*", default=[2, 4, 8])
    parser.add_argument("--seeds", type=int, default=5)
    args = parser.parse_args()
    sources = {"digits": ("digits", 120), "faces, 2000 of 32 x 32": ("faces", 40)}
    if args.frey:
        sources["Frey faces"] = (f"{args.frey}:images", 40)
    print(environment(), "\n")
    print("| data | width | nonlinear MSE | PCA MSE | ratio (median; range) | s per fit |")
    print("| --- | --- | --- | --- | --- | --- |")
    for name, (source, epochs) in sources.items():
        X = load(source).X
        for width in args.widths:
            started = time.perf_counter()
            found = [
                errors(*halves(X, seed, video=name.startswith("Frey")), width, seed, epochs)
                for seed in range(args.seeds)
            ]
            seconds = (time.perf_counter() - started) / args.seeds
            ours, theirs = np.median(found, 0)
            ratios = [a / b for a, b in found]
            spread = f"{np.median(ratios):.3f}; {min(ratios):.3f} to {max(ratios):.3f}"
            print(f"| {name} | {width} | {ours:.1f} | {theirs:.1f} | {spread} | {seconds:.0f} |", flush=True)


if __name__ == "__main__":
    main()
