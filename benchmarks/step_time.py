"""Seconds of a training step over the floor, and against a plain eager float32 loop.

    python benchmarks/step_time.py [--cases mlp strided pooled] [--batch_sizes 64 128 256 1024] [--repeats 5]
    python benchmarks/step_time.py --crossover

The first form is `isthmus bench` as a table; see `isthmus.bench` for what the floor is and what the plain loop does.
The second times plain steps of fully connected networks of growing size in float32 and bfloat16: from where on does the
narrow format pay? All ways run in turn in one process; medians over repeats.
"""

import argparse
import time
from itertools import count

import numpy as np
import torch
from common import environment

from isthmus import VAE, Trainer
from isthmus.bench.cases import CASES
from isthmus.bench.steps import time_steps
from isthmus.data.info import describe_data
from isthmus.models.fitting import prepare
from isthmus.networks import MLP
from isthmus.training.engine import Engine
from isthmus.training.runtime import process_settings

SIZES = ((64, 128, 32), (64, 128, 128), (128, 256, 64), (128, 256, 256), (256, 256, 128), (784, 512, 32))
SIZES = (*SIZES, (784, 512, 64), (784, 512, 128))


def table(cases: list[str], batch_sizes: list[int], repeats: int, compiled: bool) -> None:
    print(
        "| network | batch | format | loop, ms | plain | compiled | floor | plain/floor | compiled/floor | loop/best |",
        end="",
    )
    print(" rows/s | compiling, s |\n|" + " --- |" * 12)
    for case in cases:
        for size in batch_sizes:
            times = time_steps(case, size, compiled=compiled, repeats=repeats)
            ms = {name: 1e3 * seconds for name, seconds in times.seconds.items()}
            both = [f"{ms['compiled']:.2f}", f"{ms['compiled'] / ms['floor']:.2f}"] if "compiled" in ms else ["-", "-"]
            took = "-" if times.compile_seconds is None else f"{times.compile_seconds:.1f}"
            row = [
                case,
                f"{size}",
                "bf16" if times.bf16 else "32",
                f"{ms['loop']:.2f}",
                f"{ms['plain']:.2f}",
                both[0],
                f"{ms['floor']:.2f}",
                f"{ms['plain'] / ms['floor']:.2f}",
                both[1],
                f"{times.seconds['loop'] / times.best:.2f}",
                f"{size / times.best:,.0f}",
                took,
            ]
            print(f"| {' | '.join(row)} |", flush=True)
            print(f"  {times.limit()}", flush=True)


def crossover(repeats: int) -> None:
    print("| values | hidden | batch | multiplications, log2 | float32, ms | bfloat16, ms | ratio |\n|" + " --- |" * 7)
    for n_values, hidden, size in SIZES:
        X = (np.random.default_rng(0).random((2000, n_values)) < 0.3).astype(np.uint8)
        batch = torch.from_numpy(X[:size])
        ways = {}
        for precision in ("32", "bf16"):
            model = VAE(8, network=MLP(hidden=(hidden, hidden)))
            prepare(model, describe_data(X), 0)
            engine = Engine(model.module_.train(), Trainer(compile=False), torch.device("cpu"), precision == "bf16")
            engine.weights.use_copies()
            ways[precision] = (engine, count())
        times: dict[str, list[float]] = {name: [] for name in ways}
        with process_settings(Trainer()):
            for _ in range(20 * repeats):
                for name, (engine, numbers) in ways.items():
                    started = time.perf_counter()
                    engine.step([batch], next(numbers), 10**6)
                    times[name].append(time.perf_counter() - started)
        wide, narrow = (1e3 * float(np.median(values[5:])) for values in times.values())
        work = np.log2(size * sum(p.numel() for p in model.module_.parameters()))
        print(
            f"| {n_values} | {hidden} | {size} | {work:.1f} | {wide:.2f} | {narrow:.2f} | {wide / narrow:.2f} |",
            flush=True,
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", nargs="+", choices=list(CASES), default=list(CASES))
    parser.add_argument("--batch_sizes", nargs="+", type=int, default=[64, 128, 256, 1024])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--no_compile", action="store_true")
    parser.add_argument("--crossover", action="store_true")
    args = parser.parse_args()
    print(f"{environment()}, {torch.get_num_threads()} threads\n")
    if args.crossover:
        crossover(args.repeats)
    else:
        table(args.cases, args.batch_sizes, args.repeats, not args.no_compile)


if __name__ == "__main__":
    main()
