"""What the codes are good for, and what the model still lacks."""

from __future__ import annotations

import numpy as np

from isthmus.explore import pictures
from isthmus.explore.style import FIRST, MUTED, TICK, new_figure, style_axes
from isthmus.report.elements import Plate, Table, number
from isthmus.tour.chapter import Claim, Page
from isthmus.tour.guide import SEED, Guide
from isthmus.tour.measures import classify

_SHOWN = 10


def uses(guide: Guide) -> Page:
    """Probe, clusters and anomalies on the code."""
    from sklearn.decomposition import PCA
    from sklearn.metrics import roc_auc_score

    vae, width = guide.vae, guide.vae.latent_dim_
    spoilt = _spoil(guide.test)
    whole, broken = vae.score_samples(guide.test), vae.score_samples(spoilt)
    auc = float(roc_auc_score([0] * len(whole) + [1] * len(broken), [*-whole, *-broken]))
    order = np.argsort(broken)
    figure = pictures.picture_table(
        np.stack([guide.tiles(guide.test[order[:_SHOWN]]), guide.tiles(spoilt[order[:_SHOWN]])]),
        row_labels=["unseen", "spoilt"],
    )
    claims = [
        Claim(
            f"{auc:.3f}",
            "is the area under the ROC curve of the score, for telling spoilt pictures (one block of each comes from "
            "another picture) from whole ones; 0.5 would be chance.",
        )
    ]
    tables = []
    if guide.train_labels is not None:
        flat = [part.reshape(len(part), -1).astype(float) for part in (guide.train, guide.test)]
        pca = PCA(width, random_state=SEED).fit(flat[0])
        codes = {
            f"pixels ({flat[0].shape[1]})": flat,
            f"PCA ({width})": [pca.transform(part) for part in flat],
            f"VAE ({width})": [vae.transform(guide.train), vae.transform(guide.test)],
        }
        groups = len(np.unique(guide.train_labels))
        from sklearn.cluster import KMeans

        from isthmus.evaluate.clustering import matched_accuracy

        rows = []
        for name, (train, test) in codes.items():
            found = KMeans(groups, n_init="auto", random_state=SEED).fit_predict(train)
            matched = matched_accuracy(guide.train_labels, found)
            rows.append([name, f"{100 * classify(train, test, guide):.1f} %", f"{100 * matched:.1f} %"])
        tables.append(
            Table(
                "Share named correctly: of unseen pictures by a classifier, and of the others by k-means if each group "
                "gets the name that suits it best",
                ["from", "linear classifier", "k-means"],
                rows,
            )
        )
    return Page(
        text="The code was learned without labels, and other models can build on it: a classifier gets a few numbers "
        "instead of many pixels, and groups of codes are often groups of things. What the model finds unlikely is "
        "worth a second look.",
        code="codes = vae.transform(X)               # features for any other model\n"
        "groups = vae.cluster(X, n_clusters=10)\n"
        "scores = vae.score_samples(X)          # low: unusual",
        plates=[Plate("uses", figure, "Unseen pictures and their spoilt twins", "The least likely ones.")],
        tables=tables,
        claims=claims,
    )


def _spoil(X: np.ndarray) -> np.ndarray:
    """Pictures in which a block, two fifths of each side, comes from the next picture."""
    rng = np.random.default_rng(SEED)
    spoilt, others = X.copy(), np.roll(X, 1, axis=0)
    height, width = (max(1, round(0.4 * side)) for side in X.shape[1:3])
    for one, other in zip(spoilt, others, strict=True):
        top = rng.integers(0, X.shape[1] - height + 1)
        left = rng.integers(0, X.shape[2] - width + 1)
        one[top : top + height, left : left + width] = other[top : top + height, left : left + width]
    return spoilt


def limits(guide: Guide) -> Page:
    """How far the bound is from what it bounds."""
    vae, few = guide.vae, guide.test[:100]
    counts = (1, 10, 100, 1000)
    estimates = [float(vae.log_likelihood(few, n_samples=k).mean()) for k in counts]
    elbo = vae.score(few)
    figure = new_figure(6.0, 2.8)
    axes = figure.subplots()
    style_axes(axes, xlabel="importance samples a picture", ylabel="nats a picture")
    axes.plot(counts, estimates, color=FIRST, marker="o", ms=4, lw=1.6, label="importance-weighted estimate")
    axes.axhline(elbo, color=MUTED, lw=0.9, ls=(0, (4, 3)), label="the bound that was maximised")
    axes.set_xscale("log")
    axes.legend(frameon=False, fontsize=TICK, labelcolor="#1c2733", loc="center right")
    return Page(
        text="Only a lower bound is maximised; how low it is can be measured, by weighing many draws of the code, and "
        "isthmus says whether the estimate can be believed. The samples of a plain variational autoencoder are softer "
        "than those of a GAN: a density that is fitted to its codes afterwards mends much of that. And whether a chain "
        "has converged is hard to say: isthmus says what it looked at, and how sure it is.",
        code="vae.score_samples(X)                      # the bound\n"
        "vae.estimate_likelihood(X).reliable       # nearer to log p(x), with errors and a verdict\n"
        'vae.fit_prior("gmm", X).sample(64)        # new data from where the codes are',
        plates=[Plate("limits", figure, "Estimates of the log-likelihood against the number of samples", "")],
        claims=[
            Claim(
                f"{number(estimates[-1] - elbo, 3)} nats",
                f"a picture separate the bound from the estimate with {counts[-1]:,} importance samples, on "
                f"{len(few)} unseen pictures.",
            )
        ],
    )
