"""Number formats."""

from __future__ import annotations

import torch
from torch import Tensor


def widened(x: Tensor) -> Tensor:
    """In float64, where differences of large numbers keep their digits; in float32 on a device that has no wider."""
    return x.to(torch.float32 if x.device.type == "mps" else torch.float64)
