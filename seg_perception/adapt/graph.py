# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""A small builder of ONNX nodes, and what a loaded graph has to be asked and rid of."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

PREFIX = 'seg_perception'
"""Starts the name of every node and value that is added."""


class Builder:
    """
    Collects nodes and constants in the order of their execution.

    :param opset: of the model that they will be part of; axes are attributes before 18.
    """

    def __init__(self, opset: int) -> None:
        self.opset = opset
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []

    def add(
        self, kind: str, *inputs: Any, out: str = '', before: Sequence[str] = (), **attributes: Any
    ) -> str:
        """
        Append a node; the name of its output.

        :param inputs: names of values; or constants: an array, or numbers, of which floats become
            float32 and integers int64.
        :param before: names of outputs that the node has before that one.
        """
        names = [value if isinstance(value, str) else self._constant(value) for value in inputs]
        name = out or f'{PREFIX}/{kind}_{len(self.nodes)}'
        node = helper.make_node(kind, names, [*before, name], name=name, **attributes)
        self.nodes.append(node)
        return name

    def _constant(self, value: Any) -> str:
        array = np.asarray(value)
        if not isinstance(value, np.ndarray | np.generic):
            array = array.astype(np.float32 if array.dtype.kind == 'f' else np.int64)
        name = f'{PREFIX}/constant_{len(self.constants)}'
        self.constants.append(numpy_helper.from_array(array, name))
        return name

    def reduce(self, kind: str, value: str, axis: int) -> str:
        """ReduceMax, ReduceSum ... over one axis, which stays with length 1."""
        if self.opset >= (13 if kind == 'ReduceSum' else 18):  # axes are an input
            return self.add(kind, value, [axis], keepdims=1)
        return self.add(kind, value, axes=[axis], keepdims=1)

    def squeeze(self, value: str, axis: int) -> str:
        return self.add('Squeeze', value, [axis])

    def cast(self, value: str, to: int, out: str = '') -> str:
        return self.add('Cast', value, out=out, to=to)

    def columns(self, value: str, first: int, end: int) -> str:
        """Columns ``first`` to ``end`` of a value (K, N)."""
        return self.add('Slice', value, [first], [end], [1])

    def sides(self, value: str, first: int) -> str:
        """Two lengths of a tensor, from axis ``first`` on: its (H, W) as int64."""
        return self.add('Slice', self.add('Shape', value), [first], [first + 2])

    def resize(self, value: str, size: str, mode: str) -> str:
        """
        (N, C, h, w) resized to the (H, W) in ``size``; as it is when that is empty.

        'linear' is the bilinear of PyTorch with align_corners=False; 'nearest' takes the nearest
        pixel centre.
        """
        if not size:
            return value
        sizes = self.add('Concat', self.sides(value, 0), size, axis=0)
        centres = {'coordinate_transformation_mode': 'half_pixel'}
        centres['nearest_mode'] = 'round_prefer_ceil'  # as OpenCV's INTER_NEAREST_EXACT
        return self.add('Resize', value, '', '', sizes, mode=mode, **centres)


def opset_of(model: onnx.ModelProto) -> int:
    """Version of the standard operators that a model uses."""
    return max(int(row.version) for row in model.opset_import if row.domain in ('', 'ai.onnx'))


def real_inputs(model: onnx.ModelProto) -> list[onnx.ValueInfoProto]:
    """Inputs without the weights that old exporters list among them."""
    weights = {weight.name for weight in model.graph.initializer}
    return [value for value in model.graph.input if value.name not in weights]


def shape_of(value: onnx.ValueInfoProto) -> list[int | str]:
    """Lengths of the axes of an input or output; names or '' where they are free."""
    return [
        dim.dim_value if dim.HasField('dim_value') else dim.dim_param
        for dim in value.type.tensor_type.shape.dim
    ]


def outputs_of(model: onnx.ModelProto, kind: str) -> frozenset[str]:
    """Names of the outputs that come out of an operator, but for changes of size and layout."""
    makers = {name: node for node in model.graph.node for name in node.output}

    def comes_out(name: str) -> bool:
        node = makers.get(name)
        while node is not None and node.op_type in _KEEPERS:
            node = makers.get(node.input[0])
        return node is not None and node.op_type == kind

    return frozenset(value.name for value in model.graph.output if comes_out(value.name))


_KEEPERS = ('Resize', 'Transpose', 'Cast', 'Identity', 'Reshape', 'Unsqueeze')


def prune(graph: onnx.GraphProto) -> None:
    """Take out what no output needs, such as auxiliary heads."""
    needed = {value.name for value in graph.output}
    kept = []
    for node in reversed(graph.node):
        if needed.isdisjoint(node.output):
            continue
        kept.append(node)
        needed.update(_reads(node))
    del graph.node[:]
    graph.node.extend(reversed(kept))
    weights = [weight for weight in graph.initializer if weight.name in needed]
    del graph.initializer[:]
    graph.initializer.extend(weights)
    del graph.value_info[:]  # some of it is of values that are gone


def _reads(node: onnx.NodeProto) -> Iterable[str]:
    """Names that a node reads, those inside of its subgraphs included."""
    yield from node.input
    for attribute in node.attribute:
        for graph in (attribute.g, *attribute.graphs):
            for inner in graph.node:
                yield from _reads(inner)


FLOATS: dict[int, Any] = {TensorProto.FLOAT: np.float32, TensorProto.FLOAT16: np.float16}
