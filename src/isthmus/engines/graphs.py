"""A chain of layers as an ONNX graph, written layer by layer, which takes milliseconds."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from torch import nn

from isthmus.engines.norms import without_norms
from isthmus.networks import conv as pictures
from isthmus.networks.base import Flatten, Unflatten
from isthmus.networks.scaling import Scaling
from isthmus.networks.unit_norm import UnitNormLinear

_OPSET, _IR_VERSION = 21, 10
INPUT, OUTPUT = "x", "y"


class UnknownLayerError(Exception):
    """A layer for which there is no translation here."""


class Graph:
    """Nodes and constants, as they are added."""

    def __init__(self, n_axes: int) -> None:
        self.n_axes = n_axes
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []

    def add(self, kind: str, *inputs: str, **attributes: Any) -> str:
        """Append a node and return the name of what it gives."""
        name = f"v{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, list(inputs), [name], **attributes))
        return name

    def constant(self, value: Any) -> str:
        """Append a constant and return its name."""
        name = f"c{len(self.constants)}"
        array = value.detach().cpu().numpy() if hasattr(value, "detach") else np.asarray(value)
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(array).reshape(array.shape), name))
        return name

    def model(self, last: str, dtype: int, event: tuple[int, ...]) -> bytes:
        """The graph from an input of shape (n, *event) to the value of this name."""
        self.nodes.append(helper.make_node("Identity", [last], [OUTPUT]))
        graph = helper.make_graph(
            self.nodes,
            "half",
            [helper.make_tensor_value_info(INPUT, dtype, ["n", *event])],
            [helper.make_tensor_value_info(OUTPUT, TensorProto.FLOAT, None)],
            self.constants,
        )
        opset = helper.make_opsetid("", _OPSET)
        return helper.make_model(graph, opset_imports=[opset], ir_version=_IR_VERSION).SerializeToString()


def translate(network: nn.Module, event: tuple[int, ...], scaling: Scaling | None = None) -> bytes:
    """The ONNX model of a chain of layers, as it is in evaluation.

    Parameters
    ----------
    network : Sequential
        Its weights are copied.
    event : tuple of int
        Shape of one sample that it takes.
    scaling : Scaling, optional
        Comes first. Of a scaling to logarithms it is what comes after the logarithm, which ONNX has no exact form of.

    Raises
    ------
    UnknownLayerError
        A layer has no translation.
    """
    graph, name, dtype = Graph(1 + len(event)), INPUT, TensorProto.FLOAT
    if scaling is not None:
        dtype = helper.np_dtype_to_tensor_dtype(scaling.shift.detach().cpu().numpy().dtype)
        name = graph.add("Sub", name, graph.constant(scaling.shift))
        name = graph.add("Div", name, graph.constant(scaling.scale))
        if dtype != TensorProto.FLOAT:
            name = graph.add("Cast", name, to=TensorProto.FLOAT)
    for layer in without_norms(_layers(network)):
        name = _write(graph, layer, name)
    return graph.model(name, dtype, event)


def untranslatable(network: nn.Module) -> str | None:
    """Name of the first layer that has no translation, or None."""
    try:
        layers = _layers(network)
    except UnknownLayerError as error:
        return str(error)
    return next((type(layer).__name__ for layer in layers if not _is_known(layer)), None)


def _layers(network: nn.Module) -> list[nn.Module]:
    if type(network) is not nn.Sequential or _has_hooks(network):
        raise UnknownLayerError(type(network).__name__)
    return list(network)


def _is_known(layer: nn.Module) -> bool:
    if _has_hooks(layer) or (type(layer) is UnitNormLinear and layer.gathers):
        return False
    return type(layer) in _WRITERS or type(layer) in _MERGED


def _has_hooks(layer: nn.Module) -> bool:
    return bool(layer._forward_hooks or layer._forward_pre_hooks)


def _write(graph: Graph, layer: nn.Module, name: str) -> str:
    if type(layer) not in _WRITERS:
        raise UnknownLayerError(type(layer).__name__)
    return _WRITERS[type(layer)](graph, layer, name)


# ------------------------------------------------------------------ the layers

Writer = Callable[[Graph, Any, str], str]


def _same(graph: Graph, layer: nn.Module, name: str) -> str:
    return name


def _named(kind: str, **attributes: Any) -> Writer:
    return lambda graph, layer, name: graph.add(kind, name, **attributes)


def _silu(graph: Graph, layer: nn.Module, name: str) -> str:
    return graph.add("Mul", name, graph.add("Sigmoid", name))


def _elu(graph: Graph, layer: nn.ELU, name: str) -> str:
    """max(0, x) + α (exp min(0, x) − 1) with exp x − 1 = 2t / (1 − t) for t = tanh x/2.

    ONNX Runtime's own Elu rounds the last values of an array in another way than those before them.
    """
    t = graph.add("Tanh", graph.add("Mul", graph.add("Min", name, _number(graph, 0)), _number(graph, 0.5)))
    falling = graph.add("Div", graph.add("Add", t, t), graph.add("Sub", _number(graph, 1), t))
    return graph.add("Add", graph.add("Relu", name), graph.add("Mul", falling, _number(graph, layer.alpha)))


def _number(graph: Graph, value: float) -> str:
    return graph.constant(np.float32(value))


def _linear(graph: Graph, layer: nn.Linear, name: str) -> str:
    return _affine(graph, layer.weight, layer.bias, name, transB=1)


def _atoms(graph: Graph, layer: UnitNormLinear, name: str) -> str:
    return _affine(graph, layer.atoms, layer.bias, name)


def _affine(graph: Graph, weight: Any, bias: Any, name: str, **attributes: Any) -> str:
    operands = [graph.constant(value) for value in (weight, bias) if value is not None]
    return graph.add("Gemm", name, *operands, **attributes)


def _conv(graph: Graph, layer: nn.Conv2d | nn.ConvTranspose2d, name: str) -> str:
    if layer.padding_mode != "zeros" or isinstance(layer.padding, str):
        raise UnknownLayerError(f"{type(layer).__name__} with padding {layer.padding_mode!r}, {layer.padding!r}")
    operands = [graph.constant(value) for value in (layer.weight, layer.bias) if value is not None]
    attributes = {
        "kernel_shape": list(layer.kernel_size),
        "strides": list(layer.stride),
        "pads": [*layer.padding, *layer.padding],
        "dilations": list(layer.dilation),
        "group": layer.groups,
    }
    if isinstance(layer, nn.ConvTranspose2d):
        return graph.add("ConvTranspose", name, *operands, **attributes, output_padding=list(layer.output_padding))
    return graph.add("Conv", name, *operands, **attributes)


def _layer_norm(graph: Graph, layer: nn.LayerNorm, name: str) -> str:
    operands = [graph.constant(value) for value in (layer.weight, layer.bias)]
    return graph.add("LayerNormalization", name, *operands, axis=-len(layer.normalized_shape), epsilon=layer.eps)


def _group_norm(graph: Graph, layer: nn.GroupNorm, name: str) -> str:
    """All channels as one group, by LayerNormalization: ONNX Runtime's groups round by where a row lies in memory."""
    if layer.num_groups != 1:
        raise UnknownLayerError(f"GroupNorm with {layer.num_groups} groups")
    operands = [graph.constant(value.reshape(-1, 1, 1)) for value in (layer.weight, layer.bias)]
    return graph.add("LayerNormalization", name, *operands, axis=1, epsilon=layer.eps)


def _pool(kind: str) -> Writer:
    def write(graph: Graph, layer: nn.MaxPool2d | nn.AvgPool2d, name: str) -> str:
        kernel, stride, padding = (_pair(value) for value in (layer.kernel_size, layer.stride, layer.padding))
        attributes = {"kernel_shape": kernel, "strides": stride, "pads": padding * 2}
        return graph.add(kind, name, **attributes, ceil_mode=int(layer.ceil_mode))

    return write


def _pair(value: Any) -> list[int]:
    return [value, value] if isinstance(value, int) else list(value)


def _unflatten(graph: Graph, layer: nn.Unflatten, name: str) -> str:
    if layer.dim != 1:
        raise UnknownLayerError(f"Unflatten of axis {layer.dim}")
    return _reshape(graph, cast("tuple[int, ...]", layer.unflattened_size), name)


def _reshape(graph: Graph, shape: tuple[int, ...], name: str) -> str:
    return graph.add("Reshape", name, graph.constant(np.array([0, *shape])))  # 0: as many rows as come in


def _channels_first(graph: Graph, layer: nn.Module, name: str) -> str:
    if graph.n_axes == 3:
        return graph.add("Unsqueeze", name, graph.constant(np.array([1])))
    return graph.add("Transpose", name, perm=[0, 3, 1, 2])


def _upsample(graph: Graph, layer: pictures.Upsample, name: str) -> str:
    size = graph.constant(np.array(layer.size))
    how = {"mode": "nearest", "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
    return graph.add("Resize", name, "", "", size, axes=[2, 3], **how)


_WRITERS: dict[type[nn.Module], Writer] = {
    nn.Identity: _same,
    nn.Dropout: _same,
    Flatten: _named("Flatten", axis=1),
    nn.Flatten: _named("Flatten", axis=1),
    nn.Unflatten: _unflatten,
    Unflatten: lambda graph, layer, name: _reshape(graph, layer.shape, name),
    nn.Linear: _linear,
    UnitNormLinear: _atoms,
    nn.Conv2d: _conv,
    nn.ConvTranspose2d: _conv,
    nn.LayerNorm: _layer_norm,
    nn.GroupNorm: _group_norm,
    nn.MaxPool2d: _pool("MaxPool"),
    nn.AvgPool2d: _pool("AveragePool"),
    pictures.ChannelsFirst: _channels_first,
    pictures.ChannelsLast: _named("Transpose", perm=[0, 2, 3, 1]),
    pictures.Upsample: _upsample,
    nn.ReLU: _named("Relu"),
    nn.LeakyReLU: lambda graph, layer, name: graph.add("LeakyRelu", name, alpha=layer.negative_slope),
    nn.ELU: _elu,
    nn.GELU: lambda graph, layer, name: graph.add("Gelu", name, approximate=layer.approximate),
    nn.SiLU: _silu,
    nn.Tanh: _named("Tanh"),
    nn.Sigmoid: _named("Sigmoid"),
}
_MERGED = (nn.BatchNorm1d, nn.BatchNorm2d)
