"""Decoding a sparse code: the dense product against gathering the atoms of the active latents.

    python benchmarks/sparse_decode.py

Both start from a dense code (batch, latent_dim) with the given number of nonzeros in each row, as a model has it, and
from weights in whatever layout suits them. Gathering finds the nonzeros and sums their atoms with `embedding_bag`.
Medians of alternating repeats in one process.
"""

import argparse
import time
from itertools import product

import numpy as np
import torch
from common import environment
from torch import Tensor
from torch.nn.functional import embedding_bag, linear


def sparse_code(batch: int, latent_dim: int, active: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    at = torch.rand(batch, latent_dim, generator=generator).topk(active).indices
    return torch.zeros(batch, latent_dim).scatter(1, at, torch.rand(batch, active, generator=generator) + 0.5)


def gather(z: Tensor, atoms: Tensor) -> Tensor:
    """Sum of z_j times atom j, for atoms of shape (latent_dim, width)."""
    rows, columns = z.nonzero(as_tuple=True)
    starts = torch.searchsorted(rows, torch.arange(len(z)))
    return embedding_bag(columns, atoms, starts, mode="sum", per_sample_weights=z[rows, columns])


def compare(batch: int, latent_dim: int, active: int, width: int, repeats: int) -> tuple[float, float, float]:
    """Milliseconds of the dense product, of gathering, and of its search for the nonzeros alone."""
    z = sparse_code(batch, latent_dim, active)
    weight = torch.randn(width, latent_dim)
    atoms = weight.T.contiguous()
    torch.testing.assert_close(gather(z, atoms), linear(z, weight), rtol=1e-3, atol=1e-3)
    ways = (lambda: linear(z, weight), lambda: gather(z, atoms), lambda: z.nonzero(as_tuple=True))
    taken = [[clock(way) for way in ways] for _ in range(repeats)]
    dense, gathered, searched = (1e3 * np.median(taken, axis=0)).tolist()
    return dense, gathered, searched


def clock(way) -> float:
    started = time.perf_counter()
    way()
    return time.perf_counter() - started


@torch.no_grad()
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--latent_dim", type=int, nargs="*", default=[512, 4096, 16384])
    parser.add_argument("--active", type=int, nargs="*", default=[8, 32, 128])
    parser.add_argument("--width", type=int, nargs="*", default=[64, 784, 3072])
    parser.add_argument("--batch", type=int, nargs="*", default=[1, 64, 1024])
    parser.add_argument("--repeats", type=int, default=15)
    args = parser.parse_args()
    print(f"{environment()}, {torch.get_num_threads()} threads\n")
    print("| latents | active | width | batch | dense ms | gathering ms | of it, search | dense / gathering |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- |")
    for latent_dim, active, width, batch in product(args.latent_dim, args.active, args.width, args.batch):
        dense, gathered, searched = compare(batch, latent_dim, active, width, args.repeats)
        figures = f"{dense:.3f} | {gathered:.3f} | {searched:.3f} | {dense / gathered:.2f}"
        print(f"| {latent_dim} | {active} | {width} | {batch} | {figures} |", flush=True)


if __name__ == "__main__":
    main()
