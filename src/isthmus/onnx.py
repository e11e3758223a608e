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
from typing import TYPE_CHECKING, Any

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
# Rows that a graph is traced with, and the numbers of rows that it is checked for.
_TRACED, _CHECKED = 5, (1, 2, 5, 8)
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
        Graph from ``x``, data as the estimator takes them, to ``code``, (n, latent_dim): what `transform` gives. If
        ``spread``, a second output ``std`` of the same shape is the standard deviation of q(z|x).
    decoder : Path
        Graph from ``code`` to ``x``, data in their own shape and units: what `inverse_transform` gives.
    error : float
        Largest difference of either from PyTorch on random samples, as a share of the largest value.
    spread : bool
        Whether the encoder gives standard deviations as well: so for models with a posterior, unless its spread has
        no form in ONNX.
    """

    encoder: Path
    decoder: Path
    error: float
    spread: bool = False


@dataclass(frozen=True)
class Graphs:
    """The graphs of a model as the bytes of their files; see `Exported`.

    If positions stand for its codes, the encoder gives these; ``codes`` is a graph from ``position`` to ``code``, which
    the decoder takes, and ``positions`` one back, to the nearest.
    """

    encoder: bytes
    decoder: bytes
    error: float
    spread: bool
    codes: bytes | None = None
    positions: bytes | None = None


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
    graphs = make_graphs(estimator)
    folder = Path(folder)
    encoder, decoder = folder / "encoder.onnx", folder / "decoder.onnx"
    # Both are there and right before the first is written.
    atomic_write(encoder, graphs.encoder)
    atomic_write(decoder, graphs.decoder)
    return Exported(encoder, decoder, graphs.error, graphs.spread)


class Positions(nn.Module):
    """What stands for a code outside the graphs: the code itself, unless a subclass says otherwise."""

    def __init__(self, module: Composed) -> None:
        super().__init__()
        self.bottleneck = module.bottleneck

    def of(self, h: Tensor) -> Tensor:
        """Positions (n, width) of features (n, n_features)."""
        return self.bottleneck.mean(h)

    def codes(self, z: Tensor) -> Tensor:
        """Codes (n, latent_dim) that positions stand for."""
        return z

    def find(self, code: Tensor) -> Tensor:
        """Positions of codes (n, latent_dim), or of those that are nearest."""
        return code


def make_graphs(estimator: BaseAutoencoder, positions: Positions | None = None) -> Graphs:
    """Both graphs of a fitted model, checked; errors are those of `to_onnx`."""
    require_onnx((*RUNTIME, "onnxscript"))
    check_is_fitted(estimator)
    module, info = estimator.module_.eval(), estimator.info_
    shape = (info.n_values,) if estimator.is_flat_ else info.shape
    codes, decoded = _probe(module, max(_CHECKED))
    samples = decoded.reshape(-1, *shape).to(getattr(torch, info.dtype, torch.float64))
    encoder, spread, error = _encoder_graph(module, positions or Positions(module), samples)
    decoder, worst = _checked(_Decoder(module, shape), codes, "decoder", "code", ("x",))
    error = max(error, worst)
    if positions is None:
        return Graphs(encoder, decoder, error, spread)
    with torch.no_grad():
        places = positions.of(module.features(decoded))
        meant = positions.codes(places)
    there, worst = _checked(_Meaning(positions), places, "meaning of a position", "position", ("code",))
    back, worse = _checked(_Finding(positions), meant, "position of a code", "code", ("position",))
    return Graphs(encoder, decoder, max(error, worst, worse), spread, there, back)


def _encoder_graph(module: Composed, positions: Positions, samples: Tensor) -> tuple[bytes, bool, float]:
    """The encoder, whether it gives standard deviations, and its error."""
    if module.bottleneck.stochastic:
        # Some posteriors have moments only by sampling, which no graph can do; their codes are written all the same.
        with contextlib.suppress(ExportError):
            both = _Encoder(module, positions, spread=True)
            graph, error = _checked(both, samples, "encoder", "x", ("code", "std"))
            return graph, True, error
    graph, error = _checked(_Encoder(module, positions, spread=False), samples, "encoder", "x", ("code",))
    return graph, False, error


def _checked(half: nn.Module, inputs: Tensor, name: str, source: str, targets: tuple[str, ...]) -> tuple[bytes, float]:
    graph = _export(half, inputs[:_TRACED], name, source, targets)
    return graph, _distance(graph, half, inputs, name)


class _Encoder(nn.Module):
    def __init__(self, module: Composed, positions: Positions, *, spread: bool) -> None:
        super().__init__()
        self.module, self.positions, self.spread = module, positions, spread

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        h = self.module.features(x.reshape(-1, *self.module.event_shape))
        code = self.positions.of(h)
        if not self.spread:
            return (code,)
        q: Any = self.module.bottleneck.posterior(h)
        return code, q.stddev


class _Meaning(nn.Module):
    def __init__(self, positions: Positions) -> None:
        super().__init__()
        self.positions = positions

    def forward(self, z: Tensor) -> tuple[Tensor, ...]:
        return (self.positions.codes(z),)


class _Finding(nn.Module):
    def __init__(self, positions: Positions) -> None:
        super().__init__()
        self.positions = positions

    def forward(self, code: Tensor) -> tuple[Tensor, ...]:
        return (self.positions.find(code),)


class _Decoder(nn.Module):
    def __init__(self, module: Composed, shape: tuple[int, ...]) -> None:
        super().__init__()
        self.module, self.shape = module, shape

    def forward(self, z: Tensor) -> tuple[Tensor, ...]:
        return (self.module.decode(z).mean.reshape(-1, *self.shape),)


@torch.no_grad()
def _probe(module: Composed, n: int) -> tuple[Tensor, Tensor]:
    """Codes from the prior and the samples they are decoded to, for a look at the graphs."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        codes = module.prior().sample(torch.Size([n]))
        return codes, module.decode(codes).mean


def _export(half: nn.Module, inputs: Tensor, name: str, source: str, targets: tuple[str, ...]) -> bytes:
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
                output_names=list(targets),
                dynamic_shapes=({0: torch.export.Dim("rows", min=1, max=1 << 31)},),
                verbose=False,
            )
    except (RuntimeError, ValueError, TypeError, NotImplementedError) as error:
        raise ExportError(f"the {name} of this model has no form in ONNX: {_reason(error)}") from error
    assert program is not None  # so it is with dynamo=True
    model = program.model_proto
    if not model.graph.input[0].type.tensor_type.shape.dim[0].dim_param:
        raise ExportError(f"the {name} of this model cannot be written for any number of rows; use batches in PyTorch")
    return model.SerializeToString()


def _reason(error: BaseException) -> str:
    """Why the exporter gave up, from the error that it met first: its own speaks of its steps only."""
    while error.__cause__ is not None:
        error = error.__cause__
    if type(error).__name__ == "GuardOnDataDependentSymNode":
        return "what it does depends on the values that it computes"
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)[:300]


@torch.no_grad()
def _distance(graph: bytes, half: nn.Module, inputs: Tensor, name: str) -> float:
    """Largest difference between graph and model, over the largest value, for several numbers of rows."""
    session = _session(graph, name)
    source = session.get_inputs()[0].name
    scales = [max(float(truth.abs().max()), 1e-30) for truth in half(inputs)]
    worst = 0.0
    for n in _CHECKED:
        outputs = session.run(None, {source: inputs[:n].numpy()})
        for found, truth, scale in zip(outputs, half(inputs[:n]), scales, strict=True):
            found, expected = np.asarray(found), truth.numpy().astype(np.float64)
            if found.shape != expected.shape:
                raise ExportError(f"the graph of the {name} gives arrays of shape {found.shape}, not {expected.shape}")
            worst = max(worst, float(np.abs(found - expected).max()) / scale)
    if not worst <= _TOLERANCE:
        raise ExportError(f"the graph of the {name} differs from the model by {worst:.1g} of the largest value")
    return worst


def _session(graph: bytes, name: str) -> Any:
    import onnxruntime as ort
    from onnxruntime.capi import onnxruntime_pybind11_state as refusals  # pyright: ignore[reportAttributeAccessIssue]

    try:
        return ort.InferenceSession(graph, providers=["CPUExecutionProvider"])
    except (refusals.NotImplemented, refusals.Fail, refusals.InvalidGraph) as error:
        reason = str(error).splitlines()[0].rpartition(" : ")[2]
        raise ExportError(f"ONNX Runtime cannot run the graph of the {name}: {reason[:300]}") from None


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
