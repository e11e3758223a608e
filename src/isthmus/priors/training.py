"""How a density of codes is trained: a few thousand steps of Adam on a table in memory."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

from isthmus.errors import DivergedError

_BATCH = 256
_FEWEST_TO_SPLIT = 20
# Steps between looks at the held-out codes, and looks without an improvement before it stops.
_EVERY, _PATIENCE = 50, 8
_CLIP = 10.0


def train_density(
    module: nn.Module, cost: Callable[[Tensor], Tensor], codes: Tensor, *, max_steps: int, learning_rate: float
) -> None:
    """Minimise the mean cost of codes; the weights that were best on held-out codes are kept.

    The learning rate falls to zero along half a cosine. The last tenth of the codes is held out, if there are at least
    20.

    Parameters
    ----------
    module : nn.Module
        Has the parameters.
    cost : callable
        Codes (B, latent_dim) to costs (B,), with random numbers from torch's generator.
    codes : Tensor of shape (n, latent_dim)
        In random order, draws for one row together.
    max_steps : int
        Steps at most.
    learning_rate : float
        At the start.

    Raises
    ------
    DivergedError
        The cost never was a finite number.
    """
    n_held_out = len(codes) // 10 if len(codes) >= _FEWEST_TO_SPLIT else 0
    train, held_out = codes[: len(codes) - n_held_out], codes[len(codes) - max(n_held_out, 0) :]
    held_out = held_out if n_held_out else codes
    parameters = [p for p in module.parameters() if p.requires_grad]
    optimizer = torch.optim.Adam(parameters, learning_rate)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda i: 0.5 + 0.5 * math.cos(math.pi * i / max_steps))
    best, best_weights, since = math.inf, [p.detach().clone() for p in parameters], 0
    for number in range(1, max_steps + 1):
        batch = train[torch.randint(len(train), (min(_BATCH, len(train)),), device=train.device)]
        optimizer.zero_grad()
        cost(batch).mean().backward()
        torch.nn.utils.clip_grad_norm_(parameters, _CLIP)
        optimizer.step()
        schedule.step()
        if number % _EVERY and number < max_steps:
            continue
        found = _mean_cost(cost, held_out)
        since = 0 if found < best else since + 1
        if found < best:
            best, best_weights = found, [p.detach().clone() for p in parameters]
        if since >= _PATIENCE or not math.isfinite(found):
            break
    if not math.isfinite(best):
        raise DivergedError("the density of the codes met a NaN or an infinity; try a lower learning_rate")
    with torch.no_grad():
        for p, weight in zip(parameters, best_weights, strict=True):
            p.copy_(weight)


@torch.no_grad()
def _mean_cost(cost: Callable[[Tensor], Tensor], codes: Tensor) -> float:
    """Over held-out codes, with the same random numbers at every look."""
    devices = [codes.device] if codes.device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices):
        torch.manual_seed(0)
        return torch.cat([cost(part) for part in codes.split(16 * _BATCH)]).mean().item()
