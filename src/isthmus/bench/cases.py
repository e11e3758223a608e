"""What is timed: networks of the usual sizes, on data of the usual shape."""

from __future__ import annotations

import numpy as np

from isthmus.core import Composed
from isthmus.data.info import describe_data
from isthmus.models.fitting import prepare
from isthmus.models.vae import VAE
from isthmus.networks import MLP, Conv, Network

CASES: dict[str, Network] = {
    "mlp": MLP(hidden=(512, 512)),
    "strided": Conv(channels=(32, 64, 128)),
    "pooled": Conv(channels=(32, 64, 128), pool="max"),
}
"""Networks of a VAE with 32 latents and the Bernoulli likelihood, for pictures of 28 x 28 black and white pixels."""

_N_ROWS = 20_000


def pictures(case: str) -> np.ndarray:
    """Random pictures of the shape of MNIST, a fifth of whose pixels are white; flat for fully connected networks."""
    X = (np.random.default_rng(0).random((_N_ROWS, 28, 28)) < 0.2).astype(np.uint8)
    return X.reshape(_N_ROWS, -1) if case == "mlp" else X


def vae(case: str, X: np.ndarray, seed: int = 0) -> Composed:
    """The model of a case, not yet trained."""
    estimator = VAE(latent_dim=32, network=CASES[case])
    prepare(estimator, describe_data(X), seed)
    return estimator.module_.train()
