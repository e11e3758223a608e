"""Clusters against known classes: in pixels, in codes (as they are, standardised, whitened), and by a mixture VAE.

    python benchmarks/clustering.py
    python benchmarks/clustering.py --mnist train-images-idx3-ubyte.gz --rows 60000 --width 10 --seeds 10
    python benchmarks/clustering.py --mnist train-images-idx3-ubyte.gz --rows 60000 --width 10 --seeds 10 \
        --codes mixture --likelihood bernoulli --hidden 500 500 --batch_size 256 --epochs 10 --pretraining 10

Accuracy after the best one-to-one matching, normalised mutual information, adjusted Rand index: medians over the seeds
of training and of the starts, and the range of the accuracy. The classes have no part in finding the clusters, nor in
training: every model sees all rows without them. MNIST's labels must lie beside its pictures.
"""

import argparse
import time
from typing import Any

import numpy as np
from common import environment
from sklearn.cluster import KMeans

from isthmus import VAE, Autoencoder, MixtureVAE, Trainer
from isthmus.data import load
from isthmus.evaluate.clustering import Clustering, cluster
from isthmus.networks import MLP

CODES = ("pixels", "autoencoder", "VAE", "mixture")


class Codes:
    """Stands in for a model whose codes are given."""

    def __init__(self, codes: np.ndarray) -> None:
        self.codes = codes

    def transform(self, X: Any) -> np.ndarray:
        return self.codes

    def inverse_transform(self, Z: np.ndarray) -> np.ndarray:
        return Z


def standardised(codes: np.ndarray) -> np.ndarray:
    return (codes - codes.mean(0)) / codes.std(0)


def whitened(codes: np.ndarray) -> np.ndarray:
    left, scale, _ = np.linalg.svd(codes - codes.mean(0), full_matrices=False)
    return left[:, scale > 1e-6 * scale[0]] * len(codes) ** 0.5


def found(X: np.ndarray, n: int, args: argparse.Namespace, seed: int) -> dict[tuple[str, str], Clustering]:
    """Clusterings by representation and method."""
    trainer = Trainer(batch_size=args.batch_size, precision=args.precision)
    options = {"max_epochs": args.epochs, "random_state": seed, "trainer": trainer, "likelihood": args.likelihood}
    options |= {"network": MLP(hidden=tuple(args.hidden)) if args.hidden else "auto"}
    pixels = X.reshape(len(X), -1).astype(np.float32)
    results = {}
    if "pixels" in args.codes:
        labels = KMeans(n, n_init=10, random_state=seed).fit_predict(pixels)
        results["pixels", "k-means"] = Clustering(labels, pixels[:n], pixels[:n])
    for name, kind in (("autoencoder", Autoencoder), ("VAE", VAE)):
        if name not in args.codes:
            continue
        model = kind(args.width, **options).fit(X)
        codes = model.transform(X).astype(np.float64)
        results[name, "k-means"] = model.cluster(X, n, random_state=seed)
        for how in (standardised, whitened):
            results[name, f"k-means, {how.__name__} codes"] = _of(how(codes), n, "kmeans", seed)
        results[name, "Gaussian mixture"] = model.cluster(X, n, method="gmm", random_state=seed)
    if "mixture" in args.codes:
        if args.pretraining is not None:
            options |= {"pretraining_epochs": args.pretraining}
        mixture = MixtureVAE(args.width, n_clusters=n, **options).fit(X)
        centers = mixture.cluster_centers_
        results["mixture VAE", "its own clusters"] = Clustering(mixture.labels_, centers, mixture.decoded_centers_)
    return results


def _of(codes: np.ndarray, n: int, method: Any, seed: int) -> Clustering:
    stand_in: Any = Codes(codes)
    return cluster(stand_in, codes, n, method, seed)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mnist", help="IDX file of pictures, with its labels beside it")
    parser.add_argument("--rows", type=int, default=10_000, help="rows of MNIST, the first ones")
    parser.add_argument("--width", type=int, default=8, help="latents")
    parser.add_argument("--epochs", type=int, default=60)
    parser.add_argument("--batch_size", type=lambda text: text if text == "auto" else int(text), default="auto")
    parser.add_argument(
        "--hidden", type=int, nargs="*", default=[], help="units, instead of the network that is chosen"
    )
    parser.add_argument("--pretraining", type=int, help="epochs of the mixture VAE before its mixture")
    parser.add_argument("--likelihood", default="auto", help="bernoulli: of values divided by the largest one")
    parser.add_argument("--precision", default="auto")
    parser.add_argument("--codes", nargs="*", choices=CODES, default=list(CODES))
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    args = parser.parse_args()
    samples = load(args.mnist or "digits")
    X, y = np.asarray(samples.X[: args.rows]), np.asarray(samples.y)[: args.rows]
    if args.likelihood == "bernoulli":
        X = (X / X.max()).astype(np.float32)
    n = len(np.unique(y))
    started = time.perf_counter()
    runs = []
    for seed in range(args.first, args.first + args.seeds):
        runs.append(found(X, n, args, seed))
        accuracies = {" / ".join(key): round(one.scores(y)["accuracy"], 4) for key, one in runs[-1].items()}
        print(f"seed {seed}: {accuracies}", flush=True)
    print(environment())
    print(f"{samples.name}: {len(X)} rows, {n} clusters, {args.width} latents, {args.epochs} epochs", end="")
    print(f", {args.seeds} seeds; {(time.perf_counter() - started) / args.seeds:.0f} s per seed\n")
    print("| codes | method | accuracy (range) | NMI | ARI |\n| --- | --- | --- | --- | --- |")
    for codes, method in runs[0]:
        scores = [run[codes, method].scores(y) for run in runs]
        accuracy, nmi, ari = (np.array([score[name] for score in scores]) for name in ("accuracy", "nmi", "ari"))
        spread = f"{np.median(accuracy):.3f} ({accuracy.min():.3f} to {accuracy.max():.3f})"
        print(f"| {codes} | {method} | {spread} | {np.median(nmi):.3f} | {np.median(ari):.3f} |")


if __name__ == "__main__":
    main()
