"""Number formats: which to compute in, and the weights in both of them."""

from __future__ import annotations

import math
from contextlib import AbstractContextManager, nullcontext
from typing import Literal

import torch
from torch import Tensor, nn

from isthmus.core import Composed
from isthmus.networks.base import Paced

Precision = Literal["auto", "32", "bf16"]

# Layers whose weights autocast would turn into bfloat16 again in every step.
_CAST = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)


# Multiplications of a forward pass below which a step in bfloat16 takes no less time than one in float32, as found on
# a CPU with AVX-512 BF16 by `benchmarks/step_time.py --crossover`.
_WORTH = 1 << 26


def choose_bf16(
    wish: Precision, module: Composed, row: Tensor, batch_size: int, device: torch.device
) -> tuple[bool, str]:
    """Whether to compute in bfloat16, and why, for batches of rows such as ``row``, of shape (1, *event)."""
    if wish != "auto":
        return wish == "bf16", "as asked"
    if not has_fast_bf16(device):
        return False, "no fast bfloat16 here"
    if batch_size * _products(module, row.to(module.scaling.shift.device)) < _WORTH:
        return False, "layers this small gain nothing from bfloat16"
    return True, "products in bfloat16, which is fast here; weights, likelihoods and divergences in float32"


@torch.no_grad()
def _products(module: Composed, row: Tensor) -> int:
    """Multiplications in one pass of one row through encoder and decoder."""
    from torch.utils.flop_counter import FlopCounterMode

    module.eval()
    with FlopCounterMode(display=False) as counter:
        module.decode(module.encode(row).mean)
    return counter.get_total_flops() // 2


def has_fast_bf16(device: torch.device) -> bool:
    """Whether the device multiplies matrices in bfloat16 faster than in float32: AMX, AVX-512 BF16, or tensor cores."""
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= (8, 0)
    if device.type != "cpu":
        return False
    return any(getattr(torch.cpu, f"_is_{name}_supported", bool)() for name in ("amx_tile", "avx512_bf16"))


def autocast(device: torch.device, bf16: bool) -> AbstractContextManager:
    """Matrix products in bfloat16 inside the block, if asked for."""
    return torch.autocast(device.type, torch.bfloat16) if bf16 else nullcontext()


class Weights:
    """The trained weights of a module: float32 masters, which the optimiser moves, and bfloat16 copies to compute with.

    A step in bfloat16 that starts from float32 weights spends much of its time on casting them, forth and back again.
    Here the module holds the copies while it trains, and the masters at all other times.

    Parameters
    ----------
    module : Composed
        Its parameters that need a gradient are trained.
    bf16 : bool
        Whether layers compute in bfloat16.
    """

    def __init__(self, module: Composed, bf16: bool) -> None:
        self.live = [p for p in module.parameters() if p.requires_grad]
        self.names = [name for name, p in module.named_parameters() if p.requires_grad]
        self.masters = [p.data for p in self.live]
        paced = [part.paces() for part in module.modules() if isinstance(part, Paced)]
        self.paces = [math.prod(paces.get(p, 1.0) for paces in paced) for p in self.live]
        cast = {
            id(p) for layer in module.modules() if isinstance(layer, _CAST) for p in layer.parameters(recurse=False)
        }
        self.copied = [bf16 and id(p) in cast for p in self.live]
        self._from = [p for p, copied in zip(self.masters, self.copied, strict=True) if copied]
        self._to = [p.bfloat16() for p in self._from]

    def use_copies(self) -> None:
        """Let the module compute with the copies, made anew."""
        self.refresh()
        copies = iter(self._to)
        for p, copied in zip(self.live, self.copied, strict=True):
            if copied:
                p.data = next(copies)

    def use_masters(self) -> None:
        """Let the module hold the masters."""
        for p, master in zip(self.live, self.whole(), strict=True):
            p.data = master

    def whole(self) -> list[Tensor]:
        """The masters, in the order of ``live``."""
        return self.masters

    def refresh(self) -> None:
        """Copy the masters once they have moved."""
        if self._to:
            torch._foreach_copy_(self._to, self._from)  # pyright: ignore[reportPrivateImportUsage]

    @property
    def computed_with(self) -> list[Tensor]:
        """For each parameter the tensor that the module computes with: its copy, or its master."""
        copies = iter(self._to)
        return [next(copies) if copied else p for p, copied in zip(self.masters, self.copied, strict=True)]
