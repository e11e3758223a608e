"""Encoding one row and many: `transform` with all its checks against what it could be made of, laid bare.

    OMP_NUM_THREADS=2 python benchmarks/encoding.py --threads 2
    OMP_NUM_THREADS=1 python benchmarks/encoding.py --clock cpu

"eager" is the encoder of the model as PyTorch runs it; "compiled" the same by `torch.compile`, with frozen weights and
fixed shapes; "onnx" the whole encoder as `to_onnx` writes it, in an ONNX Runtime session. All are handed float32 arrays
of the right shape and have nothing else to do. "ours" is `estimator.transform`. With bf16, "eager" is autocast, and
"copied" a copy of the encoder with batch normalisation merged and channels last. Milliseconds, medians over alternating
repeats; "best" is the fastest of those that are not ours.
"""

import argparse
import copy
import tempfile
import time
from collections.abc import Callable

import numpy as np
import onnxruntime
import torch
from common import environment
from torch import nn

import isthmus
from isthmus import VAE
from isthmus.engines.norms import without_norms
from isthmus.networks import MLP, Conv, Network
from isthmus.onnx import to_onnx

Call = Callable[[], object]
NETWORKS: dict[str, Network] = {
    "mlp 784-512-512": MLP((512, 512)),
    "conv 32-64-128": Conv((32, 64, 128)),
    "conv 32-64-128, batch norm": Conv((32, 64, 128), norm="batch"),
    "conv 32-64-128, pooled": Conv((32, 64, 128), pool="max", norm="batch"),
}


def medians(calls: dict[str, Call], repeats: int, seconds: float, clock: Callable[[], float]) -> dict[str, float]:
    """Seconds of one call each, in turn, so that a busy moment hits all of them."""
    n_calls = {}
    for name, call in calls.items():
        for _ in range(3):
            call()
        started = time.perf_counter()
        call()
        n_calls[name] = max(1, int(seconds / (time.perf_counter() - started)))
    found: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(repeats):
        for name, call in calls.items():
            started = clock()
            for _ in range(n_calls[name]):
                call()
            found[name].append((clock() - started) / n_calls[name])
    return {name: float(np.median(times)) for name, times in found.items()}


class Encoder(nn.Module):
    """Data to codes, as a model that knows nothing of estimators."""

    def __init__(self, model: VAE) -> None:
        super().__init__()
        self.model = model.module_

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.model.encode(x).mean


def compiled(encoder: nn.Module, x: torch.Tensor) -> Call:
    torch._dynamo.reset()
    fast = torch.compile(encoder, dynamic=False, options={"freezing": True})
    return lambda: fast(x)


def in_autocast(call: Call) -> Call:
    def run() -> object:
        with torch.autocast("cpu", torch.bfloat16):
            return call()

    return run


def without_gradients(call: Call) -> Call:
    def run() -> object:
        with torch.no_grad():
            return call()

    return run


def copied(model: VAE, x: torch.Tensor) -> Call:
    module = model.module_
    network = nn.Sequential(*without_norms(copy.deepcopy(module.network.encoder)))
    network = network.bfloat16().to(memory_format=torch.channels_last)
    return lambda: network(module.scaling(x).bfloat16())[:, : model.latent_dim_].float()


def ours(model: VAE, X: np.ndarray, backend: str, precision: str) -> Call:
    def run() -> object:
        with isthmus.inference(backend, precision):  # type: ignore[arg-type]
            return model.transform(X)

    return run


def compare(name: str, network: Network, args: argparse.Namespace, clock: Callable[[], float]) -> None:
    rng = np.random.default_rng(0)
    X = rng.integers(0, 256, (1024, 28, 28)).astype(np.float32)
    model = VAE(32, network=network, max_epochs=1, random_state=0).fit(X[:256])
    encoder = Encoder(model).eval()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = args.threads
    with tempfile.TemporaryDirectory() as folder:
        session = onnxruntime.InferenceSession(str(to_onnx(model, folder).encoder), options)
    for n_rows in args.rows:
        rows = X[:n_rows]
        x = torch.tensor(rows)

        def eager(x: torch.Tensor = x) -> object:
            return encoder(x)

        frozen, frozen_bf16 = compiled(encoder, x), compiled(copy.deepcopy(encoder), x)
        calls: dict[str, Call] = {
            "eager": without_gradients(eager),
            "compiled": without_gradients(frozen),
            "onnx": lambda rows=rows: session.run(None, {"x": rows}),
            "ours": lambda rows=rows: model.transform(rows),
            "ours, eager": ours(model, rows, "eager", "32"),
        }
        calls_bf16: dict[str, Call] = {
            "eager": without_gradients(in_autocast(eager)),
            "compiled": without_gradients(in_autocast(frozen_bf16)),
            "copied": without_gradients(copied(model, x)),
            "ours": ours(model, rows, "auto", "bf16"),
        }
        for precision, group in (("fp32", calls), ("bf16", calls_bf16)):
            found = medians(group, args.repeats, args.seconds, clock)
            best = min(seconds for kind, seconds in found.items() if not kind.startswith("ours"))
            cells = [f"{1e3 * found[kind]:.3f}" if kind in found else "" for kind in (*calls, "copied")]
            rate = f"{n_rows / found['ours']:,.0f}"
            print(
                f"| {name} | {n_rows} | {precision} | {' | '.join(cells)} | {rate} | {found['ours'] / best:.2f} |",
                flush=True,
            )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rows", type=int, nargs="+", default=[1, 1024])
    parser.add_argument("--networks", nargs="+", default=list(NETWORKS), help="parts of their names")
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--seconds", type=float, default=0.05, help="of one repeat")
    parser.add_argument(
        "--clock", choices=["wall", "cpu"], default="wall", help="cpu: of one thread, on a busy machine"
    )
    args = parser.parse_args()
    if args.clock == "cpu" and args.threads > 1:
        parser.error("the time of one thread says nothing about two; leave --threads out")
    torch.set_num_threads(args.threads)
    clock = time.perf_counter if args.clock == "wall" else time.thread_time
    print(environment(), f"onnxruntime {onnxruntime.__version__}, {args.threads} threads, {args.clock} clock\n")
    print(
        "| network | rows | precision | eager | compiled | onnx | ours | ours, eager | copied | rows/s | ours / best |"
    )
    print("| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |")
    for name, network in NETWORKS.items():
        if any(part in name for part in args.networks):
            compare(name, network, args, clock)


if __name__ == "__main__":
    main()
