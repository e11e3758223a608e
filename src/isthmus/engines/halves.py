"""Half a network as a function of a batch, as each backend runs it."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from isthmus.core import Composed
from isthmus.engines.norms import without_norms
from isthmus.engines.settings import Setting, has_onnx
from isthmus.errors import IsthmusError, ParameterError

Name = Literal["encoder", "decoder"]
Function = Callable[[Tensor], Tensor]

# Twice the numbers in the widest register: the loops of PyTorch's elementwise functions step by so many, and treat the
# rest in another way, with another rounding.
BLOCK = 32
# Of large samples there is too much else to do.
_MOST_TO_REPEAT = 1 << 14
# A graph with its weights inside may have 2 GB.
_MOST_BYTES = 1 << 30


class Watch:
    """Whether layers and weights are what they were: what was copied from them is of no use otherwise.

    Changes are seen that PyTorch sees: by an optimiser, by `load_state_dict`, in place, a tensor or a layer put in the
    place of another. What is written through ``.data`` or a NumPy view of a weight is not.
    """

    def __init__(self, module: Composed, name: Name) -> None:
        roots = (module.scaling, getattr(module.network, name))
        modules = [inner for root in roots for inner in root.modules()]
        above = [(module._modules, "scaling"), (module._modules, "network"), (module.network._modules, name)]
        within = [(inner._modules, key) for inner in modules for key in inner._modules]
        self._layers = [(held, key, held[key]) for held, key in above + within]
        self._tensors = [
            (held, key, tensor, _stamp(tensor))
            for inner in modules
            for held in (inner._parameters, inner._buffers)
            for key, tensor in held.items()
            if tensor is not None
        ]

    def holds(self) -> bool:
        """Whether nothing has changed."""
        for held, key, layer in self._layers:
            if held.get(key) is not layer:
                return False
        for held, key, tensor, stamp in self._tensors:
            if held.get(key) is not tensor or _stamp(tensor) != stamp:
                return False
        return True


def _stamp(tensor: Tensor) -> tuple[int, int]:
    """Where a tensor is, and how often it was changed in place, which of inference mode's tensors is not known."""
    return tensor.data_ptr(), 0 if tensor.is_inference() else tensor._version


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
    """

    function: Function
    watch: Watch | None = None

    def is_current(self) -> bool:
        """Whether it still is what the model is."""
        return self.watch is None or self.watch.holds()


def make_half(module: Composed, name: Name, setting: Setting) -> Half:
    """Half of a model as this setting wants it run."""
    if setting.backend == "onnx" or (setting.backend == "auto" and setting.precision == "32"):
        obstacle = onnx_obstacle(module, name)
        if obstacle is None:
            return Half(_in_onnx(module, name), Watch(module, name))
        if setting.backend == "onnx":
            raise ParameterError(f"ONNX Runtime cannot run the {name} here: {obstacle}; use backend='auto' or 'eager'")
    if setting.precision == "32":
        function, watch = _live(module, name), None
    else:
        function, watch = _in_bf16(module, name), Watch(module, name)
    return Half(in_blocks(_compiled(function) if setting.backend == "compiled" else function), watch)


def onnx_obstacle(module: Composed, name: Name) -> str | None:
    """Why ONNX Runtime cannot run this half, or None if it can."""
    if not has_onnx():
        return "onnx and onnxruntime are not installed"
    from isthmus.engines.graphs import untranslatable

    network, device = getattr(module.network, name), module.scaling.shift.device
    if device.type != "cpu":
        return f"the model is on {device}"
    tensors = [*network.parameters(), *network.buffers(), *module.scaling.buffers()]
    if sum(tensor.nbytes for tensor in tensors) > _MOST_BYTES:
        return "its weights are too large for one graph"
    layer = untranslatable(network)
    return None if layer is None else f"it has a layer without a translation ({layer})"


def in_blocks(function: Function) -> Function:
    """The function of a batch, to which the last row is added until the number of rows is a multiple of 32.

    Without it the last digits of a row depend on where in the batch it sits even for the simplest networks. Matrix
    products of PyTorch round by the place in memory too, so for some widths of layers, odd ones above all, they still
    do.
    """

    def evenly(batch: Tensor) -> Tensor:
        missing = -len(batch) % BLOCK
        if missing == 0 or batch[0].numel() > _MOST_TO_REPEAT:
            return function(batch)
        return function(torch.cat([batch, batch[-1:].expand(missing, *batch.shape[1:])]))[: len(batch)]

    return evenly


def _in_onnx(module: Composed, name: Name) -> Function:
    from isthmus.engines.runtime import onnx_decoder, onnx_encoder

    network = getattr(module.network, name).eval()
    if name == "encoder":
        return onnx_encoder(module.scaling, network, module.event_shape)
    return onnx_decoder(network, module.bottleneck.latent_dim_)


def _live(module: Composed, name: Name) -> Function:
    """The module's own layers, which cannot be out of date."""
    if name == "encoder":
        return lambda x: module.network.encoder.eval()(module.scaling(x)).float()
    return lambda z: module.network.decoder.eval()(z).float()


def _in_bf16(module: Composed, name: Name) -> Function:
    """A copy with weights in bf16, batch normalisation merged into the layers before that, convolutions laid out anew."""
    network = copy.deepcopy(getattr(module.network, name)).eval()
    if type(network) is nn.Sequential:
        network = nn.Sequential(*without_norms(network))
    network = network.to(torch.bfloat16, memory_format=torch.channels_last)
    if name == "encoder":
        return lambda x: network(module.scaling(x).bfloat16()).float()
    return lambda z: network(z.bfloat16()).float()


def _compiled(function: Function) -> Function:
    compiled = torch.compile(function, dynamic=True)

    def run(batch: Tensor) -> Tensor:
        try:
            return compiled(batch)
        except torch._dynamo.exc.TorchDynamoException as error:
            reason = str(error).splitlines()[0][:200]
            raise IsthmusError(f"the model cannot be compiled here ({reason}); use backend='eager'") from error

    return run
