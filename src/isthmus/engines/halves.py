"""Half a network as a function of a batch, as each backend runs it."""

from __future__ import annotations

import copy
import math
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import torch
from torch import Tensor, nn

from isthmus.core import Composed
from isthmus.engines.layers import unknown_layer
from isthmus.engines.norms import without_norms
from isthmus.engines.settings import Setting, has_onnx
from isthmus.engines.watch import Watch
from isthmus.errors import CompileError, ParameterError

if TYPE_CHECKING:
    from isthmus.engines.runtime import ArrayFunction

Name = Literal["encoder", "decoder"]
Function = Callable[[Tensor], Tensor]

# Twice the numbers in the widest register: the loops of PyTorch's elementwise functions step by so many, and treat the
# rest in another way, with another rounding.
BLOCK = 32
# Of large samples there is too much else to do.
MOST_TO_REPEAT = 1 << 14
# A graph with its weights inside may have 2 GB.
_MOST_BYTES = 1 << 30


@dataclass(frozen=True)
class Half:
    """An encoder or a decoder, ready to run.

    Parameters
    ----------
    function : callable
        Data (B, *event) in their own units to features (B, n_features), or codes (B, latent_dim) to outputs
        (B, *event, n_outputs).
    watch : Watch, optional
        Of what the function has a copy of.
    arrays : callable, optional
        The function from array to array, of a backend that knows no tensors.
    """

    function: Function
    watch: Watch | None = None
    arrays: ArrayFunction | None = None

    def is_current(self) -> bool:
        """Whether it still is what the model is."""
        return self.watch is None or self.watch.holds()


def make_half(module: Composed, name: Name, setting: Setting) -> Half:
    """Half of a model as this setting wants it run."""
    if setting.backend == "onnx" or (setting.backend == "auto" and setting.precision == "32"):
        obstacle = onnx_obstacle(module, name)
        if obstacle is None:
            return _in_onnx(module, name)
        if setting.backend == "onnx":
            raise ParameterError(f"ONNX Runtime cannot run the {name} here: {obstacle}; use backend='auto' or 'eager'")
    if setting.precision == "32":
        function, seen = _live(module, name), None
    else:
        function, seen = _in_bf16(module, name), watch(module, name)
    function = _compiled(function) if setting.backend == "compiled" else function
    return Half(in_blocks(function, math.prod(module.event_shape)), seen)


def onnx_obstacle(module: Composed, name: Name) -> str | None:
    """Why ONNX Runtime cannot run this half, or None if it can."""
    if not has_onnx():
        return "onnx and onnxruntime are not installed"
    network, device = getattr(module.network, name), module.scaling.shift.device
    if device.type != "cpu":
        return f"the model is on {device}"
    tensors = [*network.parameters(), *network.buffers(), *module.scaling.buffers()]
    if sum(tensor.nbytes for tensor in tensors) > _MOST_BYTES:
        return "its weights are too large for one graph"
    layer = unknown_layer(network)
    return None if layer is None else f"it has a layer without a translation ({layer})"


def in_blocks(function: Function, n_values: int = 1) -> Function:
    """The function of a batch, to which the last row is added until the number of rows is a multiple of 32.

    Without it the last digits of a row depend on where in the batch it sits even for the simplest networks. Matrix
    products of PyTorch round by the place in memory too, so for some widths of layers, odd ones above all, they still
    do. Samples of many values, which may also be ``n_values`` that come out, are left alone.
    """

    def evenly(batch: Tensor) -> Tensor:
        missing = -len(batch) % BLOCK
        if missing == 0 or max(n_values, batch[0].numel()) > MOST_TO_REPEAT:
            return function(batch)
        return function(torch.cat([batch, batch[-1:].expand(missing, *batch.shape[1:])]))[: len(batch)]

    return evenly


def watch(module: Composed, name: Name) -> Watch:
    """Of the half of a model, the scaling of its data, and the way to them."""
    return Watch([module.scaling, getattr(module.network, name)], [module._modules, module.network._modules])


def _in_onnx(module: Composed, name: Name) -> Half:
    from isthmus.engines.runtime import onnx_decoder, onnx_encoder

    network = getattr(module.network, name).eval()
    if name == "encoder":
        arrays = onnx_encoder(module.scaling, network, module.event_shape)
    else:
        arrays = onnx_decoder(network, module.bottleneck.latent_dim_)
    return Half(lambda batch: torch.from_numpy(arrays(batch.numpy())), watch(module, name), arrays)


def _live(module: Composed, name: Name) -> Function:
    """The module's own layers, which cannot be out of date."""
    if name == "encoder":
        return lambda x: module.network.encoder.eval()(module.scaling(x)).float()
    return lambda z: module.network.decoder.eval()(z).float()


def _in_bf16(module: Composed, name: Name) -> Function:
    """A copy in bf16, with batch normalisation merged in before, and the pixels of all channels side by side."""
    network = copy.deepcopy(getattr(module.network, name)).eval()
    if type(network) is nn.Sequential:
        network = nn.Sequential(*without_norms(network))
    network = network.bfloat16().to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
    if name == "encoder":
        return lambda x: network(module.scaling(x).bfloat16()).float()
    return lambda z: network(z.bfloat16()).float()


def _compiled(function: Function) -> Function:
    """The function by `torch.compile`, for any number of rows, compiled at the first call."""

    def run(batch: Tensor) -> Tensor:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # the compiler imports what PyTorch has deprecated
            try:
                return compiled(batch)
            except RuntimeError as error:
                reason = next(iter(str(error).splitlines()), type(error).__name__)[:200]
                raise CompileError(f"the model does not run compiled here ({reason}); use backend='eager'") from error

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        compiled = torch.compile(function, dynamic=True)
    return run
