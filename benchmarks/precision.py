"""Does bfloat16 cost anything? The bound in both formats, with paired seeds.

    python benchmarks/precision.py --mnist binarized_mnist.npz [--frey frey_faces.npz] [--seeds 6] [--epochs 10]

On static binarised MNIST: the fully connected 784-512-16, and a strided convolutional network. On Frey's faces, if they
are given: a convolutional network with the Gaussian likelihood, whose scale is learned, and which is therefore the most
sensitive to rounding. Everything but `Trainer(precision=...)` is equal, weights at the start, order, noise. The bound
is `score` on the held-out part: in float32, with the weights of the last epoch. Positive differences: bfloat16 is
better.
"""

import argparse
from concurrent.futures import ProcessPoolExecutor

import numpy as np
import torch
from common import environment, halves

from isthmus import VAE, Trainer
from isthmus.networks import MLP, Conv


def load_case(case: str, path: str, seed: int) -> tuple[np.ndarray, np.ndarray]:
    if case == "frey":
        return halves(np.load(path)["images"], seed, video=True)
    shape = (-1, 784) if case == "mlp" else (-1, 28, 28)
    bits = {name: np.unpackbits(np.load(path)[name], axis=1).reshape(shape) for name in ("train", "test")}
    return (bits["train"], bits["test"]) if case == "mlp" else (bits["train"][:15000], bits["test"][:3000])


NETWORKS = {
    "mlp": (MLP(hidden=(512,)), 1.0),
    "conv": (Conv(channels=(16, 32, 64), norm="batch"), 0.5),
    "frey": (Conv(channels=(16, 32, 64), norm="batch"), 3.0),
}


def one(job: tuple[str, str, int, int]) -> tuple[float, float]:
    case, path, seed, epochs = job
    torch.set_num_threads(1)
    network, factor = NETWORKS[case]
    train, test = load_case(case, path, seed)
    bounds = []
    for precision in ("32", "bf16"):
        trainer = Trainer(precision=precision, compile=False, validation_fraction=0, early_stopping=None)
        model = VAE(16, network=network, max_epochs=max(1, round(factor * epochs)), random_state=seed, trainer=trainer)
        bounds.append(model.fit(train).score(test))
    return bounds[0], bounds[1]


def compare(case: str, path: str, seeds: int, epochs: int, workers: int) -> None:
    with ProcessPoolExecutor(workers) as pool:
        found = np.array(list(pool.map(one, [(case, path, seed, epochs) for seed in range(seeds)])))
    gain = found[:, 1] - found[:, 0]
    error = gain.std(ddof=1) / np.sqrt(seeds)
    print(
        f"| {case} | {NETWORKS[case][0]!r} | {found[:, 0].mean():.2f} | {found[:, 1].mean():.2f} | "
        f"{gain.mean():+.3f} ± {error:.3f} | {', '.join(f'{value:+.2f}' for value in gain)} |",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mnist", required=True)
    parser.add_argument("--frey")
    parser.add_argument("--cases", nargs="+", choices=list(NETWORKS), default=list(NETWORKS))
    parser.add_argument("--seeds", type=int, default=6)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--workers", type=int, default=2)
    args = parser.parse_args()
    print(environment())
    print("| case | network | float32, nats | bfloat16 | difference | of each seed |\n|" + " --- |" * 6)
    for case in args.cases:
        path = args.frey if case == "frey" else args.mnist
        if path is not None:
            compare(case, path, args.seeds, args.epochs, args.workers)


if __name__ == "__main__":
    main()
