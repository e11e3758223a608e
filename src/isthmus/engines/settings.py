"""Which backend runs a trained model, and in which precision: a setting of the thread, like scikit-learn's."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Literal, get_args

from isthmus.errors import MissingExtraError, ParameterError

Backend = Literal["auto", "eager", "compiled", "onnx"]
Precision = Literal["32", "bf16"]


@dataclass(frozen=True)
class Setting:
    """What `inference` was asked for.

    Parameters
    ----------
    backend : {"auto", "eager", "compiled", "onnx"}
        Who computes.
    precision : {"32", "bf16"}
        Of the weights and of what passes between the layers.
    """

    backend: Backend = "auto"
    precision: Precision = "32"

    def check(self) -> None:
        """Raise `ParameterError` or `MissingExtraError` for what cannot be."""
        for name, value, known in (
            ("backend", self.backend, get_args(Backend)),
            ("precision", self.precision, get_args(Precision)),
        ):
            if value not in known:
                raise ParameterError(f"unknown {name} {value!r}; choose from {', '.join(map(repr, known))}")
        if self.backend != "onnx":
            return
        if self.precision != "32":
            raise ParameterError(
                "ONNX Runtime has no bf16 kernels for processors; use precision='32', or backend='eager' with bf16"
            )
        require_onnx()


RUNTIME = ("onnx", "onnxruntime")
"""Packages that it takes to run a model by ONNX Runtime."""


def has_onnx(packages: tuple[str, ...] = RUNTIME) -> bool:
    """Whether these packages of the extra are installed."""
    return all(find_spec(name) is not None for name in packages)


def require_onnx(packages: tuple[str, ...] = RUNTIME) -> None:
    """Raise `MissingExtraError` unless they are."""
    if not has_onnx(packages):
        raise MissingExtraError("ONNX needs the packages of an extra; install them with: pip install 'isthmus[onnx]'")


_setting: ContextVar[Setting] = ContextVar("isthmus_inference", default=Setting())  # noqa: B039 (frozen)


def current() -> Setting:
    """The setting that holds here."""
    return _setting.get()


@contextmanager
def inference(backend: Backend = "auto", precision: Precision = "32") -> Iterator[None]:
    """Inside the block, run trained models with this backend, in this precision.

    It holds for `transform`, `inverse_transform`, `reconstruct`, `posterior`, `sample`, `score_samples`,
    `log_likelihood` and `evaluate` of every model, in this thread (or asynchronous task) only.

    Parameters
    ----------
    backend : {"auto", "eager", "compiled", "onnx"}
        ``"auto"``: ONNX Runtime for the encoder and the decoder that it can run, if it is installed and the model is
        on the CPU; else eager PyTorch. ``"compiled"``: `torch.compile`, which takes seconds at the first call.
    precision : {"32", "bf16"}
        ``"bf16"`` halves the memory of the weights and is faster where the processor has instructions for it, at three
        digits of accuracy. ``"auto"`` then means eager PyTorch.

    Raises
    ------
    ParameterError
        An unknown name, or ONNX Runtime with bf16.
    MissingExtraError
        ONNX Runtime is asked for and not installed.

    Examples
    --------
    >>> import isthmus
    >>> from sklearn.datasets import load_iris
    >>> X = load_iris().data
    >>> model = isthmus.Autoencoder(2, max_epochs=2, random_state=0).fit(X)
    >>> with isthmus.inference(backend="eager"):
    ...     model.transform(X).shape
    (150, 2)
    """
    setting = Setting(backend, precision)
    setting.check()
    token = _setting.set(setting)
    try:
        yield
    finally:
        _setting.reset(token)
