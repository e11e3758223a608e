"""Experiment trackers, as callbacks that are imported when they are asked for."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

from isthmus.errors import MissingExtraError, ParameterError
from isthmus.training.callbacks import Callback, Epoch


class TensorBoardLogger(Callback):
    """Scalars for TensorBoard, in ``log_dir``."""

    def __init__(self, log_dir: Path) -> None:
        self.log_dir = log_dir

    def on_fit_start(self, params: dict[str, Any], n_epochs: int) -> None:
        try:
            from torch.utils.tensorboard.writer import SummaryWriter
        except ImportError:
            raise _missing("tensorboard") from None
        self._writer = SummaryWriter(str(self.log_dir))

    def on_epoch_end(self, epoch: Epoch) -> None:
        for name, value in _tagged(epoch).items():
            self._writer.add_scalar(name, value, epoch.number)

    def on_fit_end(self) -> None:
        if hasattr(self, "_writer"):
            self._writer.close()


class MLflowLogger(Callback):
    """Parameters and metrics as one MLflow run, in ``log_dir`` unless the environment names a server."""

    def __init__(self, log_dir: Path) -> None:
        self.log_dir = log_dir

    def on_fit_start(self, params: dict[str, Any], n_epochs: int) -> None:
        try:
            mlflow = import_module("mlflow")
        except ImportError:
            raise _missing("mlflow") from None
        import os

        self._mlflow = mlflow
        if "MLFLOW_TRACKING_URI" not in os.environ:
            self.log_dir.mkdir(parents=True, exist_ok=True)
            mlflow.set_tracking_uri(f"sqlite:///{self.log_dir.resolve() / 'mlflow.db'}")
        mlflow.start_run()
        mlflow.log_params({name: str(value) for name, value in params.items()})

    def on_epoch_end(self, epoch: Epoch) -> None:
        self._mlflow.log_metrics(_tagged(epoch), step=epoch.number)

    def on_fit_end(self) -> None:
        if hasattr(self, "_mlflow"):
            self._mlflow.end_run()


_LOGGERS = {"tensorboard": TensorBoardLogger, "mlflow": MLflowLogger}


def make_logger(name: str, log_dir: Path) -> Callback:
    """Logger of this name."""
    if name not in _LOGGERS:
        raise ParameterError(f"unknown logger {name!r}; choose from {', '.join(_LOGGERS)}")
    return _LOGGERS[name](log_dir)


def _tagged(epoch: Epoch) -> dict[str, float]:
    """Metrics under names of their own for every stage of a training."""
    prefix = f"{epoch.stage}/" if epoch.stage else ""
    return {prefix + name: value for name, value in epoch.metrics.items()}


def _missing(package: str) -> MissingExtraError:
    return MissingExtraError(f"the {package} logger needs {package}: pip install 'isthmus[track]'")
