"""Find the parts that data are made of: a dictionary that is known, and one of patches of faces that is not.

First, samples that are sums of 3 of 40 random directions, with a little noise. A sparse autoencoder sees the samples
only; the mean cosine between each direction and the closest atom says whether it found them. Principal components,
which explain the data best, are no parts. Then the same on small patches of drawn faces. Their parts turn out to be
edges of many directions, as Olshausen & Field (1996) found of photographs; they are drawn as pictures.

    python examples/sparse_dictionary.py [figure.png]
"""

import sys

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from isthmus import SparseAutoencoder, Trainer
from isthmus.data import load
from isthmus.evaluate.sparsity import mmcs
from isthmus.explore.pictures import difference_rgb, picture_grid

N_ATOMS, DIM, ACTIVE = 40, 20, 3
CONTRAST = 10  # grey levels


def known_dictionary() -> tuple[np.ndarray, np.ndarray]:
    """Samples, and the directions that they are sums of."""
    rng = np.random.default_rng(0)
    atoms = rng.normal(size=(N_ATOMS, DIM))
    atoms /= np.linalg.norm(atoms, axis=1, keepdims=True)
    active = rng.random((6000, N_ATOMS)).argsort(1) < ACTIVE
    X = (active * rng.uniform(0.5, 1.5, active.shape)) @ atoms
    return X + 0.01 * rng.normal(size=X.shape), atoms


def recover() -> None:
    """Print how well each kind of sparse code finds the known dictionary."""
    X, atoms = known_dictionary()
    trainer = Trainer(batch_size=128, learning_rate=1e-2)
    components = np.linalg.svd(X - X.mean(0), full_matrices=False)[2]
    print(f"{N_ATOMS} directions in {DIM} dimensions, {ACTIVE} of them in each sample")
    print(f"{'':<14}{'mean cosine':>12}{'found':>8}{'active':>9}{'R²':>7}")
    print(f"{'PCA':<14}{mmcs(np.concatenate([components, -components]), atoms):>12.3f}")
    for sparsity in ("topk", "batch_topk", "jumprelu"):
        model = SparseAutoencoder(
            N_ATOMS,
            sparsity=sparsity,
            n_active=ACTIVE,
            scaling="common",
            max_epochs=20,
            trainer=trainer,
            random_state=0,
        ).fit(X)
        found = np.mean([mmcs(model.dictionary_, atom[None]) > 0.9 for atom in atoms])
        metrics = model.evaluate(X)
        cosine = mmcs(model.dictionary_, atoms)
        print(f"{sparsity:<14}{cosine:>12.3f}{100 * found:>6.0f} %{metrics['l0']:>9.2f}{metrics['r2']:>7.3f}")


def patches(size: int = 10, n: int = 12_000) -> np.ndarray:
    """Squares cut out of drawn faces at random, without their mean, and without those that show nothing."""
    windows = sliding_window_view(load("faces:n=1000,size=32").X, (size, size), axis=(1, 2)).reshape(-1, size, size)
    chosen = windows[np.random.default_rng(0).choice(len(windows), n, replace=False)].astype(np.float32)
    return (chosen - chosen.mean((1, 2), keepdims=True))[chosen.std((1, 2)) > CONTRAST]


def draw(out: str) -> None:
    """Save the atoms of the patches, the most used first: red makes a pixel brighter, blue darker."""
    X = patches()
    trainer = Trainer(batch_size=128, learning_rate=1e-2)
    model = SparseAutoencoder(96, n_active=4, scaling="common", max_epochs=15, trainer=trainer, random_state=0).fit(X)
    used = np.argsort(-(model.transform(X) > 0).mean(0), kind="stable")
    tiles = [difference_rgb(atom[None], float(np.abs(atom).max())) for atom in model.dictionary_[used]]
    picture_grid(np.concatenate(tiles), 16).savefig(out, dpi=150, facecolor="white")
    metrics = model.evaluate(X)
    print(f"\npatches of faces: {metrics['l0']:.2f} of 96 atoms rebuild one, with R² {metrics['r2']:.3f}; saved {out}")


def main(out: str) -> None:
    """A known dictionary, and one of patches."""
    recover()
    draw(out)


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "sparse_dictionary.png")
