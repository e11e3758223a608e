"""``isthmus bench``: how fast this machine trains, beside the floor."""

from __future__ import annotations

import platform
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from isthmus.commands.parsing import Parser
from isthmus.errors import ParameterError

if TYPE_CHECKING:
    from isthmus.bench.steps import StepTimes

_NAMES = {"mlp": "MLP", "strided": "convolutional, strided", "pooled": "convolutional, pooled"}


def run(command: str, args: list[str]) -> int:
    """Time, and print one line for each network and size of batch."""
    parser = Parser(
        prog="isthmus bench",
        description="Time training steps on this machine, side by side: a plain eager float32 loop, isthmus, and the "
        "floor, which is what no step can do without (matrix products, fused update of the weights, gather).",
    )
    parser.add_argument("--cases", type=list[str], default=list(_NAMES), help=f"networks: {', '.join(_NAMES)}")
    parser.add_argument("--batch_sizes", type=list[int], default=[64, 256, 1024], help="rows in a batch")
    parser.add_argument("--compile", type=bool, default=True, help="time the compiled step too")
    parser.add_argument("--precision", type=str, default="auto", help="auto, 32 or bf16")
    parser.add_argument("--device", type=str, default="auto", help="auto, cpu, cuda")
    parser.add_argument("--repeats", type=int, default=5, help="the median is printed")
    parser.add_argument("--out", type=str | None, default=None, metavar="FILE", help="write the times as JSON")
    config = parser.parse_args(args)
    _check(config)
    from isthmus.bench.steps import time_steps
    from isthmus.files import write_json
    from isthmus.training import Trainer

    Trainer(precision=config.precision, device=config.device).validate()
    print(machine(config.device))
    print(_HEADER)
    results = []
    for case in config.cases:
        for batch_size in config.batch_sizes:
            times = time_steps(
                case,
                batch_size,
                compiled=config.compile,
                repeats=config.repeats,
                precision=config.precision,
                device=config.device,
            )
            results.append(times)
            print(line(times), flush=True)
    print()
    for times in results:
        print(f"{_NAMES[times.case]}, batch {times.batch_size}: {times.limit()}")
    if config.out is not None:
        write_json(Path(config.out), {"machine": machine(config.device), "times": [asdict(times) for times in results]})
    return 0


_HEADER = (
    f"{'network':<24}{'batch':>6} {'format':>6}{'loop ms':>9}{'plain':>8}{'compiled':>10}{'floor':>8}"
    f"{'plain/floor':>13}{'best/floor':>12}{'loop/best':>11}{'rows/s':>10}{'compiling':>11}"
)


def line(times: StepTimes) -> str:
    """One row of the table."""
    ms = {name: 1e3 * seconds for name, seconds in times.seconds.items()}
    compiled = f"{ms['compiled']:.2f}" if "compiled" in ms else "-"
    took = "-" if times.compile_seconds is None else f"{times.compile_seconds:.1f} s"
    return (
        f"{_NAMES[times.case]:<24}{times.batch_size:>6} {'bf16' if times.bf16 else '32':>6}{ms['loop']:>9.2f}"
        f"{ms['plain']:>8.2f}{compiled:>10}{ms['floor']:>8.2f}{ms['plain'] / ms['floor']:>13.2f}"
        f"{1e3 * times.best / ms['floor']:>12.2f}{ms['loop'] / (1e3 * times.best):>11.2f}"
        f"{times.batch_size / times.best:>10,.0f}{took:>11}"
    )


def machine(device: str) -> str:
    """What the times were measured on."""
    import torch

    from isthmus.training.precision import has_fast_bf16
    from isthmus.training.runtime import choose_device, choose_threads

    where = choose_device(device)
    if where.type == "cuda":
        name = torch.cuda.get_device_name(where)
    else:
        name = f"{platform.machine()} CPU ({torch.backends.cpu.get_cpu_capability()}), {choose_threads(None)} threads"
    fast = "fast bfloat16" if has_fast_bf16(where) else "no fast bfloat16"
    return f"{name}, {fast}, PyTorch {torch.__version__}, Python {platform.python_version()}"


def _check(config) -> None:
    unknown = [case for case in config.cases if case not in _NAMES]
    if unknown:
        raise ParameterError(f"unknown network {unknown[0]!r} to time; choose from {', '.join(_NAMES)}")
    if not config.batch_sizes or min(config.batch_sizes) < 1 or config.repeats < 1:
        raise ParameterError("batch sizes and repeats must be at least 1")
