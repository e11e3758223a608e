"""Attributes of drawn faces: what moves along the direction that a few examples give, and how sure the code is.

    python benchmarks/attributes.py

Faces of 24 x 24 pixels are drawn from four known factors, and a VAE learns them with blocks hidden at random. Each
factor is then an attribute: its direction is found from a few faces that have much of it and as many that have little,
none of which the VAE was shown. Walks along the direction start at unseen faces and go from the mean of one group to
that of the other. What the decoded faces show is told by a quadratic regression on the principal components of the
pixels, which learned from drawn faces. Movements are sizes in standard deviations of the factor over all faces. A few
examples differ by chance in other factors too, and so does the direction; how much they do is given beside it. Medians
over seeds of faces, training and walks.
"""

import argparse
import time
from typing import Any

import numpy as np
from common import environment
from scipy.stats import spearmanr

from isthmus.tour.portraits import LABELLED, VARIED, Portraits

STEPS = 11
MONOTONE = 0.9
SEEN = 400
Rows = dict[str, dict[str, float]]


def rank_correlation(values: np.ndarray) -> float:
    """Spearman's, of values with their order."""
    found: Any = spearmanr(np.arange(len(values)), values)
    return float(found.statistic)


def measured(seed: int, args: argparse.Namespace) -> Rows:
    """What one model shows of each factor."""
    portraits = Portraits(lambda epochs: args.epochs, seed)
    vae, starts = portraits.vae, portraits.unseen(n=args.starts, seed=seed + 10)
    X, truth = portraits.draw(SEEN, seed + 20)
    told, latents = portraits.told(X), np.abs(portraits.correlations()).max(1)
    rows = {}
    for i, name in enumerate(VARIED):
        examples = portraits.examples(name, args.labelled)
        vae.fit_attribute(name, *examples)
        walks = portraits.told_along(name, starts, steps=STEPS)
        ranks = [rank_correlation(walk[:, i]) for walk in walks]
        moved, differ = np.abs((walks[:, -1] - walks[:, 0]).mean(0)), portraits.apart(*examples)
        clear, hidden = vae.attribute(name, X), vae.attribute(name, portraits.hide_mouth(X))
        # The scale of the attribute is that of its examples; what it should be for every face, in these units.
        expected = np.polyval(np.polyfit(truth[name], clear.mean, 1), truth[name])
        rows[name] = {
            "told": float(np.corrcoef(told[:, i], truth[name])[0, 1]),
            "latent": float(latents[i]),
            "attribute": float(np.corrcoef(clear.mean, truth[name])[0, 1]),
            "spearman": float(np.median(ranks)),
            "monotone": float(np.mean(np.array(ranks) >= MONOTONE)),
            **{f"moved {other}": float(moved[j]) for j, other in enumerate(VARIED)},
            **{f"differ {other}": abs(differ[other]) for other in VARIED},
            "clear": float(clear.std.mean()),
            "hidden": float(hidden.std.mean()),
            "ratio": float(hidden.std.mean() / clear.std.mean()),
            "clear off": float(np.sqrt(np.mean((clear.mean - expected) ** 2))),
            "hidden off": float(np.sqrt(np.mean((hidden.mean - expected) ** 2))),
        }
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--labelled", type=int, default=LABELLED, help="examples of much of a factor, and of little")
    parser.add_argument("--starts", type=int, default=60, help="walks along each attribute")
    parser.add_argument("--epochs", type=int, default=60)
    parser.add_argument("--seeds", type=int, default=5)
    args = parser.parse_args()
    started = time.perf_counter()
    runs = [measured(seed, args) for seed in range(args.seeds)]
    print(environment())
    print(f"{args.labelled} examples of each kind, {args.starts} walks of {STEPS} steps, ", end="")
    print(f"{args.epochs} epochs, {args.seeds} seeds; {(time.perf_counter() - started) / args.seeds:.0f} s per seed")

    def cell(name: str, key: str, form: str) -> str:
        return format(np.median([run[name][key] for run in runs]), form)

    def lowest(name: str, key: str, form: str) -> str:
        return format(min(run[name][key] for run in runs), form)

    print("\nCorrelation with the factor, over unseen faces\n")
    print("| factor | told from pixels | closest latent | attribute |\n| --- | --- | --- | --- |")
    for name in VARIED:
        print(f"| `{name}` | " + " | ".join(cell(name, key, ".3f") for key in ("told", "latent", "attribute")) + " |")

    print("\nWalks along each attribute: rank correlation of the steps with the factor, and movement of every factor;")
    print("in brackets by how much the examples differ\n")
    print(
        f"| along | Spearman | walks of at least {MONOTONE} (fewest of a seed) | "
        + " | ".join(f"`{name}`" for name in VARIED)
        + " |"
    )
    print("| --- " * (3 + len(VARIED)) + "|")
    for name in VARIED:
        pairs = [(cell(name, f"moved {other}", ".2f"), cell(name, f"differ {other}", ".2f")) for other in VARIED]
        moved = " | ".join(f"{moved} ({differ})" for moved, differ in pairs)
        monotone = f"{cell(name, 'monotone', '.0%')} ({lowest(name, 'monotone', '.0%')})"
        print(f"| `{name}` | {cell(name, 'spearman', '.3f')} | {monotone} | {moved} |")

    print(f"\nSpread of each attribute over {SEEN} unseen faces, and how far its mean is off (root mean square)\n")
    print("| attribute | face seen: spread | off | mouth hidden: spread | off | ratio of the spreads (least) |")
    print("| --- | --- | --- | --- | --- | --- |")
    for name in VARIED:
        spreads = " | ".join(cell(name, key, ".3f") for key in ("clear", "clear off", "hidden", "hidden off"))
        print(f"| `{name}` | {spreads} | {cell(name, 'ratio', '.2f')} ({lowest(name, 'ratio', '.2f')}) |")


if __name__ == "__main__":
    main()
