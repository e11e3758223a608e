"""Times of a training step: as isthmus takes it, as a plain loop takes it, and the floor under both."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count

import numpy as np
import torch
from torch import Tensor

from isthmus.bench.cases import pictures, vae
from isthmus.bench.floor import Floor, floor
from isthmus.core import Composed
from isthmus.training.engine import Engine
from isthmus.training.precision import choose_bf16
from isthmus.training.runtime import choose_device, process_settings
from isthmus.training.trainer import Trainer

_N_STEPS = 10**6
_WARM_UP, _SECONDS_PER_REPEAT = 3, 0.2


@dataclass(frozen=True)
class StepTimes:
    """Seconds of one step each, medians over repeats.

    Parameters
    ----------
    case, batch_size
        What was timed.
    bf16 : bool
        Whether isthmus and the floor compute in bfloat16.
    seconds : dict of str to float
        By way: "loop" (a plain eager float32 loop), "plain" and "compiled" (isthmus), "floor", and of the floor its
        parts "gather", "products" and "update".
    multiplications : int
        Of the floor's products.
    compile_seconds : float or None
        How long it took to compile, and None if that was not asked for or not possible.
    """

    case: str
    batch_size: int
    bf16: bool
    seconds: dict[str, float]
    multiplications: int
    compile_seconds: float | None

    @property
    def best(self) -> float:
        """Seconds of isthmus' faster way."""
        return min(self.seconds["plain"], self.seconds.get("compiled", np.inf))

    def limit(self) -> str:
        """What most of the time goes into, as text."""
        parts = {
            "matrix products": self.seconds["products"],
            "the update of the weights, which is as fast as memory": self.seconds["update"],
            "gathering the batch": self.seconds["gather"],
            "everything that is not in the floor (activations, likelihood, noise, Python)": self.best
            - self.seconds["floor"],
        }
        name = max(parts, key=lambda part: parts[part])
        return f"{max(0.0, parts[name]) / self.best:.0%} goes into {name}"


def time_steps(
    case: str, batch_size: int, *, compiled: bool, repeats: int = 5, precision: str = "auto", device: str = "auto"
) -> StepTimes:
    """Time all ways side by side: in every repeat each of them runs for a fifth of a second, in turn.

    The plain loop runs without the settings that isthmus makes for the whole process while it trains.
    """
    trainer = Trainer(precision=precision, device=device)  # pyright: ignore[reportArgumentType]
    where, X = choose_device(device), pictures(case)
    data = torch.from_numpy(X).to(where)
    bf16, _ = choose_bf16(trainer.precision, vae(case, X).to(where), data[:1], batch_size, where)
    ways: dict[str, Callable[[], object]] = {
        "plain": _step(vae(case, X), data, batch_size, trainer, where, bf16, False)
    }
    compile_seconds = None
    if compiled:
        way = _step(vae(case, X), data, batch_size, trainer, where, bf16, True)
        with process_settings(trainer):
            started = time.perf_counter()
            if way():
                ways["compiled"], compile_seconds = way, time.perf_counter() - started
    least = floor(vae(case, X).to(where), data, batch_size, bf16=bf16)
    ways |= {"floor": least, "gather": least.gather, "products": least.multiply, "update": least.update}
    loop = _loop(vae(case, X).to(where), data.float(), batch_size)
    times: dict[str, list[float]] = {name: [] for name in ("loop", *ways)}
    for _ in range(repeats):
        times["loop"].append(_time(loop, where))
        with process_settings(trainer):
            for name, way in ways.items():
                times[name].append(_time(way, where))
    seconds = {name: float(np.median(values)) for name, values in times.items()}
    return StepTimes(case, batch_size, bf16, seconds, least.multiplications, compile_seconds)


def _step(
    module: Composed,
    data: Tensor,
    batch_size: int,
    trainer: Trainer,
    device: torch.device,
    bf16: bool,
    compiled: bool,
) -> Callable[[], bool]:
    """One step of isthmus, with the batch gathered; it tells whether it was taken in the way that was asked for."""
    engine = Engine(module.to(device), trainer, device, bf16)
    engine.pilot.settle(compiled)
    engine.weights.use_copies()
    numbers = count()
    orders = torch.randint(0, len(data), (64, batch_size), device=device)

    def step() -> bool:
        number = next(numbers)
        engine.step([data.index_select(0, orders[number % len(orders)])], number, _N_STEPS)
        return engine.pilot.decided is compiled

    return step


def _loop(module: Composed, data: Tensor, batch_size: int) -> Callable[[], None]:
    """The usual loop: float32, PyTorch's Adam as it comes, and the loss read back in every step."""
    optimizer = torch.optim.Adam(module.parameters(), lr=1e-3)
    orders = torch.randint(0, len(data), (64, batch_size), device=data.device)
    numbers = count()

    def step() -> None:
        batch = data[orders[next(numbers) % len(orders)]]
        optimizer.zero_grad()
        loss = module.loss(module(batch))
        loss.backward()
        optimizer.step()
        loss.item()

    return step


def _time(function: Callable[[], object], device: torch.device) -> float:
    """Seconds for one call, from as many as fit into a fifth of a second."""
    for _ in range(_WARM_UP):
        function()
    n, started = 0, _now(device)
    while (elapsed := time.perf_counter() - started) < _SECONDS_PER_REPEAT or n < 2:
        function()
        n += 1
    return (_now(device) - started) / n if device.type == "cuda" else elapsed / n


def _now(device: torch.device) -> float:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter()


__all__ = ["Floor", "StepTimes", "time_steps"]
