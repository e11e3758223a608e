"""Group digits without labels: clusters of pixels, and of codes, compared with the digits that they turn out to be.

The labels have no part in the training nor in the clusters; they only say in the end how well these agree with them.
Usage: ``python examples/cluster_digits.py [OUT.png]``; the picture shows the decoded centre of each cluster of the VAE,
and digits drawn from it.
"""

import sys
from typing import Any

import numpy as np
from sklearn.cluster import KMeans

from isthmus import VAE, Autoencoder
from isthmus.data import load
from isthmus.evaluate.clustering import Clustering
from isthmus.explore.pictures import picture_table, to_rgb

CLUSTERS, MEMBERS = 10, 13
STARTS: Any = 10  # whose annotation in scikit-learn knows "auto" alone


def main(out: str) -> None:
    """Print how well five clusterings agree with the digits, and draw the last one."""
    digits = load("digits")
    pixels = digits.X.reshape(len(digits.X), -1).astype(float)
    labels = KMeans(CLUSTERS, n_init=STARTS, random_state=0).fit_predict(pixels)
    means = np.stack([pixels[labels == k].mean(0) for k in range(CLUSTERS)])
    found = {"pixels, kmeans": Clustering(labels, means, means)}
    for name, model in (("autoencoder", Autoencoder(8)), ("VAE", VAE(8))):
        model.set_params(max_epochs=60, random_state=0).fit(digits.X)
        for method in ("kmeans", "gmm"):
            found[f"{name}, {method}"] = model.cluster(digits.X, CLUSTERS, method=method)
    print(f"{'codes, method':<22}{'accuracy':>10}{'NMI':>8}{'ARI':>8}")
    for name, clusters in found.items():
        accuracy, nmi, ari = clusters.scores(digits.y).values()
        print(f"{name:<22}{accuracy:>10.3f}{nmi:>8.3f}{ari:>8.3f}")
    draw(digits.X, np.asarray(digits.y), found["VAE, gmm"], out)


def draw(X: np.ndarray, y: np.ndarray, found: Clustering, out: str) -> None:
    """One row for each cluster, the largest first: its decoded centre, and some of its members."""
    rng = np.random.default_rng(0)
    tiles = np.full((CLUSTERS, 2 + MEMBERS, *X.shape[1:], 3), np.nan)  # the second column stays empty
    tiles[:, 0] = to_rgb(found.decoded_centres, 0, 255)
    labels = []
    for k in range(CLUSTERS):
        members = np.flatnonzero(found.labels == k)
        chosen = rng.permutation(members)[:MEMBERS]
        tiles[k, 2 : 2 + len(chosen)] = to_rgb(X[chosen], 0, 255)
        counts = np.bincount(y[members])
        labels.append(f"{100 * counts.max() / len(members):.0f} % are {counts.argmax()}")
    figure = picture_table(tiles, row_labels=labels, column_labels=["centre", "", "members"])
    figure.savefig(out, dpi=150, facecolor="white")
    print(f"saved {out}")


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "cluster_digits.png")
