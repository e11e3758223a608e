"""Many clients at once: is every answer right, and does the memory of the studio stay as it is?

    python benchmarks/studio_load.py --seconds 60

A VAE with 16 latents on pictures of 28x28 is served by `isthmus studio` in a process of its own. As many threads as
there are clients ask for codes, pictures, reconstructions, scores, samples, the map, and, over sockets, for what a
slider shows; each answer is compared with the one that was given when nobody else asked. 429 and 503, which the API
documents, are asked again after a moment; any other refusal, and any byte that differs, counts as an error. Memory is
the resident set of the server, read every second; the first fifth of the time counts as warming up.
"""

import argparse
import io
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import httpx
import numpy as np
from common import environment
from studio_start import make_run
from websockets.sync.client import connect

from isthmus.studio.frames import unpack

NPY = {"Content-Type": "application/x-npy"}
AGAIN = (429, 503)


def npy(array: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


def questions(X: np.ndarray, Z: np.ndarray) -> list[tuple[str, str, dict]]:
    """What is asked, each with an answer that is always the same."""
    found: list[tuple[str, str, dict]] = []
    for row in range(0, 40, 4):
        one = X[row : row + 1 + row % 3]
        found.append(("POST", "/api/encode/run", {"content": npy(one), "headers": NPY}))
        found.append(("POST", "/api/decode/run", {"content": npy(Z[row : row + 2]), "headers": NPY}))
        found.append(("POST", "/api/decode/run", {"json": {"Z": Z[row : row + 1].tolist()}}))
        found.append(("POST", "/api/reconstruct/run", {"json": {"X": one.tolist()}}))
        found.append(("POST", "/api/score/run", {"content": npy(one), "headers": NPY}))
        found.append(("POST", "/api/sample/run", {"json": {"n": 2, "random_state": row}}))
        found.append(("GET", f"/api/samples/run?rows={row},{row + 1}", {}))
        found.append(("GET", f"/api/posterior/run?row={row}", {}))
    return [*found, ("GET", "/api/map/run?limit=2000", {}), ("GET", "/api/runs", {}), ("GET", "/api/run/run", {})]


class Load:
    """Clients that ask until the time is over."""

    def __init__(self, url: str, X: np.ndarray, Z: np.ndarray, seconds: float) -> None:
        self.url, self.X, self.Z = url, X, Z
        self.until = time.perf_counter() + seconds
        self.counts: Counter[str] = Counter()
        self.times: list[float] = []
        self.lock = threading.Lock()
        self.questions = questions(X, Z)
        with httpx.Client(base_url=url, timeout=120) as client:
            self.answers = [client.request(method, path, **body).content for method, path, body in self.questions]
        self.frames = [self._shown(answer) for answer in self._ask_socket(range(len(Z)))]

    def over_http(self, seed: int) -> None:
        chance = random.Random(seed)
        with httpx.Client(base_url=self.url, timeout=120) as client:
            while time.perf_counter() < self.until:
                number = chance.randrange(len(self.questions))
                method, path, body = self.questions[number]
                started = time.perf_counter()
                answer = client.request(method, path, **body)
                if answer.status_code in AGAIN:
                    self._count(f"{answer.status_code}")
                    time.sleep(0.05)
                elif answer.status_code != 200:
                    self._count(f"unexpected {answer.status_code}: {answer.text[:80]}")
                else:
                    right = answer.content == self.answers[number]
                    self._count("right" if right else f"differs: {method} {path}", time.perf_counter() - started)

    def over_socket(self, seed: int) -> None:
        chance = random.Random(seed)
        with connect(self.url.replace("http", "ws") + "/api/live") as socket:
            while time.perf_counter() < self.until:
                number = chance.randrange(len(self.Z))
                started = time.perf_counter()
                socket.send(self._message(number))
                header, arrays = unpack(socket.recv())
                if header.get("status") in AGAIN:
                    self._count(f"{header['status']}")
                    time.sleep(0.05)
                elif "error" in header:
                    self._count(f"unexpected {header['error'][:80]}")
                else:
                    right = arrays["shown"].tobytes() == self.frames[number]
                    self._count("right" if right else "differs: live", time.perf_counter() - started)

    def _message(self, number: int) -> str:
        return json.dumps({"id": number, "op": "decode", "run": "run", "z": self.Z[number].tolist()})

    def _ask_socket(self, numbers: range) -> list[bytes]:
        with connect(self.url.replace("http", "ws") + "/api/live") as socket:
            found = []
            for number in numbers:
                socket.send(self._message(number))
                found.append(socket.recv())
        return found

    @staticmethod
    def _shown(frame: bytes) -> bytes:
        return unpack(frame)[1]["shown"].tobytes()

    def _count(self, what: str, seconds: float | None = None) -> None:
        with self.lock:
            self.counts[what] += 1
            if seconds is not None:
                self.times.append(seconds)


def resident(pid: int) -> float:
    """MB that a process holds."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


def run_clients(load: Load, n_clients: int, pid: int) -> list[float]:
    """Let the clients ask, half of them over sockets; returns the memory of each second."""
    work: list[Callable[[int], None]] = [load.over_socket if i % 2 else load.over_http for i in range(n_clients)]
    threads = [threading.Thread(target=ask, args=(i,)) for i, ask in enumerate(work)]
    for thread in threads:
        thread.start()
    memory = []
    while any(thread.is_alive() for thread in threads):
        memory.append(resident(pid))
        time.sleep(1)
    return memory


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clients", type=int, default=64)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--data", help="pictures of 28x28, as a file that isthmus reads")
    parser.add_argument("--run", type=Path, help="a run that is there already, called run")
    options = parser.parse_args()
    print(environment())
    with tempfile.TemporaryDirectory() as folder:
        run = options.run or make_run(Path(folder), options.data)
        command = [sys.executable, "-m", "isthmus", "studio", str(run), "--port", "0", "--no-open"]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        try:
            assert process.stdout is not None
            url = process.stdout.readline().split()[-1]
            with httpx.Client(base_url=url, timeout=120, transport=httpx.HTTPTransport(retries=20)) as client:
                frame = unpack(client.get("/api/samples/run?rows=" + ",".join(map(str, range(48)))).content)[1]
                X = np.ascontiguousarray(frame["shown"][..., 0])
                Z = np.load(io.BytesIO(client.post("/api/encode/run", content=npy(X), headers=NPY).content))
            load = Load(url, X, Z, options.seconds)
            memory = run_clients(load, options.clients, process.pid)
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(20)
    show(load, memory, options)


def show(load: Load, memory: list[float], options: argparse.Namespace) -> None:
    warm = memory[len(memory) // 5 :]
    times = np.sort(load.times) * 1000
    print(f"{options.clients} clients, half of them on sockets, {options.seconds:g} s\n\n| what | |\n| --- | --- |")
    for what, count in load.counts.most_common():
        print(f"| {what} | {count:,} |")
    print(f"| answers a second | {len(times) / options.seconds:,.0f} |")
    slow = ", ".join(f"{value:.0f}" for value in np.quantile(times, (0.5, 0.95, 0.99)))
    print(f"| ms for an answer, median, 95 %, 99 % | {slow} |")
    print(f"| MB after warming up: first, last, most | {warm[0]:.0f}, {warm[-1]:.0f}, {max(warm):.0f} |")
    slope = np.polyfit(np.arange(len(warm)), warm, 1)[0] if len(warm) > 2 else 0.0
    print(f"| MB a minute, by a line through them | {60 * slope:+.1f} |")


if __name__ == "__main__":
    main()
