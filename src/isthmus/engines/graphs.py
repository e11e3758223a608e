"""A chain of layers as an ONNX graph, written layer by layer, which takes milliseconds."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from torch import nn

from isthmus.engines.layers import write
from isthmus.networks.scaling import Scaling

_OPSET, _IR_VERSION = 21, 10
INPUT, OUTPUT = "x", "y"


class Graph:
    """Nodes and constants, as they are added.

    Parameters
    ----------
    event : tuple of int
        Shape of one sample that goes in.
    """

    def __init__(self, event: tuple[int, ...]) -> None:
        self.event = event
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []

    def add(self, kind: str, *inputs: str, **attributes: Any) -> str:
        """Append a node and return the name of what it gives."""
        return self.add_many(1, kind, *inputs, **attributes)[0]

    def add_many(self, n_outputs: int, kind: str, *inputs: str, **attributes: Any) -> list[str]:
        """Append a node and return the names of all that it gives."""
        names = [f"v{len(self.nodes)}_{number}" for number in range(n_outputs)]
        self.nodes.append(helper.make_node(kind, list(inputs), names, **attributes))
        return names

    def constant(self, value: Any) -> str:
        """Append a constant and return its name."""
        name = f"c{len(self.constants)}"
        array = value.detach().cpu().numpy() if hasattr(value, "detach") else np.asarray(value)
        self.constants.append(numpy_helper.from_array(array, name))
        return name

    def model(self, last: str, dtype: int) -> bytes:
        """The graph up to the value of this name."""
        self.nodes.append(helper.make_node("Identity", [last], [OUTPUT]))
        graph = helper.make_graph(
            self.nodes,
            "half",
            [helper.make_tensor_value_info(INPUT, dtype, ["n", *self.event])],
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
    graph, name, dtype = Graph(event), INPUT, TensorProto.FLOAT
    if scaling is not None:
        dtype = helper.np_dtype_to_tensor_dtype(scaling.shift.detach().cpu().numpy().dtype)
        name = graph.add("Sub", name, graph.constant(scaling.shift))
        name = graph.add("Div", name, graph.constant(scaling.scale))
        if dtype != TensorProto.FLOAT:
            name = graph.add("Cast", name, to=TensorProto.FLOAT)
    return graph.model(write(graph, network, name), dtype)
