# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Which steps are in eight bits, and that the answer stays."""

from collections import Counter

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnx import TensorProto, numpy_helper

from small_net import paint
from training.export.files import finish
from training.export.int8 import CALIBRATIONS, quantise


@pytest.fixture(scope='module')
def small(exported):
    return finish(quantise(exported, [paint(seed)[0] for seed in range(6)], 'min-max'))


def labels_of(model, rgb):
    session = ort.InferenceSession(model.SerializeToString(), providers=['CPUExecutionProvider'])
    return session.run(['labels'], {'image': rgb[None]})[0][0]


def test_labels_stay(exported, small):
    for seed in (60, 61):
        rgb, truth = paint(seed)
        labels = labels_of(small, rgb)
        assert (labels == labels_of(exported, rgb)).mean() > 0.98
        assert (labels == truth).mean() > 0.85


def test_weights_are_signed_with_a_scale_for_each_channel(small):
    types = Counter(
        weight.data_type for weight in small.graph.initializer if len(weight.dims) == 4
    )
    assert types == {TensorProto.INT8: 4, TensorProto.FLOAT: 1}
    weights = {weight.name: weight for weight in small.graph.initializer}
    nodes = {output: node for node in small.graph.node for output in node.output}
    for node in small.graph.node:
        if node.op_type == 'Conv' and nodes.get(node.input[1]):
            quantised, scale = (weights[name] for name in nodes[node.input[1]].input[:2])
            assert list(scale.dims) == [quantised.dims[0]]


def test_activations_are_unsigned(small):
    zeros = {weight.name: weight.data_type for weight in small.graph.initializer}
    points = [node.input[2] for node in small.graph.node if node.op_type == 'QuantizeLinear']
    assert len(points) >= 4
    assert {zeros[point] for point in points} == {TensorProto.UINT8}


def test_what_is_around_the_network_stays_in_float(small):
    """No quantised value goes into the steps behind the logits."""
    made_by = {output: node.op_type for node in small.graph.node for output in node.output}
    for node in small.graph.node:
        if node.op_type in ('Resize', 'ArgMax', 'MatMul', 'Exp', 'Pad', 'Sub'):
            assert 'QuantizeLinear' not in {made_by.get(name) for name in node.input}


def test_file_is_a_fraction(exported, small):
    assert small.ByteSize() < 0.6 * exported.ByteSize()


@pytest.mark.parametrize('calibration', ['percentile', 'entropy'])
def test_other_calibrations(exported, calibration):
    frames = [paint(seed)[0] for seed in range(3)]
    rgb, _ = paint(62)
    labels = labels_of(quantise(exported, frames, calibration), rgb)
    assert (labels == labels_of(exported, rgb)).mean() > 0.97


def test_calibrations_are_tried_from_the_quickest():
    assert list(CALIBRATIONS) == ['min-max', 'percentile', 'entropy']


def test_frames_of_several_sizes(exported):
    frames = [paint(1)[0], paint(2, (72, 136))[0]]
    assert isinstance(quantise(exported, frames, 'min-max'), onnx.ModelProto)


def test_range_covers_all_frames(exported):
    """The first quantised map is one of ReLU: its scale is that of the frame that needs most."""
    dark, light = np.zeros((64, 96, 3), np.uint8), np.full((64, 96, 3), 255, np.uint8)
    scales = []
    for frames in ([dark], [light], [dark, light], [light, dark]):
        graph = quantise(exported, frames, 'min-max').graph
        weights = {weight.name: weight for weight in graph.initializer}
        first = next(node for node in graph.node if node.op_type == 'QuantizeLinear')
        scales.append(float(numpy_helper.to_array(weights[first.input[1]])))
    assert scales[0] != scales[1]
    assert scales[2] == scales[3] == max(scales[:2])
