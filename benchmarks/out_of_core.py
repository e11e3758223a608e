"""Training and encoding data that are larger than memory: peak memory and speed against data in memory.

    python benchmarks/out_of_core.py --gigabytes 12 --dir /somewhere/with/space

Writes a float32 ``.npy`` of rows of 784 values, a decoder of random weights on codes of 16 with noise. Each measurement
is a process of its own. "memory": one epoch on the first rows, which are held in memory. "stream": one epoch on the
whole file, and `isthmus.data.apply` of ``transform`` to it; before each the file is dropped from the page cache. Peak
memory is VmHWM: everything resident, torch included. Rows/s of training are those of the epoch, validation included;
the time of the whole fit is given too.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from common import environment

_WIDTH, _LATENTS, _BLOCK = 784, 16, 50_000


def write(path: Path, gigabytes: float, seed: int) -> int:
    """Make the file; returns its rows."""
    n = int(gigabytes * 1e9) // (4 * _WIDTH)
    rng = np.random.default_rng(seed)
    hidden, out = rng.normal(size=(_LATENTS, 64)).astype(np.float32), rng.normal(size=(64, _WIDTH)).astype(np.float32)
    with path.open("wb") as file:
        header = {"descr": "<f4", "fortran_order": False, "shape": (n, _WIDTH)}
        np.lib.format.write_array_header_1_0(file, header)
        for start in range(0, n, _BLOCK):
            codes = rng.standard_normal((min(_BLOCK, n - start), _LATENTS), dtype=np.float32)
            rows = np.tanh(codes @ hidden) @ out / 8
            rows += 0.1 * rng.standard_normal(rows.shape, dtype=np.float32)
            rows.tofile(file)
        file.flush()
        os.fsync(file.fileno())
    return n


def drop(path: Path) -> None:
    """Take a file out of the page cache."""
    handle = os.open(path, os.O_RDONLY)
    os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_DONTNEED)
    os.close(handle)


def peak() -> float:
    """Most memory that was ever resident, in GB."""
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) * 1024 / 1e9


def measure(task: str, path: Path, rows: int, out: Path, seed: int) -> dict[str, float]:
    """One measurement, in this process."""
    import isthmus
    from isthmus import VAE, Trainer
    from isthmus.networks import MLP

    started = time.perf_counter()
    if task == "encode":
        model = isthmus.load(out)
        ready = time.perf_counter()
        shape = isthmus.data.apply(model.transform, path, out / "codes.npy")
        return {"rows": shape[0], "seconds": time.perf_counter() - ready, "peak": peak()}
    X = np.load(path, mmap_mode="r")[:rows].copy() if task == "memory" else path
    trainer = Trainer(batch_size=256, memory_limit=1e6 if task == "memory" else 2)
    model = VAE(32, network=MLP(hidden=(512, 512)), max_epochs=1, random_state=seed, trainer=trainer).fit(X)
    whole = time.perf_counter() - started
    if task == "stream":
        model.save(out, overwrite=True)
    return {"rows": rows, "seconds": model.history_["seconds"][0], "whole": whole, "peak": peak()}


def run(task: str, path: Path, rows: int, out: Path, seed: int) -> dict[str, float]:
    """One measurement, in a new process."""
    drop(path)
    words = ["--task", task, "--file", path, "--rows", rows, "--out", out, "--seed", seed]
    command = [sys.executable, __file__, *map(str, words)]
    return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)


def report(folder: Path, args: argparse.Namespace) -> None:
    path, out = folder / "rows.npy", folder / "run"
    n = write(path, args.gigabytes, args.seed)
    try:
        subset = min(args.subset, n)
        found: dict[str, list[dict[str, float]]] = {"memory": [], "stream": [], "encode": []}
        for repeat in range(args.repeats):
            for task, runs in found.items():
                runs.append(run(task, path, subset if task == "memory" else n, out, args.seed + repeat))
    finally:
        path.unlink()
    print(environment())
    print(f"{args.gigabytes:g} GB, {n:,} rows of {_WIDTH} float32; {args.repeats} repeats\n")
    print("| task | rows | rows/s | s of the whole fit | peak memory (GB) |")
    print("| --- | --- | --- | --- | --- |")
    speed = {}
    for task, runs in found.items():
        speed[task] = statistics.median(r["rows"] / r["seconds"] for r in runs)
        whole = statistics.median(r.get("whole", 0) for r in runs)
        top = max(r["peak"] for r in runs)
        print(f"| {task} | {runs[0]['rows']:,} | {speed[task]:,.0f} | {whole:.0f} | {top:.2f} |")
    print(f"\nstream / memory: {speed['stream'] / speed['memory']:.2f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gigabytes", type=float, default=12)
    parser.add_argument("--dir", type=Path, help="folder with room for the file; by default a temporary one")
    parser.add_argument("--subset", type=int, default=200_000, help="rows that are held in memory")
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--task", choices=["memory", "stream", "encode"], help=argparse.SUPPRESS)
    parser.add_argument("--file", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--out", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--rows", type=int, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.task:
        print(json.dumps(measure(args.task, args.file, args.rows, args.out, args.seed)))
        return
    with tempfile.TemporaryDirectory(dir=args.dir) as folder:
        report(Path(folder), args)


if __name__ == "__main__":
    main()
