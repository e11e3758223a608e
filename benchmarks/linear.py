"""`LinearAutoencoder` against scikit-learn's PCA, and the linear VAE against probabilistic PCA.

    python benchmarks/linear.py --mnist train-images-idx3-ubyte.gz

Without ``--mnist`` the drawn faces stand in. Times are medians of alternating repeats in one process.
"""

import argparse
import time

import numpy as np
from common import environment
from scipy.linalg import subspace_angles
from sklearn.decomposition import PCA

from isthmus import LinearAutoencoder
from isthmus.data import load


def timed(function) -> float:
    started = time.perf_counter()
    function()
    return time.perf_counter() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mnist", help="IDX file of MNIST's training pictures")
    parser.add_argument("--latent_dim", type=int, default=32)
    parser.add_argument("--repeats", type=int, default=7)
    args = parser.parse_args()
    samples = load(args.mnist or "faces:n=4000,size=28,seed=0")
    k = args.latent_dim
    print(environment())
    print(f"{samples.name}, {samples.X.shape}, {k} components\n")
    print("| input | solver | s | PCA s | ratio | largest principal angle | relative gap of the loss |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for dtype in (np.uint8, np.float32, np.float64):
        X = samples.X.reshape(len(samples.X), -1).astype(dtype)
        for solver, repeats in (("svd", args.repeats), ("gradient", 1)):
            ae = LinearAutoencoder(k, solver=solver, max_epochs=3, random_state=0)
            pca = PCA(k)
            times = np.array([(timed(lambda: ae.fit(X)), timed(lambda: pca.fit(X))) for _ in range(repeats)])  # noqa: B023
            ours, theirs = np.median(times, 0)
            exact = PCA(k, svd_solver="covariance_eigh").fit(X.astype(np.float64))
            angle = subspace_angles(ae.components_.T, exact.components_.T).max()
            ratio = np.median(times[:, 0] / times[:, 1])
            print(
                f"| {np.dtype(dtype)} | {solver} | {ours:.3f} | {theirs:.3f} | {ratio:.2f} "
                f"| {angle:.1e} | {gap(X, ae.components_, exact):.1e} |",
                flush=True,
            )


def gap(X: np.ndarray, axes: np.ndarray, pca: PCA) -> float:
    """Squared error of the projection on ``axes`` over that of PCA, less 1."""
    centred = X - pca.mean_
    total = (centred**2).sum()
    ours, best = (total - ((centred @ basis.T) ** 2).sum() for basis in (axes, pca.components_))
    return ours / best - 1


if __name__ == "__main__":
    main()
