"""A fitted model as two ONNX graphs, which run without isthmus and without PyTorch."""

from __future__ import annotations

import contextlib
import io
import logging
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from sklearn.utils.validation import check_is_fitted
from torch import Tensor, nn

from isthmus.engines.settings import RUNTIME, require_onnx
from isthmus.errors import ExportError
from isthmus.files import atomic_write

if TYPE_CHECKING:
    from isthmus.core import Composed
    from isthmus.models.base import BaseAutoencoder

_OPSET = 21
_PROBE = 5
# Of the largest value: what other orders of summation in fp32 may differ by.
_TOLERANCE = 1e-5
# A graph with its weights inside may have 2 GB.
_MOST_BYTES = (1 << 31) - (1 << 20)


@dataclass(frozen=True)
class Exported:
    """What was written.

    Parameters
    ----------
    encoder : Path
        Graph from ``x``, data as the estimator takes them, to ``code``, (n, latent_dim): what `transform` gives.
    decoder : Path
        Graph from ``code`` to ``x``, data in their own shape and units: what `inverse_transform` gives.
    error : float
        Largest difference of either from PyTorch on random samples, as a share of the largest value.
    """

    encoder: Path
    decoder: Path
    error: float


def to_onnx(estimator: BaseAutoencoder, folder: str | PathLike[str]) -> Exported:
    """Write ``encoder.onnx`` and ``decoder.onnx``, each checked against the model.

    Parameters
    ----------
    estimator : BaseAutoencoder
        Fitted.
    folder : path
        Where to; it is made if need be, and files of these names are replaced.

    Returns
    -------
    Exported
        Paths, and how far the graphs are from the model.

    Raises
    ------
    ExportError
        The model does something that has no form in ONNX, is too large for it, or comes out differently.
    MissingExtraError
        The packages of the extra ``onnx`` are not there.

    Notes
    -----
    Any number of rows goes in. The type of ``x`` is that of the training data, such as uint8; weights are inside.
    """
    require_onnx((*RUNTIME, "onnxscript"))
    check_is_fitted(estimator)
    module, info = estimator.module_.eval(), estimator.info_
    shape = (info.n_values,) if estimator.is_flat_ else info.shape
    folder = Path(folder)
    codes, samples = _probe(module, _PROBE)
    samples = samples.reshape(-1, *shape).to(getattr(torch, info.dtype, torch.float64))
    halves = {
        "encoder": (_Encoder(module, info.shape), samples, "x", "code"),
        "decoder": (_Decoder(module, shape), codes, "code", "x"),
    }
    paths, errors = {}, []
    for name, (half, inputs, source, target) in halves.items():
        graph = _export(half, inputs, source, target, name)
        errors.append(_distance(graph, half, inputs, name))
        paths[name] = folder / f"{name}.onnx"
        atomic_write(paths[name], graph)
    return Exported(**paths, error=max(errors))


class _Encoder(nn.Module):
    def __init__(self, module: Composed, event: tuple[int, ...]) -> None:
        super().__init__()
        self.module, self.event = module, event

    def forward(self, x: Tensor) -> Tensor:
        return self.module.code(x.reshape(-1, *self.event))


class _Decoder(nn.Module):
    def __init__(self, module: Composed, shape: tuple[int, ...]) -> None:
        super().__init__()
        self.module, self.shape = module, shape

    def forward(self, z: Tensor) -> Tensor:
        return self.module.decode(z).mean.reshape(-1, *self.shape)


@torch.no_grad()
def _probe(module: Composed, n: int) -> tuple[Tensor, Tensor]:
    """Codes from the prior and the samples they are decoded to, for a look at the graphs."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        codes = module.prior().sample(torch.Size([n]))
        return codes, module.decode(codes).mean


def _export(half: nn.Module, inputs: Tensor, source: str, target: str, name: str) -> bytes:
    """The graph of one half, for any number of rows."""
    n_bytes = sum(tensor.nbytes for tensor in [*half.parameters(), *half.buffers()])
    if n_bytes > _MOST_BYTES:
        raise ExportError(f"the {name} has {n_bytes:,} bytes of weights, and an ONNX file holds less than 2 GB")
    try:
        with _silence():
            program = torch.onnx.export(
                half.cpu(),
                (inputs,),
                dynamo=True,
                opset_version=_OPSET,
                input_names=[source],
                output_names=[target],
                dynamic_shapes=({0: torch.export.Dim("rows", min=1, max=1 << 31)},),
                verbose=False,
            )
    except (RuntimeError, ValueError, TypeError, NotImplementedError) as error:
        reason = next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
        raise ExportError(f"the {name} of this model has no form in ONNX: {reason[:300]}") from error
    assert program is not None  # so it is with dynamo=True
    model = program.model_proto
    if not model.graph.input[0].type.tensor_type.shape.dim[0].dim_param:
        raise ExportError(f"the {name} of this model cannot be written for any number of rows; use batches in PyTorch")
    return model.SerializeToString()


@torch.no_grad()
def _distance(graph: bytes, half: nn.Module, inputs: Tensor, name: str) -> float:
    """Largest difference between graph and model, over the largest value; for one row as for all of them."""
    import onnxruntime as ort

    session = ort.InferenceSession(graph, providers=["CPUExecutionProvider"])
    source = session.get_inputs()[0].name
    worst = 0.0
    for rows in (inputs, inputs[:1]):
        expected = half(rows).numpy().astype(np.float64)
        found = np.asarray(session.run(None, {source: rows.numpy()})[0])
        if found.shape != expected.shape:
            raise ExportError(f"the graph of the {name} gives arrays of shape {found.shape}, not {expected.shape}")
        worst = max(worst, float(np.abs(found - expected).max() / max(np.abs(expected).max(), 1e-30)))
    if not worst <= _TOLERANCE:
        raise ExportError(f"the graph of the {name} differs from the model by {worst:.1g} of the largest value")
    return worst


@contextlib.contextmanager
def _silence() -> Iterator[None]:
    """Keep the exporter's remarks, which are about its own insides, from the user."""
    logger = logging.getLogger("torch.onnx")
    level, output = logger.level, io.StringIO()
    with warnings.catch_warnings(), contextlib.redirect_stdout(output), contextlib.redirect_stderr(output):
        warnings.simplefilter("ignore")
        logger.setLevel(logging.CRITICAL)
        try:
            yield
        finally:
            logger.setLevel(level)
