# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Small networks as other people's exporters write them, built node by node."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

FREE = ('H', 'W')


def network(
    path: Path,
    weights: np.ndarray,
    nhwc: bool = False,
    size: tuple = FREE,
    stride: int = 1,
    tail: tuple[str, ...] = (),
    kind: int = TensorProto.FLOAT,
    opset: int = 17,
    batch: int | str = 'N',
    extra: bool = False,
) -> Path:
    """
    A 1x1 convolution from three channels to classes, (C, 3) weights, then some operators.

    :param nhwc: take and give (N, H, W, .).
    :param tail: operators after it: Softmax, Sigmoid, ArgMax (int64 labels), ArgMax1 (with axis).
    :param extra: also give an auxiliary output of another number of channels, first.
    """
    axis = 3 if nhwc else 1
    dtype = helper.tensor_dtype_to_np_dtype(kind)
    kernel = np.asarray(weights, dtype)[:, :, None, None]
    nodes = []
    value = 'x'
    if nhwc:
        nodes.append(helper.make_node('Transpose', [value], ['chw'], perm=[0, 3, 1, 2]))
        value = 'chw'
    nodes.append(helper.make_node('Conv', [value, 'kernel'], ['y'], strides=[stride, stride]))
    value = 'y'
    if nhwc:
        nodes.append(helper.make_node('Transpose', [value], ['hwc'], perm=[0, 2, 3, 1]))
        value = 'hwc'
    for name in tail:
        options = {'Softmax': {'axis': axis}, 'Sigmoid': {}}.get(name)
        if options is None:
            options = {'axis': axis, 'keepdims': int(name == 'ArgMax1')}
        nodes.append(helper.make_node(name.rstrip('1'), [value], [f'{value}_{name}'], **options))
        value = f'{value}_{name}'
    last = TensorProto.INT64 if any('ArgMax' in name for name in tail) else kind
    outputs = [helper.make_tensor_value_info(value, last, None)]
    initializers = [numpy_helper.from_array(kernel, 'kernel')]
    if extra:
        nodes.append(helper.make_node('Concat', ['y', 'y', 'y'], ['aux'], axis=1))
        outputs.insert(0, helper.make_tensor_value_info('aux', kind, None))
    shape = [batch, *size, 3] if nhwc else [batch, 3, *size]
    graph = helper.make_graph(
        nodes, 'net', [helper.make_tensor_value_info('x', kind, shape)], outputs, initializers
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid('', opset)], ir_version=9)
    onnx.save(model, str(path))
    return path


def yolo(path: Path, detections: np.ndarray, prototypes: np.ndarray, size: int) -> Path:
    """A network of fixed size that always sees the same, whatever the picture."""
    nodes = [
        helper.make_node('ReduceMean', ['images'], ['mean'], keepdims=0),
        helper.make_node('Mul', ['mean', 'nothing'], ['zero']),
        helper.make_node('Add', ['boxes', 'zero'], ['output0']),
        helper.make_node('Add', ['maps', 'zero'], ['output1']),
    ]
    constants = {'boxes': detections, 'maps': prototypes, 'nothing': np.float32(0)}
    graph = helper.make_graph(
        nodes,
        'yolo',
        [helper.make_tensor_value_info('images', TensorProto.FLOAT, [1, 3, size, size])],
        [
            helper.make_tensor_value_info('output0', TensorProto.FLOAT, list(detections.shape)),
            helper.make_tensor_value_info('output1', TensorProto.FLOAT, list(prototypes.shape)),
        ],
        [numpy_helper.from_array(np.asarray(v, np.float32), k) for k, v in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid('', 17)], ir_version=9)
    onnx.save(model, str(path))
    return path
