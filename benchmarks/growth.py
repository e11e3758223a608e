"""How time and memory grow with rows, features and latents, and the exponents of the growth.

    python benchmarks/growth.py [--figure docs/images/growth.png] [--most_rows 10000000] [--most_features 100000]

One epoch of a VAE in a process of its own, on random data: n rows of 32 features; 2,000 rows of d features; 20,000 rows
of 64 features with k latents. The network is the one that isthmus chooses. The time is that of `fit`, the memory by how
much the peak of the process exceeds that of one that has imported isthmus and trained on a hundred rows. The exponent
is the slope of the logarithms over the upper half of the sizes, where the constant parts no longer count.
"""

import argparse
import json
import resource
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
from common import environment

AXES = {"rows": "n", "features": "d", "latents": "k"}


def child(axis: str, size: int) -> None:
    import warnings

    from isthmus import VAE, Trainer

    warnings.simplefilter("ignore")
    n, d, k = {"rows": (size, 32, 8), "features": (2000, size, 8), "latents": (20_000, 64, size)}[axis]
    rng = np.random.default_rng(0)
    VAE(8, max_epochs=1, random_state=0).fit(rng.normal(size=(100, 32)).astype(np.float32))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    X = rng.standard_normal((n, d), dtype=np.float32)
    started = time.perf_counter()
    VAE(k, max_epochs=1, random_state=0, trainer=Trainer(compile=False)).fit(X)
    seconds = time.perf_counter() - started
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(json.dumps({"seconds": seconds, "mebibytes": max(1, after - before) / 1024}))


def measure(axis: str, size: int, repeats: int) -> tuple[float, float]:
    found = []
    for _ in range(repeats):
        command = [sys.executable, __file__, "--child", axis, str(size)]
        text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        found.append(json.loads(text.splitlines()[-1]))
    return tuple(float(np.median([entry[name] for entry in found])) for name in ("seconds", "mebibytes"))  # type: ignore[return-value]


def slope(sizes: list[int], values: list[float]) -> float:
    upper = min(len(sizes) // 2, len(sizes) - 2)
    return float(np.polyfit(np.log(sizes[upper:]), np.log(values[upper:]), 1)[0])


def draw(results: dict[str, tuple[list[int], list[float], list[float]]], path: Path) -> None:
    import matplotlib.pyplot as plt

    figure, panels = plt.subplots(1, len(results), figsize=(11, 3.4), layout="constrained")
    for panel, (axis, (sizes, seconds, memory)) in zip(panels, results.items(), strict=True):
        panel.loglog(sizes, seconds, "o-", color="#2a6f97", label=f"seconds, exponent {slope(sizes, seconds):.2f}")
        panel.loglog(sizes, memory, "s--", color="#c1666b", label=f"MiB, exponent {slope(sizes, memory):.2f}")
        panel.set_xlabel(axis)
        panel.legend(frameon=False, fontsize=8)
        panel.spines[["top", "right"]].set_visible(False)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=150)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--child", nargs=2)
    parser.add_argument("--figure", type=Path)
    parser.add_argument("--most_rows", type=int, default=10**7)
    parser.add_argument("--most_features", type=int, default=10**5)
    parser.add_argument("--repeats", type=int, default=1)
    args = parser.parse_args()
    if args.child:
        child(args.child[0], int(args.child[1]))
        return
    sizes = {
        "rows": [n for n in (1000, 10_000, 100_000, 1_000_000, 10_000_000) if n <= args.most_rows],
        "features": [d for d in (10, 100, 1000, 10_000, 30_000, 100_000) if d <= args.most_features],
        "latents": [2, 8, 32, 128, 512, 2048],
    }
    print(environment())
    print("| axis | size | seconds of fit, one epoch | MiB beyond the least |\n|" + " --- |" * 4)
    results = {}
    for axis, values in sizes.items():
        found = []
        for size in values:
            found.append(measure(axis, size, args.repeats))
            print(f"| {axis} | {size:,} | {found[-1][0]:.2f} | {found[-1][1]:,.0f} |", flush=True)
        seconds, memory = (list(column) for column in zip(*found, strict=True))
        results[axis] = (values, seconds, memory)
        print(f"| {axis} | exponent | {slope(values, seconds):.2f} | {slope(values, memory):.2f} |", flush=True)
    if args.figure:
        draw(results, args.figure)


if __name__ == "__main__":
    main()
