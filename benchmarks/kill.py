"""Kill a training with SIGKILL at random moments, resume it, and compare its weights with an uninterrupted run's.

    python benchmarks/kill.py --n 20 --seed 0

Moments are drawn evenly from the first checkpoint to the end of the process, the writing of the run included. The
exit code is 1 if any resumed run ends with other weights.
"""

import argparse
import hashlib
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from common import environment
from safetensors import safe_open
from safetensors.torch import load_file

from isthmus.training.checkpoint import FILE


@dataclass(frozen=True)
class Command:
    """The training that is killed."""

    model: str
    data: str
    epochs: int
    checkpoint_every: float
    seed: int
    threads: int

    def start(self, out: Path) -> subprocess.Popen:
        """Run it with the folder ``out``, resuming what is there."""
        options = {
            "--out": out,
            "--max_epochs": self.epochs,
            "--random_state": self.seed,
            "--trainer.checkpoint_every": self.checkpoint_every,
            "--report": "false",
        }
        words = [str(word) for pair in options.items() for word in pair]
        resume = ["--resume"] if (out / "checkpoint").is_dir() else []
        # The same number of threads each time: sums in another order have other roundings.
        return subprocess.Popen(
            [sys.executable, "-m", "isthmus.cli", "fit", self.model, self.data, "--quiet", *words, *resume],
            env={**os.environ, "OMP_NUM_THREADS": str(self.threads)},
            stderr=subprocess.DEVNULL,
        )

    def finish(self, out: Path) -> tuple[float, float]:
        """Run it to the end; returns the seconds from its start and from its first checkpoint."""
        started, process = time.monotonic(), self.start(out)
        await_checkpoint(process, out)
        training = time.monotonic()
        if process.wait() != 0:
            raise SystemExit(f"the training in {out} ended with exit code {process.returncode}")
        return time.monotonic() - started, time.monotonic() - training


def await_checkpoint(process: subprocess.Popen, out: Path) -> None:
    """Wait until the training has written a checkpoint, or has ended."""
    while not (out / "checkpoint" / FILE).exists() and process.poll() is None:
        time.sleep(0.002)


def kill_after(command: Command, out: Path, seconds: float) -> bool:
    """Start the training and kill it so long after its first checkpoint; returns whether it still ran."""
    process = command.start(out)
    await_checkpoint(process, out)
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        return True
    return False


def weights_digest(out: Path) -> str:
    """SHA-256 of names, types, shapes and bytes of the weights."""
    total = hashlib.sha256()
    for name, tensor in sorted(load_file(out / "model.safetensors").items()):
        total.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        total.update(tensor.numpy().tobytes())
    return total.hexdigest()


def where_it_stood(out: Path) -> str:
    """Epoch and batch of the checkpoint that a killed training left."""
    path = out / "checkpoint" / FILE
    if not path.exists():
        return "no checkpoint yet"
    with safe_open(path, framework="pt") as file:
        position = json.loads(file.metadata()["position"])
    done = ", finished" if position["finished"] else ""
    return f"epoch {position['epoch']}, batch {position['batch']}{done}"


def leftovers(out: Path) -> int:
    """Temporary files that are still there."""
    return sum(path.name.startswith(".") for path in out.rglob("*"))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="vae")
    parser.add_argument("--data", default="faces:n=1000,size=32")
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--checkpoint_every", type=float, default=0.2)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--n", type=int, default=20, help="moments")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    command = Command(args.model, args.data, args.epochs, args.checkpoint_every, args.seed, args.threads)
    draw = random.Random(args.seed)
    n_different = 0
    with tempfile.TemporaryDirectory() as folder:
        whole = Path(folder) / "whole"
        seconds, training = command.finish(whole)
        expected = weights_digest(whole)
        print(environment())
        print(vars(args))
        print(f"uninterrupted: {seconds:.1f} s, {training:.1f} s of it from the first checkpoint on; {expected[:16]}\n")
        print("| killed after (s) | checkpoint left | resumed for (s) | temporary files left | weights |")
        print("| --- | --- | --- | --- | --- |")
        for number in range(args.n):
            out, moment = Path(folder) / str(number), draw.uniform(0, training)
            killed = kill_after(command, out, moment)
            stood = where_it_stood(out) if killed else "ended before"
            resumed = command.finish(out)[0] if killed else 0.0
            same = weights_digest(out) == expected
            n_different += not same
            verdict = "equal" if same else "DIFFERENT"
            print(f"| {moment:.2f} | {stood} | {resumed:.1f} | {leftovers(out)} | {verdict} |", flush=True)
    print(f"\n{args.n - n_different} of {args.n} equal, {n_different} different")
    return 1 if n_different else 0


if __name__ == "__main__":
    sys.exit(main())
