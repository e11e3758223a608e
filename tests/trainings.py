"""Small trainings for `test_processes`, and a program that runs some of them: alone, or as one of several processes.

    python tests/trainings.py FOLDER '{"devices": 2}' NAME ...

Each process writes FOLDER/NAME.RANK.npz: the losses of every epoch, and the weights.
"""

import json
import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.datasets import load_digits

from isthmus import (
    VAE,
    VQVAE,
    Autoencoder,
    DenoisingAutoencoder,
    SparseAutoencoder,
    StackedAutoencoder,
    Trainer,
)
from isthmus.networks import MLP, Conv

_digits: Any = load_digits()
X = _digits.images[:160]

BATCH = 35
"""Of 144 rows: batches of unequal sizes, which two processes cannot share evenly."""


def on_disk(rows: np.ndarray) -> str:
    """The rows as a file."""
    path = Path(tempfile.mkdtemp()) / "rows.npy"
    np.save(path, rows)
    return str(path)


CASES: dict[str, Callable[[dict[str, Any]], Any]] = {
    "vae": lambda t: VAE(3, **shared(t)).fit(X),
    "bf16": lambda t: VAE(3, **shared({**t, "precision": "bf16"})).fit(X),
    "clipped": lambda t: VAE(3, **shared({**t, "gradient_clip": 1.0, "validation_fraction": 0.0})).fit(X),
    "dropout": lambda t: Autoencoder(3, network=MLP(dropout=0.3), **shared(t)).fit(X),
    "batch_norm": lambda t: Autoencoder(3, network=MLP(norm="batch"), **shared(t)).fit(X),
    "conv": lambda t: VAE(3, network=Conv(norm="batch"), **shared(t)).fit(X),
    "gaussian": lambda t: DenoisingAutoencoder(3, corruption="gaussian", **shared(t)).fit(X),
    "masking": lambda t: DenoisingAutoencoder(3, corruption="masking", **shared(t)).fit(X),
    "poisson": lambda t: DenoisingAutoencoder(3, corruption="poisson", **shared(t)).fit(X),
    "batch_topk": lambda t: SparseAutoencoder(24, n_active=4, sparsity="batch_topk", **shared(t)).fit(X),
    "vqvae": lambda t: VQVAE(16, n_codes=16, **shared(t)).fit(X),
    "stacked": lambda t: StackedAutoencoder(3, **shared(t)).fit(X),
    "fsdp": lambda t: VAE(3, **shared({**t, "strategy": "fsdp", "gradient_clip": 50.0})).fit(X),
    "fsdp_bf16": lambda t: VAE(3, network=Conv(), **shared({**t, "strategy": "fsdp", "precision": "bf16"})).fit(X),
    "gathered": lambda t: VAE(3, **shared({**t, "memory_limit": 0.0})).fit(X),
    "stream": lambda t: VAE(3, **shared({**t, "memory_limit": 1e-6})).fit(on_disk(X)),
}


def shared(trainer: dict[str, Any]) -> dict[str, Any]:
    """What all of them have in common."""
    options = {"batch_size": BATCH, "precision": "32", "compile": False, **trainer}
    return {"max_epochs": 3, "random_state": 0, "trainer": Trainer(**options)}


def outcome(estimator: Any) -> dict[str, np.ndarray]:
    """Losses of every epoch and the weights that were kept."""
    history = {f"history/{name}": np.asarray(v) for name, v in estimator.history_.items() if name != "seconds"}
    return history | {f"weights/{name}": t.numpy() for name, t in estimator.module_.state_dict().items()}


def main() -> None:
    folder, trainer, *names = sys.argv[1:]
    for name in names:
        # Each process starts from random numbers of its own, which must not matter.
        np.random.seed(os.getpid())  # noqa: NPY002 (what scikit-learn uses)
        result = outcome(CASES[name](json.loads(trainer)))
        np.savez(Path(folder) / f"{name}.{os.environ.get('RANK', os.environ.get('LOCAL_RANK', '0'))}.npz", **result)
    print("done")


if __name__ == "__main__":
    main()
