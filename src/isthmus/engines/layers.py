"""Each layer as nodes of an ONNX graph."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from torch import nn

from isthmus.engines.norms import without_norms
from isthmus.networks.base import Flatten, Inlet, Unflatten
from isthmus.networks.conv import ChannelsFirst, ChannelsLast, Positions, TransposedConv, Upsample
from isthmus.networks.unet import Contract, Expand, Outputs
from isthmus.networks.unit_norm import UnitNormLinear

if TYPE_CHECKING:
    from isthmus.engines.graphs import Graph

Writer = Callable[["Graph", Any, str], str]


class UnknownLayerError(Exception):
    """A layer for which there is no translation here."""


def unknown_layer(layer: nn.Module) -> str | None:
    """Name of the first layer within this one that has no translation, or None."""
    # A hook may do anything; a subclass is another type.
    if layer._forward_hooks or layer._forward_pre_hooks or (type(layer) is UnitNormLinear and layer.gathers):
        return type(layer).__name__
    if type(layer) in _CHAINS:
        return next((found for inner in layer.children() if (found := unknown_layer(inner))), None)
    return None if type(layer) in _WRITERS or type(layer) in _MERGED else type(layer).__name__


def write(graph: Graph, layer: nn.Module, name: str) -> str:
    """Append a layer to what has this name; return the name of what it gives."""
    if type(layer) not in _WRITERS:
        raise UnknownLayerError(type(layer).__name__)
    return _WRITERS[type(layer)](graph, layer, name)


def _chain(graph: Graph, layers: nn.Sequential, name: str) -> str:
    for layer in without_norms(layers):
        name = write(graph, layer, name)
    return name


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
    shape = graph.add("Shape", name, start=1)
    operands = [
        graph.add("Expand", graph.constant(value.reshape(-1, 1, 1)), shape) for value in (layer.weight, layer.bias)
    ]
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
    if len(graph.event) == 2:
        return graph.add("Unsqueeze", name, graph.constant(np.array([1])))
    return graph.add("Transpose", name, perm=[0, 3, 1, 2])


def _positions(graph: Graph, layer: Positions, name: str) -> str:
    parts = graph.add("Reshape", name, graph.constant(np.array([0, *layer.parts, -1])))
    return graph.add("Flatten", graph.add("Transpose", parts, perm=[0, 1, 3, 2]), axis=1)


def _upsample(graph: Graph, layer: Upsample, name: str) -> str:
    return _enlarge(graph, layer.size, name)


def _enlarge(graph: Graph, size: tuple[int, ...], name: str) -> str:
    how = {"mode": "nearest", "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
    return graph.add("Resize", name, "", "", graph.constant(np.array(size)), axes=[2, 3], **how)


def _contract(graph: Graph, layer: Contract, name: str) -> str:
    maps = []
    for number, stage in enumerate(layer.stages):
        if number > 0:
            name = graph.add("AveragePool", name, kernel_shape=[2, 2], strides=[2, 2], ceil_mode=1)
        name = write(graph, stage, name)
        maps.append(graph.add("Flatten", name, axis=1))
    return graph.add("Concat", *maps, axis=1)


def _expand(graph: Graph, layer: Expand, name: str) -> str:
    (width,) = graph.event
    shapes = [(n, *size) for n, size in zip(layer.channels, layer.plans[width], strict=True)]
    widths = graph.constant(np.array([math.prod(shape) for shape in shapes]))
    flat = graph.add_many(len(shapes), "Split", name, widths, axis=1)
    maps = [_reshape(graph, shape, part) for shape, part in zip(shapes, flat, strict=True)]
    name = maps.pop()
    for stage, beside, shape in zip(reversed(layer.stages), reversed(maps), reversed(shapes[:-1]), strict=True):
        name = write(graph, stage, graph.add("Concat", beside, _enlarge(graph, shape[1:], name), axis=1))
    return write(graph, layer.last, name)


def _outputs(graph: Graph, layer: Outputs, name: str) -> str:
    return graph.add("Reshape", name, graph.constant(np.array([0, 0, 0, *layer.rest])))


_WRITERS: dict[type[nn.Module], Writer] = {
    nn.Sequential: _chain,
    Contract: _contract,
    Expand: _expand,
    Outputs: _outputs,
    nn.Identity: _same,
    nn.Dropout: _same,
    Flatten: _named("Flatten", axis=1),
    nn.Flatten: _named("Flatten", axis=1),
    nn.Unflatten: _unflatten,
    Unflatten: lambda graph, layer, name: _reshape(graph, layer.shape, name),
    nn.Linear: _linear,
    Inlet: _linear,
    UnitNormLinear: _atoms,
    nn.Conv2d: _conv,
    nn.ConvTranspose2d: _conv,
    TransposedConv: _conv,
    nn.LayerNorm: _layer_norm,
    nn.GroupNorm: _group_norm,
    nn.MaxPool2d: _pool("MaxPool"),
    nn.AvgPool2d: _pool("AveragePool"),
    ChannelsFirst: _channels_first,
    ChannelsLast: _named("Transpose", perm=[0, 2, 3, 1]),
    Positions: _positions,
    Upsample: _upsample,
    nn.ReLU: _named("Relu"),
    nn.LeakyReLU: lambda graph, layer, name: graph.add("LeakyRelu", name, alpha=layer.negative_slope),
    nn.ELU: _elu,
    nn.GELU: lambda graph, layer, name: graph.add("Gelu", name, approximate=layer.approximate),
    nn.SiLU: _silu,
    nn.Tanh: _named("Tanh"),
    nn.Sigmoid: _named("Sigmoid"),
}
_MERGED = (nn.BatchNorm1d, nn.BatchNorm2d)
_CHAINS = (nn.Sequential, nn.ModuleList, Contract, Expand)
