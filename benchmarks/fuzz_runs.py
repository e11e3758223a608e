"""Load damaged and forged run folders: each is refused with an `IsthmusError`, or gives the model that was saved.

    python benchmarks/fuzz_runs.py --n 2000 --seed 0

Damage (truncated, flipped bits, replaced bytes, files of another run) keeps the checksums as they were; a forgery
recomputes them, so that it reaches what lies behind. A forgery that is consistent may be another model, but raises
nothing but `IsthmusError`, neither when it is loaded nor when it is used. The exit code is 1 after any violation.
"""

import argparse
import hashlib
import json
import random
import resource
import shutil
import signal
import sys
import tempfile
import time
import warnings
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from common import environment
from safetensors.torch import load_file, save_file

import isthmus
from isthmus import IsthmusError
from isthmus.runs import HISTORY, PARAMS, WEIGHTS

FILES = (PARAMS, WEIGHTS, HISTORY)
NUMBERS = [0, 1, -1, 2, 7, 255, 2**24, 2**31, 2**40, 2**63, 10**30, -(2**63), 0.5, 1e308, float("nan"), float("inf")]
WORDS = ["", "x", "../../x", "os.system", "VAE", "MLP", "float64", "O", "\0", "\ud800", "9" * 300, "é" * 10_000]
SLOWEST_ALLOWED = 10
Mutation = Callable[[Path, Path, random.Random], str]


def truncate(run: Path, other: Path, draw: random.Random) -> str:
    path = run / draw.choice(FILES)
    path.write_bytes(path.read_bytes()[: draw.randrange(path.stat().st_size)])
    return path.name


def flip(run: Path, other: Path, draw: random.Random) -> str:
    path = run / draw.choice(FILES)
    data = bytearray(path.read_bytes())
    for _ in range(draw.choice((1, 1, 3, 50))):
        data[draw.randrange(len(data))] ^= 1 << draw.randrange(8)
    path.write_bytes(data)
    return path.name


def replace(run: Path, other: Path, draw: random.Random) -> str:
    path = run / draw.choice(FILES)
    data = bytearray(path.read_bytes())
    start = draw.randrange(len(data))
    data[start : start + draw.randrange(64)] = draw.randbytes(draw.randrange(64))
    path.write_bytes(data)
    return path.name


def swap(run: Path, other: Path, draw: random.Random) -> str:
    name = draw.choice(FILES)
    shutil.copy(other / name, run / name)
    return name


def forge_parameters(run: Path, other: Path, draw: random.Random) -> str:
    params = json.loads((run / PARAMS).read_text())
    for _ in range(draw.choice((1, 1, 2, 4))):
        inner, key = draw.choice(list(places(params)))
        change(inner, key, draw)
    seal(run, params)
    return PARAMS


def forge_tensors(run: Path, other: Path, draw: random.Random) -> str:
    tensors = {name: tensor.clone() for name, tensor in load_file(run / WEIGHTS).items()}
    name = draw.choice(sorted(tensors))
    act = draw.choice(("drop", "rename", "dtype", "shape", "values", "add"))
    tensor = tensors[name] if act in ("values", "add") else tensors.pop(name)
    if act in ("rename", "add"):
        tensors[draw.choice(("module/", "array/", "", "../")) + draw.choice(WORDS[:8])] = tensor.clone()
    elif act == "dtype":
        tensors[name] = tensor.to(draw.choice((torch.float16, torch.bfloat16, torch.int64, torch.bool)))
    elif act == "shape":
        tensors[name] = draw.choice((tensor[None].clone(), tensor.reshape(-1)[:-1].clone(), tensor.reshape(-1, 1)))
    elif act == "values":
        tensor.fill_(draw.choice((0, -1, 1e30, float("nan"), float("inf"))))
    save_file(tensors, run / WEIGHTS)
    seal(run, json.loads((run / PARAMS).read_text()))
    return WEIGHTS


def forge_header(run: Path, other: Path, draw: random.Random) -> str:
    data = (run / WEIGHTS).read_bytes()
    size = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + size])
    for _ in range(draw.choice((1, 2))):
        inner, key = draw.choice(list(places(header)))
        change(inner, key, draw)
    text = json.dumps(header).encode()
    length = draw.choice((len(text),) * 4 + (0, 2**20, 2**40, 2**63))
    (run / WEIGHTS).write_bytes(length.to_bytes(8, "little") + text + data[8 + size :])
    seal(run, json.loads((run / PARAMS).read_text()))
    return WEIGHTS


def forge_bytes(run: Path, other: Path, draw: random.Random) -> str:
    """Damage to weights or history under checksums that are right."""
    before = (run / PARAMS).read_bytes()
    draw.choice((truncate, flip, replace, swap))(run, other, draw)
    (run / PARAMS).write_bytes(before)
    seal(run, json.loads(before))
    return "weights or history"


MUTATIONS: dict[str, Mutation] = {
    act.__name__: act
    for act in (truncate, flip, replace, swap, forge_parameters, forge_tensors, forge_header, forge_bytes)
}


def places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every container in a JSON value with each of its keys."""
    for key in list(value) if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ():
        yield value, key
        yield from places(value[key])


def change(inner: Any, key: Any, draw: random.Random) -> None:
    """Remove, replace or repeat one entry of a JSON container."""
    old = inner[key]
    act = draw.choice(("remove", "number", "number", "word", "word", "null", "list", "near", "near"))
    if act == "remove":
        del inner[key]
        return
    near = old + draw.choice((-1, 1)) if type(old) in (int, float) else [old, old]
    inner[key] = {
        "number": draw.choice(NUMBERS),
        "word": draw.choice(WORDS),
        "null": None,
        "list": [draw.choice(NUMBERS)] * draw.choice((0, 1, 3, 2000)),
        "near": near,
    }[act]


def seal(run: Path, params: dict[str, Any]) -> None:
    """Write parameters with checksums that are right, as a forger would."""
    if isinstance(params.get("files"), dict):
        for name in (WEIGHTS, HISTORY):
            data = (run / name).read_bytes()
            params["files"][name] = {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    rest = {name: value for name, value in params.items() if name != "digest"}
    params["digest"] = hashlib.sha256(json.dumps(rest, sort_keys=True).encode()).hexdigest()
    (run / PARAMS).write_text(json.dumps(params))


def originals(folder: Path, X: np.ndarray) -> dict[Path, bytes]:
    """A run of each variant, and two of other shapes, with the codes that each gives."""
    made = {}
    for name, cls in isthmus.models().items():
        made[folder / name] = cls(2, max_epochs=2, random_state=0)
    made[folder / "pictures"] = isthmus.VAE(3, image_shape=(2, 3), network="conv", max_epochs=2, random_state=0)
    for path, estimator in made.items():
        estimator.fit(X).save(path)
    return {path: estimator.transform(X).tobytes() for path, estimator in made.items()}


def outcome(run: Path, X: np.ndarray, expected: bytes, *, forged: bool) -> tuple[str, float]:
    """What a folder came to, and the seconds that loading took."""
    started = time.perf_counter()
    signal.alarm(SLOWEST_ALLOWED)
    try:
        model = isthmus.load(run)
    except IsthmusError:
        return "refused", time.perf_counter() - started
    except BaseException as error:
        return f"VIOLATION: load raised {error!r}"[:160], time.perf_counter() - started
    finally:
        signal.alarm(0)
    seconds = time.perf_counter() - started
    try:
        codes = model.transform(X).tobytes()
    except IsthmusError:
        return "forgery: refused when used", seconds
    except BaseException as error:
        return f"VIOLATION: transform raised {error!r}"[:160], seconds
    if codes == expected:
        return "equal codes", seconds
    return ("forgery: other codes" if forged else "VIOLATION: other codes"), seconds


def out_of_time(signum: int, frame: Any) -> None:
    raise TimeoutError(f"loading takes more than {SLOWEST_ALLOWED} s")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--n", type=int, default=2000, help="folders")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    torch.set_num_threads(1)
    signal.signal(signal.SIGALRM, out_of_time)
    draw = random.Random(args.seed)
    X = np.random.default_rng(args.seed).normal(size=(60, 6)) @ np.diag(np.arange(1.0, 7.0))
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    slowest, seconds = (0.0, ""), 0.0
    with tempfile.TemporaryDirectory() as name, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = originals(Path(name), X)
        before, run = peak_megabytes(), Path(name) / "mutated"
        for number in range(args.n):
            source, other = draw.choice(list(expected)), draw.choice(list(expected))
            kind = draw.choice(list(MUTATIONS))
            shutil.rmtree(run, ignore_errors=True)
            shutil.copytree(source, run)
            MUTATIONS[kind](run, other, draw)
            result, took = outcome(run, X, expected[source], forged=kind.startswith("forge"))
            counts[kind][result] += 1
            seconds, slowest = seconds + took, max(slowest, (took, f"{kind} {number}"))
        grown = peak_megabytes() - before
    print(environment())
    print(vars(args))
    return report(counts, seconds, slowest, grown)


def report(counts: dict[str, Counter[str]], seconds: float, slowest: tuple[float, str], grown: float) -> int:
    """Print the summary; returns the exit code."""
    results = sorted({result for counter in counts.values() for result in counter})
    kinds = sorted(counts)
    print(f"\n| outcome | {' | '.join(kinds)} | all |\n| --- |{' --- |' * (len(kinds) + 1)}")
    for result in results:
        row = [counts[kind][result] for kind in kinds]
        print(f"| {result} | {' | '.join(map(str, row))} | {sum(row)} |")
    bad = sum(n for counter in counts.values() for result, n in counter.items() if result.startswith("VIOLATION"))
    print(f"\nloading took {seconds:.1f} s in all, {slowest[0]:.3f} s at most ({slowest[1]});")
    print(f"peak memory rose by {grown:.0f} MB; {bad} violations")
    return 1 if bad else 0


def peak_megabytes() -> float:
    """Largest resident memory of this process so far (Linux counts it in KB, macOS in bytes)."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1 << 20 if sys.platform == "darwin" else 1 << 10)


if __name__ == "__main__":
    sys.exit(main())
