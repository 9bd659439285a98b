# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""
A real model file of a few kilobytes whose answer is known.

The label of a pixel is the class whose palette colour is nearest to the pixel's colour, so a
picture painted with the palette yields exactly its labels. The confidence is 200 everywhere. With
a scale, the OOD score of an image is its mean squared distance to those colours.
"""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
from onnx import TensorProto, helper, numpy_helper

from seg_perception.core.classes import CAMVID_11, ClassTable
from seg_perception.inference.model_file import METADATA_KEY, ModelCard, OodCalibration

CONFIDENCE = 200


def write_tiny_model(
    path: Path,
    classes: ClassTable = CAMVID_11,
    fixed_size: tuple[int, int] | None = None,
    delay: float = 0,
    ood_calibration: OodCalibration | None = None,
) -> Path:
    """
    Write the model file and return its path.

    :param fixed_size: (height, width) for a model of that size alone; any multiple of 8 without.
    :param delay: slow it down by about so many milliseconds a run, measured on this machine.
    """
    card = tiny_card(classes, fixed_size, ood_calibration)
    turns = round(delay / _turn_ms()) if delay else 0
    onnx.save(tiny_graph(card, turns), str(path))
    return path


def tiny_card(
    classes: ClassTable = CAMVID_11,
    fixed_size: tuple[int, int] | None = None,
    ood_calibration: OodCalibration | None = None,
) -> ModelCard:
    return ModelCard(
        name='tiny',
        classes=classes,
        input_size=fixed_size or (384, 640),
        size_multiple=1 if fixed_size else 8,
        dynamic=fixed_size is None,
        temperature=1.0,
        data='none: nearest palette colour',
        scores={'mean_iou of painted pictures': 1.0},
        licence='Apache-2.0',
        commit='0' * 40,
        ood_calibration=ood_calibration,
    )


def tiny_graph(card: ModelCard, turns: int = 0) -> onnx.ModelProto:
    """The ONNX model: argmax over 2 x.p - p.p, which is the nearest colour p to the pixel x."""
    colours = np.array([row.rgb for row in card.classes.classes], np.float32)  # (C, 3)
    size = list(card.input_size) if not card.dynamic else ['H', 'W']
    nodes = [
        helper.make_node('Cast', ['image'], ['rgb'], to=TensorProto.FLOAT),
        helper.make_node('MatMul', ['rgb', 'twice'], ['dots']),
        helper.make_node('Sub', ['dots', 'squares'], ['proximity']),  # (N, H, W, C)
        helper.make_node('ArgMax', ['proximity'], ['index'], axis=3, keepdims=0),
        helper.make_node('Cast', ['index'], ['labels'], to=TensorProto.UINT8),
        helper.make_node('Shape', ['labels'], ['shape']),
        *_confidence_nodes(turns),
        *(_ood_nodes() if card.ood_calibration else ()),
    ]
    constants = {
        'twice': 2 * colours.T,
        'squares': (colours**2).sum(axis=1),
        **(_delay_constants(turns) if turns else {}),
        **({'colour': np.int64([3]), 'pixels': np.int64([1, 2])} if card.ood_calibration else {}),
    }
    graph = helper.make_graph(
        nodes,
        'tiny',
        [helper.make_tensor_value_info('image', TensorProto.UINT8, ['N', *size, 3])],
        [
            helper.make_tensor_value_info(name, TensorProto.UINT8, ['N', *size])
            for name in ('labels', 'confidence')
        ]
        + [
            helper.make_tensor_value_info('ood_score', TensorProto.FLOAT, ['N'])
            for _ in range(card.ood_calibration is not None)
        ],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid('', 18)], ir_version=9)
    helper.set_model_props(model, {METADATA_KEY: card.to_json()})
    return model


def _ood_nodes() -> list[onnx.NodeProto]:
    """x.x - (2 x.p - p.p) is the squared distance of the pixel x to the nearest colour p."""
    return [
        helper.make_node('Mul', ['rgb', 'rgb'], ['squared']),
        helper.make_node('ReduceSum', ['squared', 'colour'], ['length'], keepdims=0),
        helper.make_node('ReduceMax', ['proximity', 'colour'], ['nearest'], keepdims=0),
        helper.make_node('Sub', ['length', 'nearest'], ['distance']),
        helper.make_node('ReduceMean', ['distance', 'pixels'], ['ood_score'], keepdims=0),
    ]


def _confidence_nodes(turns: int) -> list[onnx.NodeProto]:
    value = helper.make_tensor('value', TensorProto.UINT8, [1], [CONFIDENCE])
    name = 'plain_confidence' if turns else 'confidence'
    nodes = [helper.make_node('ConstantOfShape', ['shape'], [name], value=value)]
    return [*nodes, *_delay_nodes()] if turns else nodes


def _delay_nodes() -> list[onnx.NodeProto]:
    """A loop of matrix products that starts from the image, so that nothing folds it away."""
    matrix = helper.make_tensor_value_info
    body = helper.make_graph(
        [
            helper.make_node('MatMul', ['before', 'identity'], ['after']),
            helper.make_node('Identity', ['go_on'], ['go_on_out']),
        ],
        'turn',
        [
            matrix('turn_index', TensorProto.INT64, []),
            matrix('go_on', TensorProto.BOOL, []),
            matrix('before', TensorProto.FLOAT, [96, 96]),
        ],
        [matrix('go_on_out', TensorProto.BOOL, []), matrix('after', TensorProto.FLOAT, [96, 96])],
    )
    return [
        helper.make_node('ReduceMax', ['rgb'], ['brightest'], keepdims=0),
        helper.make_node('Mul', ['brightest', 'identity'], ['start']),
        helper.make_node('Loop', ['turns', '', 'start'], ['end'], body=body),
        helper.make_node('ReduceMin', ['end'], ['least'], keepdims=0),  # off the diagonal
        helper.make_node('Cast', ['least'], ['zero'], to=TensorProto.UINT8),
        helper.make_node('Max', ['plain_confidence', 'zero'], ['confidence']),
    ]


def _delay_constants(turns: int) -> dict[str, np.ndarray]:
    return {'turns': np.int64(turns), 'identity': np.eye(96, dtype=np.float32)}


def _turn_ms() -> float:
    """Milliseconds of one turn of the delay loop here, the best of five."""
    turns = 1000
    graph = tiny_graph(tiny_card(fixed_size=(8, 8)), turns)
    session = ort.InferenceSession(graph.SerializeToString(), providers=['CPUExecutionProvider'])
    rgb = np.zeros((1, 8, 8, 3), np.uint8)
    times_s = []
    for _ in range(5):
        start_s = time.perf_counter()
        session.run(None, {'image': rgb})
        times_s.append(time.perf_counter() - start_s)
    return min(times_s) * 1e3 / turns
