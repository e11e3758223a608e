"""The task that all share: the rows, the bound, and how a training is asked for and answers.

Runs in either environment, so it imports none of the libraries that are compared.
"""

from __future__ import annotations

import json
import os
import platform
import sys
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from meter import Meter

N_ROWS_AT_ONCE = 2500


def run(train: Callable[[dict[str, Any], np.ndarray, np.ndarray, Meter], None], *packages: str) -> None:
    """Do the job in the file that the first argument names, and write the record to the second.

    ``train`` takes the job, the training rows, the rows that the bound is measured on, and the meter to tell.
    """
    job = json.loads(Path(sys.argv[1]).read_text())
    rows, held_out = read(job["data"], job["part"])
    # From the start of the process on: the interpreter, imports, and reading the data.
    before = time.time() - job["launched"]
    meter = Meter(job["targets"], job["cap"])
    train(job, rows, held_out, meter)
    record = {
        **meter.record(),
        "before_s": before,
        "n_rows": len(rows),
        "versions": {
            "machine": f"{platform.machine()} with {os.cpu_count()} cores",
            "python": platform.python_version(),
            **{name: version(name) for name in packages},
        },
    }
    Path(sys.argv[2]).write_text(json.dumps(record))


def read(path: str, part: str) -> tuple[np.ndarray, np.ndarray]:
    """Rows to train on, (50000, 784), and those of ``part``; uint8 zeros and ones."""
    with np.load(path) as file:
        return np.unpackbits(file["train"], axis=-1), np.unpackbits(file[part], axis=-1)


def elbo(encode: Callable, log_likelihood: Callable, rows: np.ndarray) -> float:
    """Mean evidence lower bound over rows, in nats, with one draw of the code for each row.

    The draws come from the same noise for every model and epoch. The divergence from N(0, I) is in closed form
    (Kingma & Welling, 2014, appendix B).

    Parameters
    ----------
    encode : callable
        Mean and standard deviation of q(z|x), each (B, latent_dim), for a float tensor of rows.
    log_likelihood : callable
        Log p(x|z), (B,), for rows and codes.
    rows : ndarray of shape (n, 784)
        Zeros and ones.
    """
    import torch

    generator, parts = torch.Generator().manual_seed(0), []
    with torch.no_grad():
        for start in range(0, len(rows), N_ROWS_AT_ONCE):
            x = torch.from_numpy(rows[start : start + N_ROWS_AT_ONCE]).float()
            mean, std = encode(x)
            z = mean + std * torch.randn(mean.shape, generator=generator)
            divergence = (mean.square() + std.square() - 1).sum(-1) / 2 - std.log().sum(-1)
            parts.append(log_likelihood(x, z) - divergence)
    return float(torch.cat(parts).double().mean())
