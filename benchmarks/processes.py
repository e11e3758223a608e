"""One process against several: the same losses, the time of an epoch, and what happens when one is killed.

    python benchmarks/processes.py --devices 2 --epochs 10

The processes are on this machine's CPU, joined by gloo. The exit code is 1 if the losses of some epoch differ by more
than the tolerance of their precision, if the processes end with different weights, or if the survivor of a killed
process does not end within 30 seconds with an error.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from common import environment

from isthmus import VAE, Trainer
from isthmus.data import load
from isthmus.networks import MLP
from isthmus.processes.group import Joined
from isthmus.training.checkpoint import FILE

TOLERANCE = {"32": 1e-5, "bf16": 1e-2}
LIMIT = 30.0


def train(options: dict[str, Any]) -> None:
    """Train in this process or, as its trainer says, in several; each writes its losses and weights."""
    X = load(f"faces:n={options['rows']},size=28").X
    trainer = Trainer(device="cpu", batch_size=options["batch"], compile=False, **options["trainer"])
    model = VAE(
        16, network=MLP((512, 512)), max_epochs=options["epochs"], trainer=trainer, random_state=options["seed"]
    )
    model.fit(X)
    rank = Joined.group.rank if Joined.group else 0
    weights = {f"weights/{name}": t.numpy() for name, t in model.module_.state_dict().items()}
    np.savez(f"{options['out']}.{rank}.npz", **{k: np.asarray(v) for k, v in model.history_.items()}, **weights)


def start(options: dict[str, Any]) -> subprocess.Popen:
    """The same as a program."""
    return subprocess.Popen(
        [sys.executable, __file__, "--train", json.dumps(options)],
        env={**os.environ, "OMP_NUM_THREADS": str(options["threads"])},
        stderr=subprocess.PIPE,
        text=True,
    )


def outcome(options: dict[str, Any], devices: int) -> list[dict[str, np.ndarray]]:
    """What every process made of it."""
    process = start(options)
    _, err = process.communicate()
    if process.returncode:
        raise SystemExit(f"a training with {devices} processes ended with exit code {process.returncode}:\n{err}")
    return [dict(np.load(f"{options['out']}.{rank}.npz")) for rank in range(devices)]


def seconds_to_complain(options: dict[str, Any], folder: Path) -> tuple[float, int, str]:
    """Kill the second process in the middle: seconds until the first has ended, its exit code, and its last words."""
    checkpoint = folder / "checkpoint"
    trainer = {**options["trainer"], "checkpoint": str(checkpoint), "checkpoint_every": 0.5}
    process = start({**options, "trainer": trainer, "epochs": 10_000})
    while not (checkpoint / FILE).exists() and process.poll() is None:
        time.sleep(0.05)
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    os.kill(int(children[0]), signal.SIGKILL)
    started = time.monotonic()
    _, err = process.communicate()
    return time.monotonic() - started, process.returncode, err.strip().splitlines()[-1]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--devices", type=int, default=2)
    parser.add_argument("--strategies", nargs="+", default=["ddp", "fsdp"])
    parser.add_argument("--precision", nargs="+", default=["bf16", "32"])
    parser.add_argument("--rows", type=int, default=2000)
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--threads", type=int, default=1, help="of each process")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--train", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.train:
        train(json.loads(args.train))
        return 0
    failed = False
    print(environment())
    print({k: v for k, v in vars(args).items() if k != "train"})
    shared = {"rows": args.rows, "batch": args.batch, "epochs": args.epochs, "threads": args.threads, "seed": args.seed}
    with tempfile.TemporaryDirectory() as folder:
        for precision in args.precision:
            runs: dict[str, list[dict[str, np.ndarray]]] = {}
            for name, devices in [("one", 1), *((s, args.devices) for s in args.strategies)]:
                trainer = {"precision": precision, "devices": devices, "strategy": name if devices > 1 else "auto"}
                out = f"{folder}/{precision}-{name}"
                runs[name] = outcome({**shared, "trainer": trainer, "out": out}, devices)
            failed |= report(precision, runs, args.devices)
        trainer = {"precision": args.precision[0], "devices": args.devices}
        seconds, code, words = seconds_to_complain(
            {**shared, "trainer": trainer, "out": f"{folder}/killed"}, Path(folder)
        )
        print(
            f"\nkilled the second process: the first ended after {seconds:.1f} s with exit code {code}, saying\n{words}"
        )
        failed |= seconds > LIMIT or code == 0 or "LostProcessError" not in words
    return int(failed)


def report(precision: str, runs: dict[str, list[dict[str, np.ndarray]]], devices: int) -> bool:
    """Print losses side by side; whether they differ by too much, or weights between processes at all."""
    one = runs["one"][0]
    others = {name: run[0] for name, run in runs.items() if name != "one"}
    columns = "".join(f" {name}, {devices} processes |" for name in others)
    print(f"\nprecision {precision}: validation loss in nats per sample\n")
    print(f"| epoch | one process |{columns}")
    print("| --- | --- |" + " --- |" * len(others))
    for i, epoch in enumerate(one["epoch"]):
        print(
            f"| {epoch} | {one['val_loss'][i]:.4f} |" + "".join(f" {r['val_loss'][i]:.4f} |" for r in others.values())
        )
    print(f"| s / epoch (median) | {np.median(one['seconds']):.3f} |", end="")
    print("".join(f" {np.median(r['seconds']):.3f} |" for r in others.values()))
    failed = False
    for name, run in others.items():
        curves = [key for key in one if key.endswith("_loss")]
        worst = max(float(np.max(np.abs(run[key] / one[key] - 1))) for key in curves)
        equal = all(np.array_equal(runs[name][0][k], r[k]) for r in runs[name] for k in r if k.startswith("weights/"))
        print(f"\n{name}: largest relative difference of a loss {worst:.1e}; weights of all processes equal: {equal}")
        failed |= worst > TOLERANCE[precision] or not equal
    return failed


if __name__ == "__main__":
    sys.exit(main())
