"""Process-wide settings, changed for the duration of a training and put back."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

from isthmus.errors import ParameterError


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
def denormals_flushed(flush: bool) -> Iterator[None]:
    """Flush denormals to zero inside the block."""
    before = bool((torch.tensor([1e-40]) * 1.0 == 0).all())
    torch.set_flush_denormal(flush or before)
    try:
        yield
    finally:
        torch.set_flush_denormal(before)


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
