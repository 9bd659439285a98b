# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""
The convolution of the image in an eight-bit file: on its bytes, not on normalised floats.

Three channels are few for onnxruntime's eight-bit kernels, and in float the whole image is brought
to float before and the large output to eight bits behind. With a stride of s, though, s pixels of
a row are one of s times the channels, which is how the image lies in memory already.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper

from seg_perception.inference.model_file import INPUT_NAME
from training.config import SIZE_MULTIPLE
from training.transforms import MEAN_RGB, STD_RGB

NORMALISATION = ['Mul', 'Sub', 'Cast', 'Transpose']
"""Operators of ``normalise`` as it is exported, from the last to the first."""
VIEWS = {'Reshape', 'Unsqueeze'}
GREY = round(sum(MEAN_RGB) / 3)
"""The byte that counts as 0, and so lies around the image; in float each channel has its mean."""
WEIGHT_STEPS, BIAS_STEPS = 127, 2**30


def read_bytes(model: onnx.ModelProto) -> None:
    """
    Fold the normalisation into the convolutions that read the image, in place, in eight bits.

    Convolutions whose stride does not allow it stay in float.
    """
    graph = model.graph
    made_by = {output: node for node in graph.node for output in node.output}
    weights = {weight.name: numpy_helper.to_array(weight) for weight in graph.initializer}
    for node in [node for node in graph.node if node.op_type == 'Conv']:
        if _reads_image(node, made_by) and weights.keys() >= set(node.input[1:]):
            kernel, *bias = (weights[name] for name in node.input[1:])
            kernel = kernel / np.array(STD_RGB)[:, None, None]
            shift = (kernel.sum((2, 3)) * (GREY - np.array(MEAN_RGB))).sum(1)
            _replace(graph, node, kernel, sum(bias, shift))
    _drop_unused(graph)


def fold_row(kernel: np.ndarray, stride: int, before: int) -> tuple[np.ndarray, int]:
    """
    A kernel (o, c, h, w) for rows of blocks of ``stride`` pixels: (o, stride * c, h, blocks).

    :param before: pixels of padding before a row.
    :return: the kernel, and the blocks of padding before a row.
    """
    out, channels, height, width = kernel.shape
    blocks_before = -(-before // stride)
    blocks = (width - 1 - before) // stride + blocks_before + 1
    folded = np.zeros((out, stride, channels, height, blocks))
    for column in range(width):
        block, pixel = divmod(column - before, stride)
        folded[:, pixel, :, :, blocks_before + block] = kernel[..., column]
    return folded.reshape(out, -1, height, blocks), blocks_before


def _reads_image(node: onnx.NodeProto, made_by: dict[str, onnx.NodeProto]) -> bool:
    """Whether the normalisation, and no step of the network, lies between the image and a node."""
    name, steps = node.input[0], []
    while name in made_by and made_by[name].op_type in {*NORMALISATION, *VIEWS}:
        steps.append(made_by[name].op_type)
        name = made_by[name].input[0]
    return name == INPUT_NAME and [step for step in steps if step not in VIEWS] == NORMALISATION


def _replace(
    graph: onnx.GraphProto, node: onnx.NodeProto, kernel: np.ndarray, bias: np.ndarray
) -> None:
    said = {a.name: helper.get_attribute_value(a) for a in node.attribute}
    rows, stride = said['strides']
    top, before, bottom, after = said['pads']
    folded, blocks_before = fold_row(kernel, stride, before)
    # As many columns as before, of any image whose width is a multiple of the stride.
    blocks_after = (before + after - kernel.shape[3]) // stride + folded.shape[3] - blocks_before
    plain = set(said['dilations']) == {1} and said['group'] == 1
    if not plain or stride == 1 or SIZE_MULTIPLE % stride or blocks_after < 0:
        return
    attributes = {'strides': [rows, 1], 'pads': [top, blocks_before, bottom, blocks_after]}
    new = list(_nodes(graph, node, folded, bias, attributes))
    place = list(graph.node).index(node)
    graph.node.remove(node)
    for offset, row in enumerate(new):
        graph.node.insert(place + offset, row)


def _nodes(
    graph: onnx.GraphProto,
    node: onnx.NodeProto,
    kernel: np.ndarray,
    bias: np.ndarray,
    attributes: dict[str, Any],
) -> Iterator[onnx.NodeProto]:
    # A channel without weights still has its bias.
    scale = np.maximum(np.abs(kernel).max((1, 2, 3)) / WEIGHT_STEPS, np.abs(bias) / BIAS_STEPS)
    scale = np.where(scale > 0, scale, 1).astype(np.float32)

    def stored(name: str, values: np.ndarray) -> str:
        name = f'{node.name}.{name}'
        graph.initializer.append(numpy_helper.from_array(values, name))
        return name

    def step(operator: str, inputs: list[str], output: str, **options: Any) -> onnx.NodeProto:
        return helper.make_node(operator, inputs, [f'{node.name}.{output}'], **options)

    def floats(name: str, values: np.ndarray) -> onnx.NodeProto:
        zero = stored(f'{name}_zero', np.zeros(len(scale), values.dtype))
        names = [stored(f'{name}_steps', values), f'{node.name}.scale', zero]
        return step('DequantizeLinear', names, name, axis=0)

    stored('scale', scale)
    shape = stored('shape', np.array([0, 0, -1, kernel.shape[1]], np.int64))
    one, grey = stored('one', np.array(1, np.float32)), stored('grey', np.array(GREY, np.uint8))
    rows = step('Reshape', [INPUT_NAME, shape], 'rows')
    planes = step('Transpose', [*rows.output], 'planes', perm=[0, 3, 1, 2])
    image = step('DequantizeLinear', [*planes.output, one, grey], 'image')
    weight = floats('weight', np.rint(kernel / scale[:, None, None, None]).astype(np.int8))
    offset = floats('bias', np.rint(bias / scale).astype(np.int32))
    yield from (rows, planes, image, weight, offset)
    inputs = [part.output[0] for part in (image, weight, offset)]
    yield helper.make_node('Conv', inputs, [*node.output], node.name, **attributes)


def _drop_unused(graph: onnx.GraphProto) -> None:
    """Remove what nothing reads."""
    while True:
        read = {name for node in graph.node for name in node.input}
        read |= {output.name for output in graph.output}
        unused = [node for node in graph.node if not read & set(node.output)]
        for node in unused:
            graph.node.remove(node)
        if not unused:
            break
    for weight in [weight for weight in graph.initializer if weight.name not in read]:
        graph.initializer.remove(weight)
