"""How large should weights be at the start? The bound after equal training, for hidden layers of several gains.

    python benchmarks/initial_weights.py [--mnist binarized_mnist.npz] [--seeds 3] [--gains 0.5 1 1.68]

A VAE as isthmus chooses it is trained on the data sets of `recipe.py` with the default recipe, for 300 and for 1,500
steps; pictures for 300 alone. Weights of hidden layers have the variance gain² / n_in at the start, those of the last
layers of encoder and decoder 1 / n_in. A gain of 1 is what isthmus does; 1.68 keeps the second moment of a signal
through SiLU, as that of He et al. (2015) does for ReLU. Held-out bound in nats, means over seeds.
"""

import argparse
from typing import Any

import numpy as np
from common import environment, halves
from recipe import DEFAULT, data_sets, trainer
from torch import nn

from isthmus import VAE
from isthmus.networks import Network

STEPS = (300, 1500)
_SETUP = Network.setup


def start_with(gain: float) -> None:
    """Let hidden layers of every network that is made from now on start larger, or smaller, than they would."""

    def setup(network: Network, **shapes: Any) -> None:
        _SETUP(network, **shapes)
        for half in (network.encoder, network.decoder):
            kinds = (nn.Linear, nn.Conv2d, nn.ConvTranspose2d)
            for layer in [layer for layer in half.modules() if isinstance(layer, kinds)][:-1]:
                layer.weight.data.mul_(gain)

    Network.setup = setup


def bound(X: np.ndarray, gain: float, n_steps: int, seed: int) -> float:
    start_with(gain)
    train, test = halves(X, seed, video=False)
    options = trainer(DEFAULT, len(train))
    per_epoch = -(-len(train) // options.resolve_batch_size(len(train)))
    epochs = max(1, round(n_steps / per_epoch))
    return VAE(max_epochs=epochs, random_state=seed, trainer=options).fit(train).score(test)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mnist", help="binarized_mnist.npz")
    parser.add_argument("--gains", type=float, nargs="+", default=[0.5, 1.0, 1.68])
    parser.add_argument("--seeds", type=int, default=3)
    args = parser.parse_args()
    print(environment())
    print(
        f"| data | steps | {' | '.join(f'gain {gain:g}' for gain in args.gains)} |\n|"
        + " --- |" * (2 + len(args.gains))
    )
    for name, make in data_sets(args.mnist).items():
        X = make()
        for n_steps in STEPS[:1] if X[0].size > 900 else STEPS:
            means = [np.mean([bound(X, gain, n_steps, seed) for seed in range(args.seeds)]) for gain in args.gains]
            print(f"| {name} | {n_steps:,} | {' | '.join(f'{mean:.2f}' for mean in means)} |", flush=True)


if __name__ == "__main__":
    main()
