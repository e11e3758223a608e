"""Make new digits with a denoiser: corrupt, denoise, repeat, and ask whether that chain has converged.

Two denoising autoencoders learn the same digits, as bits, in the same number of passes: one from corrupted digits
alone, one by walkback, which also leads its own chain back to the data. The bound on log p(x) of unseen digits says
which chain is the better model. Usage: ``python examples/chain_of_a_denoiser.py [OUT.png]``; the picture shows how the
chains leave a random start.
"""

import sys

import numpy as np
from sklearn.model_selection import train_test_split

from isthmus import DenoisingAutoencoder
from isthmus.data import load
from isthmus.explore.pictures import picture_table, to_rgb
from isthmus.networks import MLP

STEPS = (1, 2, 5, 10, 20, 50, 100, 200)
PASSES = 200


def main(out: str) -> None:
    """Train both, print what their chains say, and draw a few chains of the second."""
    bits = (load("digits").X >= 128).astype(np.uint8)
    train, test = train_test_split(bits, test_size=400, random_state=0)
    models = {}
    for walkback in (0, 4):
        dae = DenoisingAutoencoder(
            32,
            corruption="salt_and_pepper",
            noise=0.1,
            walkback=walkback,
            network=MLP(hidden=(256,)),
            max_epochs=PASSES // (1 + walkback),
            random_state=0,
        )
        models[walkback] = dae.fit(train)
        chains = dae.markov_chain(n_chains=16, n_draws=1000, random_state=0)
        print(f"--- walkback of {walkback} steps ---")
        print(f"bound on log p(x) of unseen digits: {dae.log_likelihood(test).mean():.2f} nats")
        print(chains.describe(), "\n")

    walk = models[4].markov_chain(6, STEPS[-1], burn_in=0, random_state=0)
    shown = walk.pictures(6, STEPS[-1])[:, np.array(STEPS) - 1]
    tiles = to_rgb(np.concatenate([walk.start[:, None], shown], 1).reshape(-1, 8, 8), 0, 1)
    figure = picture_table(
        tiles.reshape(6, 1 + len(STEPS), 8, 8, 3),
        row_labels=[f"chain {i + 1}" for i in range(6)],
        column_labels=["start", *map(str, STEPS)],
    )
    figure.savefig(out, dpi=150, facecolor="white")
    print(f"saved {out}")


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "chain_of_a_denoiser.png")
