"""What every benchmark prints about where it ran."""

import os
import platform
from datetime import date

import torch

import isthmus


def environment() -> str:
    """Versions, processor and date, as one line."""
    return (
        f"isthmus {isthmus.__version__}, torch {torch.__version__}, Python {platform.python_version()}, "
        f"{os.cpu_count()} cores, {cpu()}, {date.today()}"
    )


def cpu() -> str:
    """Name and instruction set of the processor."""
    capability = torch.backends.cpu.get_cpu_capability()
    return f"{platform.machine()} {capability}"
