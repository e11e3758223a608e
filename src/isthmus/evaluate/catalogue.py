"""Every number of `evaluate`: what it means, to which group it belongs, and which way is better."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Better = Literal["higher", "lower"] | None


@dataclass(frozen=True)
class Quantity:
    """A number of `evaluate`.

    Parameters
    ----------
    meaning : str
        In words, with its protocol.
    better : {"higher", "lower"} or None
        Which way is better, if either is.
    """

    meaning: str
    better: Better = None


_REPRESENTATION = {
    "linear_probe": Quantity(
        "accuracy of logistic regression on the standardised codes, five folds (Alain & Bengio, 2016)", "higher"
    ),
    "knn_accuracy": Quantity("accuracy of the vote of the 10 nearest standardised codes, five folds", "higher"),
    "cluster_accuracy": Quantity(
        "k-means on the codes, k = number of classes: share of rows in the cluster of their class, best matching",
        "higher",
    ),
    "cluster_nmi": Quantity("the same clusters: mutual information with the classes over the mean entropy", "higher"),
    "cluster_ari": Quantity("the same clusters: adjusted Rand index; chance is 0 (Hubert & Arabie, 1985)", "higher"),
}

_DISENTANGLEMENT = {
    "mig_locatello": Quantity(
        "mutual information gap of the mean codes in 20 bins (Locatello et al., 2019); 0 to 1", "higher"
    ),
    "mig_chen": Quantity("mutual information gap with q(z|x) as a distribution (Chen et al., 2018); 0 to 1", "higher"),
    "sap": Quantity(
        "gap between the two single latents that predict a factor best, by thresholds (Kumar et al., 2018); 0 to 1",
        "higher",
    ),
    "factor_vae_score": Quantity(
        "how surely the latent that varies least tells which factor is fixed (Kim & Mnih, 2018); chance to 1", "higher"
    ),
    "beta_vae_score": Quantity(
        "how surely differences of codes tell which factor agrees (Higgins et al., 2017); chance to 1; lenient",
        "higher",
    ),
    "dci_disentanglement": Quantity(
        "whether each latent serves one factor, by random forests (Eastwood & Williams, 2018); 0 to 1", "higher"
    ),
    "dci_completeness": Quantity("whether each factor sits in one latent, of the same forests; 0 to 1", "higher"),
    "dci_informativeness": Quantity("accuracy of these forests on the other half of the rows", "higher"),
}

_SAMPLES = {
    "n_generated": Quantity("samples of the model, and rows of either data, that were compared"),
    "fid": Quantity("Fréchet distance of the features from those of X (Heusel et al., 2017); biased upwards", "lower"),
    "kid": Quantity("kernel distance of the features, cubic kernel, unbiased (Bińkowski et al., 2018)", "lower"),
    "precision": Quantity("share of samples that lie among the data, k = 3 (Kynkäänniemi et al., 2019)", "higher"),
    "recall": Quantity("share of the data that lies among the samples, k = 3 (Kynkäänniemi et al., 2019)", "higher"),
    "density": Quantity("how densely data lie about the samples, k = 5; ideally 1 (Naeem et al., 2020)"),
    "coverage": Quantity("share of the data with a sample close by, k = 5 (Naeem et al., 2020)", "higher"),
}

FLOORED = ("fid", "kid", "precision", "recall", "density", "coverage")
"""Numbers that come with the value that training rows get in place of samples."""

_SAMPLES |= {f"{key}_error": Quantity(f"standard error of {key}") for key in ("fid", "kid")}
_SAMPLES |= {f"{key}_floor": Quantity(f"{key} of rows of the reference in place of samples") for key in FLOORED}
_SAMPLES |= {f"{key}_floor_error": Quantity(f"standard error of {key}_floor") for key in ("fid", "kid")}

GROUPS: dict[str, dict[str, Quantity]] = {
    "representation": _REPRESENTATION,
    "disentanglement": _DISENTANGLEMENT,
    "samples": _SAMPLES,
}
"""Groups of numbers that need more than the data: labels, factors, and reference data."""

EXTRAS: dict[str, Quantity] = {key: quantity for group in GROUPS.values() for key, quantity in group.items()}
"""Key of `BaseAutoencoder.evaluate`, if it is given more than data, and what it means."""

_LOWER = ("mse", "reconstruction_nll", "bits_per_dim")
_HIGHER = ("r2", "psnr", "ssim", "elbo", "discrete_bound", "log_likelihood")


def quantity(key: str) -> Quantity:
    """What a key of `evaluate` means, and which way is better, if that is known."""
    from isthmus.evaluate.metrics import METRICS

    if key in EXTRAS:
        return EXTRAS[key]
    better: Better = "lower" if key in _LOWER else "higher" if key in _HIGHER else None
    return Quantity(METRICS.get(key, "defined by this model; see its documentation"), better)


def grouped(keys: list[str]) -> dict[str, list[str]]:
    """Keys by group, in the order of the groups; those that need no extras come first, as "model"."""
    home = {key: group for group, members in GROUPS.items() for key in members}
    found: dict[str, list[str]] = {group: [] for group in ("model", *GROUPS)}
    for key in keys:
        found[home.get(key, "model")].append(key)
    return {group: members for group, members in found.items() if members}
