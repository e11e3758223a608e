"""Process-wide settings, changed for the duration of a training and put back."""

from __future__ import annotations

import ctypes
import math
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from isthmus.errors import ParameterError

if TYPE_CHECKING:
    from isthmus.training.trainer import Trainer

# Of glibc's malloc.h.
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
_KEEP, _GLIBC_LIMIT = 1 << 30, 128 << 10


def choose_device(name: str) -> torch.device:
    """The device that ``Trainer(device=...)`` names."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    kind, _, index = name.partition(":")
    n_there = {"cpu": 1, "cuda": torch.cuda.device_count(), "mps": int(torch.backends.mps.is_available())}
    if kind not in n_there or (index and not index.isdecimal()):
        raise ParameterError(f"unknown device {name!r}; choose 'auto', 'cpu', 'cuda', 'cuda:1' and so on, or 'mps'")
    if int(index or 0) >= n_there[kind]:
        raise ParameterError(f"there is no device {name!r} here (torch sees {n_there[kind]} of that kind); use 'auto'")
    return torch.device(name)


@contextmanager
def random_numbers(seed: int, device: torch.device) -> Iterator[None]:
    """Seed torch inside the block only: the caller's random state is as it was afterwards."""
    devices = [device] if device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices):
        torch.manual_seed(seed)
        yield


@contextmanager
def process_settings(trainer: Trainer, n_here: int = 1) -> Iterator[None]:
    """Settings of the whole process, one of ``n_here`` on this machine, that make training faster in the block."""
    threads = torch.get_num_threads()
    # Does PyTorch flush denormals already?
    flushed = bool((torch.tensor([1e-40]) * 1.0 == 0).all())
    torch.set_flush_denormal(trainer.flush_denormal or flushed)
    torch.set_num_threads(choose_threads(trainer.n_threads, n_here))
    kept = trainer.keep_memory and keep_freed_memory(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(flushed)
        torch.set_num_threads(threads)
        if kept:
            keep_freed_memory(False)


def choose_threads(wish: int | None, n_here: int = 1) -> int:
    """Threads to compute with: as asked, or PyTorch's own number, but no more than the container may use at once.

    Processes that train together share the cores of their machine, unless the environment says how many each has.
    """
    if wish is not None:
        return wish
    quota = cpu_quota()
    n = torch.get_num_threads() if quota is None else min(torch.get_num_threads(), math.ceil(quota))
    return max(1, n if "OMP_NUM_THREADS" in os.environ else n // n_here)


def cpu_quota(path: Path = Path("/sys/fs/cgroup/cpu.max")) -> float | None:
    """CPUs that this process's control group may use at once (Linux, cgroup v2), if they are limited."""
    try:
        quota, period = path.read_text().split()
        return int(quota) / int(period)
    except (OSError, ValueError):  # there is no such file, or it says "max"
        return None


def keep_freed_memory(keep: bool) -> bool:
    """Let the C library keep freed memory rather than hand it back to the system; returns whether it could be told.

    Tensors of a step are freed and allocated again in the next one, and each time that the memory comes from the system
    anew it costs page faults: thousands a step for a network of a million weights. Only glibc can be told. Afterwards
    its limits are those it starts with, 128 KiB, and what is unused is handed back.
    """
    try:
        libc = ctypes.CDLL("libc.so.6")
        limit = _KEEP if keep else _GLIBC_LIMIT
        told = bool(libc.mallopt(_M_MMAP_THRESHOLD, limit) and libc.mallopt(_M_TRIM_THRESHOLD, limit))
        if not keep:
            libc.malloc_trim(0)
    except (OSError, AttributeError):  # another system, or another C library
        return False
    return told


def get_random_state(device: torch.device) -> dict[str, Tensor]:
    """State of torch's generators, as byte tensors."""
    state = {"cpu": torch.get_rng_state()}
    if device.type == "cuda":
        state["cuda"] = torch.cuda.get_rng_state(device)
    return state


def set_random_state(state: dict[str, Tensor], device: torch.device) -> None:
    """Put generators back to a state of `get_random_state`."""
    torch.set_rng_state(state["cpu"])
    if device.type == "cuda" and "cuda" in state:
        torch.cuda.set_rng_state(state["cuda"], device)
