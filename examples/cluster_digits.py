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

CLUSTERS, MEMBERS = 10, 14
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
            found[f"codes of the {name}, {method}"] = model.cluster(digits.X, CLUSTERS, method=method)
    print(f"{'':<28}{'accuracy':>10}{'NMI':>8}{'ARI':>8}")
    for name, clusters in found.items():
        accuracy, nmi, ari = clusters.scores(digits.y).values()
        print(f"{name:<28}{accuracy:>10.3f}{nmi:>8.3f}{ari:>8.3f}")
    draw(digits.X, np.asarray(digits.y), found["codes of the VAE, gmm"], out)


def draw(X: np.ndarray, y: np.ndarray, found: Clustering, out: str) -> None:
    """One row for each cluster: its decoded centre, and some of its members."""
    rng = np.random.default_rng(0)
    rows, labels = [], []
    for k, centre in enumerate(found.decoded_centres):
        members = np.flatnonzero(found.labels == k)
        row = np.full((1 + MEMBERS, *X.shape[1:], 3), np.nan)
        chosen = rng.permutation(members)[:MEMBERS]
        row[: 1 + len(chosen)] = to_rgb(np.concatenate([centre[None], X[chosen]]), 0, 255)
        digit, count = max(enumerate(np.bincount(y[members])), key=lambda pair: pair[1])
        rows.append(row)
        labels.append(f"{len(members)}: {100 * count / len(members):.0f} % are {digit}")
    figure = picture_table(np.stack(rows), row_labels=labels, column_labels=["centre", "members"])
    figure.savefig(out, dpi=150, facecolor="white")
    print(f"saved {out}")


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "cluster_digits.png")
