"""Everything about optimisation, as one object that any estimator takes."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Integral, Real
from os import PathLike
from pathlib import Path
from typing import Any, ClassVar, Literal

from sklearn.base import BaseEstimator
from sklearn.utils._param_validation import Interval, StrOptions, validate_parameter_constraints

from isthmus.data.streams import MEMORY_LIMIT
from isthmus.errors import ParameterError
from isthmus.training.runtime import choose_device

Precision = Literal["32", "bf16"]


class Trainer(BaseEstimator):
    """How a model is trained. The constructor only stores its arguments.

    Parameters
    ----------
    batch_size : int or "auto"
        Samples per step. ``"auto"``: 32 below 1,000 training rows, 64 below 5,000, 128 below 50,000, else 256.
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
    precision : {"32", "bf16"}
        ``"bf16"``: matrix products in bfloat16, weights and likelihoods in float32.
    device : str
        ``"auto"`` (a CUDA GPU if there is one, else the CPU), ``"cpu"``, ``"cuda"``, ``"mps"``.
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

    Examples
    --------
    >>> Trainer(batch_size=64, precision="bf16")
    Trainer(batch_size=64, precision='bf16')
    """

    _parameter_constraints: ClassVar[dict[str, list]] = {
        "batch_size": [Interval(Integral, 1, None, closed="left"), StrOptions({"auto"})],
        "learning_rate": [Interval(Real, 0, None, closed="neither")],
        "weight_decay": [Interval(Real, 0, None, closed="left")],
        "schedule": [StrOptions({"cosine", "constant"})],
        "warmup": [Interval(Real, 0, 1, closed="both")],
        "gradient_clip": [Interval(Real, 0, None, closed="neither"), None],
        "precision": [StrOptions({"32", "bf16"})],
        "device": [str],
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
    }

    def __init__(
        self,
        batch_size: int | Literal["auto"] = "auto",
        learning_rate: float = 3e-3,
        weight_decay: float = 1e-4,
        schedule: Literal["cosine", "constant"] = "cosine",
        warmup: float = 0.05,
        gradient_clip: float | None = None,
        precision: Precision = "32",
        device: str = "auto",
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
    ) -> None:
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.schedule = schedule
        self.warmup = warmup
        self.gradient_clip = gradient_clip
        self.precision = precision
        self.device = device
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

    def validate(self) -> None:
        """Raise `ParameterError` for a value that does not fit."""
        try:
            validate_parameter_constraints(
                self._parameter_constraints, self.get_params(deep=False), caller_name="Trainer"
            )
        except ValueError as error:
            raise ParameterError(str(error)) from None
        choose_device(self.device)
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
