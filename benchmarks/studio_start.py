"""How long `isthmus studio` takes from the start of the process to the first map of a run of the size of MNIST.

    python benchmarks/studio_start.py
    python benchmarks/studio_start.py --data train-images-idx3-ubyte.gz

A VAE with 16 latents is fitted for one epoch to 60,000 pictures of 28x28 (digits, enlarged and shifted, in a .npy file,
or those that are named) and saved. Then the command is started as a user would, several times, and asked as a browser
would. Seconds from the start of the process until:

- page: its first page is there;
- list: the runs are listed;
- info: the ranges of the sliders are there, and
- first map: the map, both of the samples that were encoded in 0.3 s, a random choice, as the page shows first;
- map: all points are on it, encoded and projected on two principal components.

PyTorch is imported in the last three. "CPU" is the processor time of the process until the first map: on
a busy machine it is the better measure of the work. Medians over repeats.
"""

import argparse
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

import numpy as np
from common import environment
from sklearn.datasets import load_digits

from isthmus import VAE
from isthmus.runs import write_run

STEPS = {
    "page": "/",
    "list": "/api/runs",
    "info": "/api/run/run?patience=0.3",
    "first map": "/api/map/run?patience=0.3",
    "map": "/api/map/run",
}


def pictures(n: int) -> np.ndarray:
    """Digits of 24x24 at random places in pictures of 28x28, with a little noise."""
    rng = np.random.default_rng(0)
    digits = load_digits().images.repeat(3, 1).repeat(3, 2)
    X = np.zeros((n, 28, 28), np.uint8)
    chosen, places = rng.integers(0, len(digits), n), rng.integers(0, 5, (n, 2))
    for picture, digit, (top, left) in zip(X, digits[chosen], places, strict=True):
        picture[top : top + 24, left : left + 24] = np.clip(digit * 15 + rng.normal(0, 5, (24, 24)), 0, 255)
    return X


def make_run(folder: Path, data: str | None) -> Path:
    """A run of a VAE on these data, or on pictures that are made for it."""
    if data is None:
        data = str(folder / "pictures.npy")
        np.save(data, pictures(60_000))
    vae = VAE(latent_dim=16, max_epochs=1, random_state=0).fit(data)
    write_run(vae, folder / "run", {"data": str(Path(data).absolute()), "options": {}})
    return folder / "run"


def get(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=60) as answer:
        return answer.read()


def once(run: Path) -> dict[str, float]:
    """Seconds from the start of a process until each step is answered, and its processor time at the first map."""
    started = time.perf_counter()
    command = [sys.executable, "-m", "isthmus", "studio", str(run), "--port", "0", "--no-open"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        url = process.stdout.readline().split()[-1]
        found: dict[str, float] = {}
        for step, path in STEPS.items():
            while True:
                try:
                    get(url + path)
                    break
                except urllib.error.URLError:  # it does not listen yet
                    time.sleep(0.005)
            found[step] = time.perf_counter() - started
            if step == "first map":
                found["CPU"] = processor_seconds(process.pid)
        return found
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(20)


def processor_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", help="60,000 pictures of 28x28, as a file that isthmus reads")
    parser.add_argument("--run", type=Path, help="a run that is there already, called run")
    parser.add_argument("--repeats", type=int, default=7)
    options = parser.parse_args()
    print(environment())
    with tempfile.TemporaryDirectory() as folder:
        run = options.run or make_run(Path(folder), options.data)
        once(run)  # brings everything into the file cache
        times = [once(run) for _ in range(options.repeats)]
    print("| until | median s | fastest | slowest |\n| --- | --- | --- | --- |")
    for step in (*STEPS, "CPU"):
        values = [found[step] for found in times]
        print(f"| {step} | {statistics.median(values):.2f} | {min(values):.2f} | {max(values):.2f} |")


if __name__ == "__main__":
    main()
