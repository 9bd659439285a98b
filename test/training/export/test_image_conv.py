# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnx import TensorProto, helper, numpy_helper

from training.export.image_conv import GREY, read_bytes
from training.transforms import MEAN_RGB, STD_RGB


def file_of(kernel, bias=None, between=(), **attributes):
    """The normalisation of an image, perhaps something else, and one convolution."""
    arrays = {
        'mean': np.array(MEAN_RGB, np.float32)[:, None, None],
        'factor': 1 / np.array(STD_RGB, np.float32)[:, None, None],
        'kernel': kernel.astype(np.float32),
    }
    nodes = [
        helper.make_node('Transpose', ['image'], ['planes'], perm=[0, 3, 1, 2]),
        helper.make_node('Cast', ['planes'], ['float'], to=TensorProto.FLOAT),
        helper.make_node('Sub', ['float', 'mean'], ['centred']),
        helper.make_node('Mul', ['centred', 'factor'], ['x']),
        *between,
    ]
    inputs = [nodes[-1].output[0], 'kernel']
    if bias is not None:
        arrays['bias'] = bias.astype(np.float32)
        inputs.append('bias')
    said = {'strides': [2, 2], 'pads': [1, 1, 1, 1], 'dilations': [1, 1], 'group': 1} | attributes
    nodes.append(helper.make_node('Conv', inputs, ['y'], 'stem', **said))
    graph = helper.make_graph(
        nodes,
        'g',
        [helper.make_tensor_value_info('image', TensorProto.UINT8, ['n', 'h', 'w', 3])],
        [helper.make_tensor_value_info('y', TensorProto.FLOAT, ['n', 'c', 'rows', 'columns'])],
        [numpy_helper.from_array(values, name) for name, values in arrays.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid('', 18)], ir_version=10)


def operators(model):
    return [node.op_type for node in model.graph.node]


def run(model, image):
    onnx.checker.check_model(model)
    session = ort.InferenceSession(model.SerializeToString(), providers=['CPUExecutionProvider'])
    return session.run(None, {'image': image})[0]


def both(model, image):
    """What a file gives before and after."""
    before = run(model, image)
    read_bytes(model)
    return before, run(model, image)


@pytest.fixture
def rng():
    return np.random.default_rng(3)


@pytest.mark.parametrize(('size', 'stride', 'pads'), [
    ((3, 3), 2, [1, 1, 1, 1]), ((7, 7), 2, [3, 3, 3, 3]), ((2, 2), 2, [0, 0, 0, 0]),
    ((3, 3), 2, [0, 0, 1, 1]), ((5, 3), 2, [2, 1, 2, 1]), ((4, 4), 4, [0, 0, 0, 0]),
    ((7, 7), 4, [3, 3, 3, 3]), ((3, 3), 2, [0, 0, 0, 0]), ((3, 3), 4, [1, 1, 1, 1]),
])  # fmt: skip
def test_answer_stays(rng, size, stride, pads):
    kernel, bias = rng.normal(size=(6, 3, *size)), rng.normal(size=6)
    model = file_of(kernel, bias, strides=[stride, stride], pads=pads)
    before, after = both(model, rng.integers(0, 256, (2, 48, 64, 3), np.uint8))
    assert operators(model).count('DequantizeLinear') == 3 and 'Sub' not in operators(model)
    assert before.shape == after.shape
    # Each weight is off by half a step at most; the border by what grey is not the mean.
    inner = np.s_[:, :, 2:-2, 2:-2]
    assert np.abs(before - after)[inner].mean() < 0.01 * before.std()
    assert np.abs(before - after)[inner].max() < 0.06 * before.std()
    grey = np.abs((GREY - np.array(MEAN_RGB)) / STD_RGB)[:, None, None]
    assert np.abs(before - after).max() < (np.abs(kernel) * grey).sum((1, 2, 3)).max() + 0.5


def test_grey_is_zero_everywhere(rng):
    model = file_of(rng.normal(size=(4, 3, 3, 3)))
    read_bytes(model)
    answer = run(model, np.full((1, 16, 24, 3), GREY, np.uint8))
    assert np.ptp(answer, axis=(2, 3)).max() < 1e-5


def test_channels_without_weights_keep_their_bias(rng):
    kernel, bias = rng.normal(size=(3, 3, 3, 3)), np.array([0.5, -3.0, 0.0])
    kernel[1:] = 0
    _, after = both(file_of(kernel, bias), rng.integers(0, 256, (1, 16, 16, 3), np.uint8))
    assert after[:, 1] == pytest.approx(-3.0, abs=1e-6) and (after[:, 2] == 0).all()


@pytest.mark.parametrize('words', [
    {'strides': [1, 1]}, {'strides': [2, 3]}, {'dilations': [2, 2], 'pads': [2, 2, 2, 2]},
])  # fmt: skip
def test_other_convolutions_stay_in_float(rng, words):
    model = file_of(rng.normal(size=(4, 3, 3, 3)), **words)
    kept = operators(model)
    before, after = both(model, rng.integers(0, 256, (1, 32, 48, 3), np.uint8))
    assert operators(model) == kept and np.array_equal(before, after)


@pytest.mark.parametrize('step', [
    helper.make_node('AveragePool', ['x'], ['y0'], kernel_shape=[2, 2], strides=[2, 2]),
    helper.make_node('Mul', ['x', 'factor'], ['y0']),
    helper.make_node('Transpose', ['x'], ['y0'], perm=[0, 1, 3, 2]),
], ids=lambda node: node.op_type)  # fmt: skip
def test_steps_of_the_network_before_it_are_not_folded(rng, step):
    model = file_of(rng.normal(size=(4, 3, 3, 3)), between=[step])
    before, after = both(model, rng.integers(0, 256, (1, 32, 48, 3), np.uint8))
    assert 'DequantizeLinear' not in operators(model) and np.array_equal(before, after)
