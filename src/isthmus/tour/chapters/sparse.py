"""A code that is wider than the data, of which each sample uses only a little."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from isthmus.explore import pictures
from isthmus.report.elements import Plate, Table, number
from isthmus.tour.chapter import Claim, Page
from isthmus.tour.guide import MOST_VALUES, Guide

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from isthmus import SparseAutoencoder

_ATOMS, _EXAMPLES, _PARTS = 40, 4, 6


def sparse(guide: Guide) -> Page:
    """A dictionary of parts, and why it is not the weights that have to be sparse."""
    from isthmus import SparseAutoencoder
    from isthmus.evaluate.sparsity import weight_and_code_density

    train, test, thinned = guide.small()
    d = train[0].size
    model = SparseAutoencoder(min(4 * d, 2 * MOST_VALUES), n_active=_PARTS, **guide.options(60)).fit(train)
    codes = model.transform(test)
    metrics = model.evaluate(test)
    # The identity as encoder and decoder: as sparse as weights get, and every unit has something to say.
    flat = test.reshape(len(test), -1).astype(float)
    weights, dense = weight_and_code_density(np.eye(d), flat - flat.mean(0))
    used = np.argsort(-(codes > 0).mean(0), kind="stable")[:_ATOMS]
    atoms = pictures.picture_grid(_as_contrast(model.dictionary_[used]), 10)
    return Page(
        text="The code may also be wider than the data, if each sample has to make do with a few of its units. Then "
        "the units become parts, and a sample is a sum of some of them. It is the activations that have to be few: "
        "few weights do not do it, for the identity has as few as there can be, and copies everything.",
        code="from isthmus import SparseAutoencoder\n\n"
        f"sae = SparseAutoencoder({model.latent_dim_}, sparsity='topk', n_active={_PARTS}).fit({guide.name!r})\n"
        "sae.dictionary_                  # the parts, as pictures",
        plates=[
            Plate(
                "atoms",
                atoms,
                "The most used parts",
                f"The {_ATOMS} parts that are used most: red adds, blue takes away.{thinned}",
            ),
            Plate(
                "sums",
                _sums(guide, model, test, codes),
                "Pictures as sums of parts",
                "Unseen pictures, what the code gives back, and the parts that it adds up, the largest first.",
            ),
        ],
        tables=[
            Table(
                "Which is sparse: the weights, or the code?",
                ["", "weights that are not 0", "units that are not 0", "R²"],
                [
                    ["the identity matrix", f"{100 * weights:.1f} %", f"{100 * dense:.0f} %", "1"],
                    [
                        "sparse autoencoder",
                        f"{100 * weight_and_code_density(model.dictionary_, codes)[0]:.0f} %",
                        f"{100 * metrics['l0'] / model.latent_dim_:.1f} %",
                        number(metrics["r2"], 3),
                    ],
                ],
            )
        ],
        claims=[
            Claim(
                f"{number(metrics['l0'], 3)} of {model.latent_dim_}",
                "units are active for an unseen picture, and explain "
                f"{number(100 * metrics['r2'], 2)} % of the variance of its {d} pixels.",
            )
        ],
    )


def _sums(guide: Guide, model: SparseAutoencoder, unseen: np.ndarray, codes: np.ndarray) -> Figure:
    """Rows of a picture, its reconstruction, and its largest parts."""
    rows = []
    for i in range(_EXAMPLES):
        parts = np.argsort(-codes[i], kind="stable")[:_PARTS]
        whole = np.stack([unseen[i], model.reconstruct(unseen[i : i + 1])[0]])
        rows.append(np.concatenate([guide.tiles(whole), _as_contrast(model.dictionary_[parts])]))
    labels = ["unseen", "sum", *(f"part {j + 1}" for j in range(_PARTS))]
    return pictures.picture_table(np.stack(rows), column_labels=labels)


def _as_contrast(atoms: np.ndarray) -> np.ndarray:
    """Each atom with its own full colour: blue below zero, red above."""
    size = np.abs(atoms).reshape(len(atoms), -1).max(1)
    return np.concatenate([pictures.difference_rgb(atom[None], limit) for atom, limit in zip(atoms, size, strict=True)])
