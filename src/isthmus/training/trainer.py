"""Everything about optimisation, as one object that any estimator takes."""

from __future__ import annotations

import os
from collections.abc import Sequence
from numbers import Integral, Real
from os import PathLike
from pathlib import Path
from typing import Any, ClassVar, Literal

from sklearn.base import BaseEstimator
from sklearn.utils._param_validation import Interval, StrOptions, validate_parameter_constraints

from isthmus.data.streams import MEMORY_LIMIT
from isthmus.errors import ParameterError
from isthmus.training.pilot import Compile
from isthmus.training.precision import Precision
from isthmus.training.runtime import choose_device


class Trainer(BaseEstimator):
    """How a model is trained. The constructor only stores its arguments.

    Parameters
    ----------
    batch_size : int or "auto"
        Samples per step, of all processes together. ``"auto"``: 32 below 1,000 training rows, 64 below 5,000, 128
        below 50,000, else 256.
    learning_rate : float
        Peak of the schedule. AdamW's default of 1e-3 suits long training; with warm-up and decay a larger one is
        safe and reaches the same loss sooner.
    weight_decay : float
        AdamW's decoupled decay, on matrices and kernels only (Loshchilov & Hutter, 2019).
    schedule : {"cosine", "constant"}
        ``"cosine"`` falls to 0 at the last epoch.
    warmup : float
        Share of the training over which the learning rate rises linearly from 0.
    gradient_clip : float or None
        Largest norm of the gradient, over all parameters, if there is to be one. A loss in nats grows with the number
        of values, and its gradient with it, so no single number suits all data.
    precision : {"auto", "32", "bf16"}
        ``"bf16"``: matrix products in bfloat16, weights and likelihoods in float32. ``"auto"``: that, where the
        hardware has fast bfloat16 and the layers are large enough to gain from it; `describe` says so.
    compile : bool or "auto"
        Whether to compile the whole step, which takes about ten seconds before it saves any. ``"auto"``: where that
        pays, as found by timing both ways in the first steps of a training that would take more than a minute. Which
        way is the faster may change from one run to the next, and with it the last bits of the result; say True or
        False to have the same bits again.
    device : str
        ``"auto"`` (a CUDA GPU if there is one, else the CPU), ``"cpu"``, ``"cuda"``, ``"mps"``.
    devices : int or "auto"
        Processes on this machine that train together, each on a GPU of its own, or on a share of the CPU's cores. The
        batch size stays that of a step: each process takes its part. ``"auto"``: one, or under torchrun those that it
        started.
    strategy : {"auto", "ddp", "fsdp"}
        What several processes divide. ``"ddp"``, which is ``"auto"``: the rows of each batch. ``"fsdp"``: also the
        float32 weights, the gradients and the state of the optimiser, for models that are large.
    num_nodes : int
        Machines, on each of which ``devices`` processes run.
    validation_fraction : float
        Share of the rows held out to choose the best epoch. With fewer than 20 rows, or 0, nothing is held out and the
        training loss chooses.
    early_stopping : int or None
        Epochs without a better validation loss after which training stops; None trains to the end.
    checkpoint : path or None
        Folder for checkpoints, from which a killed training resumes exactly.
    checkpoint_every : float
        Seconds between checkpoints. One is also written when training ends or is interrupted.
    resume : bool
        Continue from the checkpoint if there is one.
    callbacks : sequence of Callback
        Called after every epoch.
    loggers : sequence of {"tensorboard", "mlflow"}
        Where else to send the metrics; each needs its package (``pip install "isthmus[track]"``).
    log_dir : path
        Folder of the loggers' files.
    memory_limit : float
        GiB of data that may be held in memory, or on the device. Larger data that come from files or data sets are
        streamed: read in blocks, shuffled in pools of these. Arrays that are in memory already stay there.
    flush_denormal : bool
        Treat denormal numbers as zero while training on a CPU, where they can make Adam many times slower. The
        process-wide setting is put back afterwards.
    keep_memory : bool
        Keep freed memory in the process while training (Linux with glibc), which saves page faults. Put back
        afterwards.
    n_threads : int or None
        Threads to compute with on a CPU. None: PyTorch's own number, or what the container may use if that is less.

    Examples
    --------
    >>> Trainer(batch_size=64, precision="bf16")
    Trainer(batch_size=64, precision='bf16')
    """

    precision: Precision
    compile: Compile

    _parameter_constraints: ClassVar[dict[str, list]] = {
        "batch_size": [Interval(Integral, 1, None, closed="left"), StrOptions({"auto"})],
        "learning_rate": [Interval(Real, 0, None, closed="neither")],
        "weight_decay": [Interval(Real, 0, None, closed="left")],
        "schedule": [StrOptions({"cosine", "constant"})],
        "warmup": [Interval(Real, 0, 1, closed="both")],
        "gradient_clip": [Interval(Real, 0, None, closed="neither"), None],
        "precision": [StrOptions({"auto", "32", "bf16"})],
        "compile": ["boolean", StrOptions({"auto"})],
        "device": [str],
        "devices": [Interval(Integral, 1, None, closed="left"), StrOptions({"auto"})],
        "strategy": [StrOptions({"auto", "ddp", "fsdp"})],
        "num_nodes": [Interval(Integral, 1, None, closed="left")],
        "validation_fraction": [Interval(Real, 0, 1, closed="left")],
        "early_stopping": [Interval(Integral, 1, None, closed="left"), None],
        "checkpoint": [str, PathLike, None],
        "checkpoint_every": [Interval(Real, 0, None, closed="left")],
        "resume": ["boolean"],
        "callbacks": ["array-like"],
        "loggers": ["array-like"],
        "log_dir": [str, PathLike],
        "memory_limit": [Interval(Real, 0, None, closed="left")],
        "flush_denormal": ["boolean"],
        "keep_memory": ["boolean"],
        "n_threads": [Interval(Integral, 1, None, closed="left"), None],
    }

    def __init__(
        self,
        batch_size: int | Literal["auto"] = "auto",
        learning_rate: float = 3e-3,
        weight_decay: float = 1e-4,
        schedule: Literal["cosine", "constant"] = "cosine",
        warmup: float = 0.05,
        gradient_clip: float | None = None,
        precision: Precision = "auto",
        compile: Compile = "auto",
        device: str = "auto",
        devices: int | Literal["auto"] = "auto",
        strategy: Literal["auto", "ddp", "fsdp"] = "auto",
        num_nodes: int = 1,
        validation_fraction: float = 0.1,
        early_stopping: int | None = 20,
        checkpoint: str | Path | None = None,
        checkpoint_every: float = 30.0,
        resume: bool = False,
        callbacks: Sequence[Any] = (),
        loggers: Sequence[Literal["tensorboard", "mlflow"]] = (),
        log_dir: str | Path = "logs",
        memory_limit: float = MEMORY_LIMIT,
        flush_denormal: bool = True,
        keep_memory: bool = True,
        n_threads: int | None = None,
    ) -> None:
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.schedule = schedule
        self.warmup = warmup
        self.gradient_clip = gradient_clip
        self.precision = precision
        self.compile = compile
        self.device = device
        self.devices = devices
        self.strategy = strategy
        self.num_nodes = num_nodes
        self.validation_fraction = validation_fraction
        self.early_stopping = early_stopping
        self.checkpoint = checkpoint
        self.checkpoint_every = checkpoint_every
        self.resume = resume
        self.callbacks = callbacks
        self.loggers = loggers
        self.log_dir = log_dir
        self.memory_limit = memory_limit
        self.flush_denormal = flush_denormal
        self.keep_memory = keep_memory
        self.n_threads = n_threads

    def validate(self) -> None:
        """Raise `ParameterError` for a value that does not fit."""
        try:
            validate_parameter_constraints(
                self._parameter_constraints, self.get_params(deep=False), caller_name="Trainer"
            )
        except ValueError as error:
            raise ParameterError(str(error)) from None
        choose_device(self.device)
        if self.num_nodes > 1 and self.devices == "auto" and "TORCHELASTIC_RUN_ID" not in os.environ:
            raise ParameterError(f"num_nodes={self.num_nodes} needs devices=..., the number of processes on each")
        if self.resume and self.checkpoint is None:
            raise ParameterError("resume=True needs checkpoint=FOLDER, the folder to resume from")

    def resolve_batch_size(self, n_train: int) -> int:
        """Samples per step for this many training rows."""
        if self.batch_size != "auto":
            return min(int(self.batch_size), n_train)
        for rows, size in ((1_000, 32), (5_000, 64), (50_000, 128)):
            if n_train < rows:
                return min(size, n_train)
        return 256
