"""Remove noise from pictures, with clean examples, with noisy pairs, and with nothing but single noisy pictures.

Three models have the same network and the same number of epochs, and are tried on noisy faces that none of them has
seen. Usage: ``python examples/denoise_pictures.py [OUT.png]``; the picture shows what each makes of a few of them.
"""

import sys

import numpy as np

from isthmus import DenoisingAutoencoder, Noise2Noise, Noise2Self, Trainer
from isthmus.data import load
from isthmus.explore.pictures import picture_table, to_rgb
from isthmus.networks import UNet

NOISE = 25  # grey levels
SHOWN = 9


def decibels(X: np.ndarray, clean: np.ndarray) -> float:
    """Peak signal-to-noise ratio."""
    return float(10 * np.log10(255**2 / np.mean((X - clean) ** 2)))


def main(out: str) -> None:
    """Train the three, print how much noise each removes, and draw what is left."""
    pictures = load("faces:n=1200,size=24").X.astype(np.float32)
    rng = np.random.default_rng(0)
    first, second = (pictures + rng.normal(scale=NOISE, size=pictures.shape).astype(np.float32) for _ in range(2))
    train, test = slice(1000), slice(1000, None)
    settings = {
        "network": UNet((8, 16, 32)),
        "trainer": Trainer(batch_size=32, learning_rate=1e-2),
        "max_epochs": 10,
        "random_state": 0,
    }
    models = {
        "clean target": DenoisingAutoencoder(**settings).fit(first[train], target=pictures[train]),
        "noise2noise": Noise2Noise(**settings).fit(first[train], target=second[train]),
        "noise2self": Noise2Self(**settings).fit(first[train]),
    }
    restored = {"clean": pictures[test], "noisy": first[test]}
    restored |= {name: model.denoise(first[test]) for name, model in models.items()}
    print("peak signal-to-noise ratio on unseen faces")
    for name, X in restored.items():
        if name != "clean":
            print(f"  {name:<14}{decibels(X, pictures[test]):>6.1f} dB")
    tiles = np.stack([to_rgb(X[:SHOWN], 0, 255) for X in restored.values()])
    picture_table(tiles, row_labels=list(restored)).savefig(out, dpi=150, facecolor="white")
    print(f"saved {out}")


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "denoise_pictures.png")
