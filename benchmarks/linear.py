"""`LinearAutoencoder` against scikit-learn's PCA.

    python benchmarks/linear.py [--mnist train-images-idx3-ubyte.gz] [--wide 20000 4096]

Without ``--mnist`` the drawn faces stand in. ``--wide`` adds rows of that many values with a spectrum that falls off as
1/i, over noise. Times are medians of alternating repeats in one process, and so is their ratio. The gap of the loss is
the squared error over the least possible one, less 1; that of PCA is beside it.
"""

import argparse
import time

import numpy as np
from common import environment
from scipy.linalg import subspace_angles
from sklearn.decomposition import PCA

from isthmus import LinearAutoencoder
from isthmus.data import load


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mnist", help="IDX file of MNIST's training pictures")
    parser.add_argument("--wide", type=int, nargs=2, metavar=("N", "D"), help="rows and values of a wide table")
    parser.add_argument("--latent_dim", type=int, default=32)
    parser.add_argument("--repeats", type=int, default=7)
    args = parser.parse_args()
    samples = load(args.mnist or "faces:n=4000,size=28,seed=0")
    print(environment())
    print(f"{args.latent_dim} components\n")
    print("| data | input | solver | s | PCA s | ratio | largest angle | gap of the loss | of PCA |\n|" + " --- |" * 9)
    X = samples.X.reshape(len(samples.X), -1)
    for dtype in (np.uint8, np.float32, np.float64):
        compare(samples.name, X.astype(dtype), args.latent_dim, "svd", args.repeats)
    compare(samples.name, X, args.latent_dim, "gradient", 1)
    if args.wide:
        X = wide(*args.wide)
        for dtype in (np.float32, np.float64):
            compare("wide", X.astype(dtype), args.latent_dim, "svd", args.repeats)


def compare(name: str, X: np.ndarray, k: int, solver: str, repeats: int) -> None:
    ae, pca = LinearAutoencoder(k, solver=solver, max_epochs=3, random_state=0), PCA(k)
    times = np.array([(timed(lambda: ae.fit(X)), timed(lambda: pca.fit(X))) for _ in range(repeats)])
    ours, theirs = np.median(times, 0)
    exact = PCA(k, svd_solver="covariance_eigh").fit(X.astype(np.float64))
    angle = subspace_angles(ae.components_.T, exact.components_.T).max()
    print(
        f"| {name}, {len(X)} x {X.shape[1]} | {X.dtype} | {solver} | {ours:.3f} | {theirs:.3f} "
        f"| {np.median(times[:, 0] / times[:, 1]):.2f} | {angle:.1e} | {gap(X, ae.components_, exact):.1e} "
        f"| {gap(X, pca.components_, exact):.1e} |",
        flush=True,
    )


def wide(n: int, d: int) -> np.ndarray:
    rng = np.random.default_rng(0)
    rank = min(n, d) // 4
    axes = np.linalg.qr(rng.standard_normal((d, rank)))[0].astype(np.float32)
    scores = rng.standard_normal((n, rank), dtype=np.float32) / np.arange(1, rank + 1, dtype=np.float32)
    return scores @ axes.T + 1e-3 * rng.standard_normal((n, d), dtype=np.float32)


def timed(function) -> float:
    started = time.perf_counter()
    function()
    return time.perf_counter() - started


def gap(X: np.ndarray, axes: np.ndarray, pca: PCA) -> float:
    """Squared error of the projection on ``axes`` over that of an exact PCA, less 1."""
    centred = X - pca.mean_
    total = (centred**2).sum()
    ours, best = (total - ((centred @ basis.T) ** 2).sum() for basis in (axes, pca.components_))
    return ours / best - 1


if __name__ == "__main__":
    main()
