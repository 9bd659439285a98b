# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Networks of every known kind, wrapped; expected values are worked out by hand."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto

from adapt.networks import network
from seg_perception.adapt.adapt import AdaptOptions, adapt
from seg_perception.core.classes import CAMVID_11, ClassTable, Role, SegClass
from seg_perception.core.errors import ClassTableError, ModelFileError, ParameterError
from seg_perception.inference.onnx_engine import OnnxEngine

RGB_3 = ClassTable(
    'reds',
    tuple(
        SegClass(i, name, (i, i, i), Role.OBSTACLE)
        for i, name in enumerate(('red', 'green', 'blue'))
    ),
)
TWO = ClassTable('two', RGB_3.classes[:2])
STRONGEST = 2 * np.eye(3)  # logits are twice the channels: the class is the strongest one
PLAIN = {'mean': (0.0, 0.0, 0.0), 'std': (1.0, 1.0, 1.0), 'value_range': 1}


def picture(height=64, width=96):
    """Red on the left, blue on the right, 32 columns of green between."""
    rgb = np.zeros((height, width, 3), np.uint8)
    rgb[:, :32, 0], rgb[:, 32:64, 1], rgb[:, 64:, 2] = 255, 255, 255
    return rgb


def wrapped(path, tmp_path, table=RGB_3, **options):
    out = tmp_path / 'out.onnx'
    given = {**PLAIN, 'size': (64, 96), **options}
    adapted = adapt(path, out, AdaptOptions(table, **given), picture())
    return OnnxEngine(out, 'cpu'), adapted


def answer(engine, rgb):
    result = engine.run(rgb[None])
    return result.labels[0], result.confidence[0]


@pytest.mark.parametrize(
    'how',
    [
        {},
        {'nhwc': True},
        {'size': (64, 96), 'batch': 1},
        {'kind': TensorProto.FLOAT16},
        {'opset': 11},
        {'opset': 21},
        {'extra': True},
    ],
    ids=str,
)
def test_logits(tmp_path, how):
    path = network(tmp_path / 'net.onnx', STRONGEST, **how)
    engine, _ = wrapped(path, tmp_path)
    labels, confidence = answer(engine, picture())
    assert np.unique(labels[:, :32]) == 0
    assert np.unique(labels[:, 32:64]) == 1
    assert np.unique(labels[:, 64:]) == 2
    # softmax of (2, 0, 0): 7.38906 / 9.38906 = 0.78699, of 255 200.7
    assert set(np.unique(confidence)) == {201}


def test_mean_std_and_bgr_reach_the_right_channels(tmp_path):
    # Network order is b, g, r; only red pixels come out at (100 - 10) / 2 = 45 in channel 2.
    path = network(tmp_path / 'net.onnx', np.eye(3))
    options = {'mean': (200.0, 200.0, 10.0), 'std': (4.0, 4.0, 2.0), 'value_range': 255}
    engine, adapted = wrapped(path, tmp_path, color='bgr', temperature=45.0, **options)
    rgb = np.zeros((32, 32, 3), np.uint8)
    rgb[..., 0] = 100
    labels, confidence = answer(engine, rgb)
    assert np.unique(labels) == 2
    # logits / 45: -1.1111, -1.1111, 1; share 1 / (1 + 2 e^-2.1111) = 0.80501, of 255 205.3
    assert np.unique(confidence) == 205
    assert '0.50000 x -5.000 on 0..255' in adapted.lines[1]


def test_smaller_logits_are_enlarged(tmp_path):
    path = network(tmp_path / 'net.onnx', STRONGEST, stride=8)
    engine, _ = wrapped(path, tmp_path)
    labels, _ = answer(engine, picture())
    assert labels.shape == (64, 96)
    assert np.unique(labels[:, :28]) == 0 and np.unique(labels[:, 68:]) == 2


def test_probabilities_are_told_from_logits(tmp_path):
    path = network(tmp_path / 'net.onnx', STRONGEST, tail=('Softmax',))
    engine, adapted = wrapped(path, tmp_path)
    assert 'probabilities' in adapted.lines[2]
    assert set(np.unique(answer(engine, picture())[1])) == {201}


@pytest.mark.parametrize('tail', [('ArgMax',), ('ArgMax1',)])
@pytest.mark.parametrize('nhwc', [False, True])
def test_ready_labels_have_one_confidence(tmp_path, tail, nhwc):
    path = network(tmp_path / 'net.onnx', STRONGEST, tail=tail, nhwc=nhwc)
    engine, _ = wrapped(path, tmp_path, label_confidence=0.6)
    labels, confidence = answer(engine, picture())
    assert labels[0, 0] == 0 and labels[0, 40] == 1 and labels[0, 90] == 2
    assert set(np.unique(confidence)) == {153}


def test_label_without_a_class_is_unlabeled(tmp_path):
    path = network(tmp_path / 'net.onnx', STRONGEST, tail=('ArgMax',))
    engine, _ = wrapped(path, tmp_path, table=TWO)
    labels, confidence = answer(engine, picture())
    assert labels[0, 90] == 255 and confidence[0, 90] == 0
    assert labels[0, 0] == 0 and confidence[0, 0] == 153


@pytest.mark.parametrize('tail', [(), ('Sigmoid',)])
def test_one_channel_is_the_second_of_two_classes(tmp_path, tail):
    path = network(tmp_path / 'net.onnx', np.array([[-2.0, 2.0, -2.0]]), tail=tail)
    engine, _ = wrapped(path, tmp_path, table=TWO)
    labels, confidence = answer(engine, picture())
    assert labels[0, 0] == 0 and labels[0, 40] == 1 and labels[0, 90] == 0
    # sigmoid(2) = 0.88080, of 255 224.6
    assert set(np.unique(confidence)) == {225}


def test_free_network_takes_batches_and_other_sizes(tmp_path):
    path = network(tmp_path / 'net.onnx', STRONGEST)
    engine, _ = wrapped(path, tmp_path)
    result = engine.run(np.stack([picture(128, 160)] * 3))
    assert result.labels.shape == (3, 128, 160)
    assert engine.card.size_multiple == 32 and engine.card.dynamic


def test_fixed_network_says_its_size(tmp_path):
    path = network(tmp_path / 'net.onnx', STRONGEST, size=(40, 72), batch=1)
    engine, _ = wrapped(path, tmp_path, data='painted', licence='none', name='mine')
    card = engine.card
    assert card.input_size == (40, 72) and not card.dynamic and card.size_multiple == 1
    assert (card.name, card.data, card.licence) == ('mine', 'painted', 'none')


def test_heads_that_are_not_used_are_gone(tmp_path):
    path = network(tmp_path / 'net.onnx', STRONGEST, extra=True)
    wrapped(path, tmp_path)
    kinds = [node.op_type for node in onnx.load(str(tmp_path / 'out.onnx')).graph.node]
    assert 'Conv' in kinds and not any(
        'aux' in name
        for node in onnx.load(str(tmp_path / 'out.onnx')).graph.node
        for name in node.output
    )


def test_output_can_be_chosen_and_a_wrong_name_is_refused(tmp_path):
    path = network(tmp_path / 'net.onnx', STRONGEST, extra=True)
    wrapped(path, tmp_path, output='y')
    with pytest.raises(ModelFileError, match=r"output: got 'z', expected one of aux, y"):
        wrapped(path, tmp_path, output='z')
    with pytest.raises(ClassTableError, match=r"'aux': got shape \(1, 9, 64, 96\), expected 3"):
        wrapped(path, tmp_path, output='aux')


def test_mean_and_std_tell_their_range():
    assert AdaptOptions(RGB_3).scale_and_shift()[0][0] == pytest.approx(1 / (255 * 0.229))
    options = AdaptOptions(RGB_3, mean=(123.7, 116.3, 103.5), std=(58.4, 57.1, 57.4))
    assert options.scale_and_shift()[0][0] == pytest.approx(1 / 58.4)
    options = AdaptOptions(RGB_3, mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0))
    with pytest.raises(ParameterError, match=r'mean 0 and std 1.*--range 1'):
        options.scale_and_shift()


@pytest.mark.parametrize(
    ('key', 'value', 'words'),
    [
        ('color', 'grb', 'color: got grb, expected one of rgb, bgr'),
        ('std', (1.0, 0.0, 1.0), 'std: got .*expected three numbers above 0'),
        ('value_range', 2, 'range: got 2, expected 1 or 255'),
        ('size_multiple', 0, 'size_multiple: got 0, expected 1 or more'),
        ('temperature', 0.0, 'temperature: got 0.0, expected 0.001 to 1000'),
        ('label_confidence', 1.5, 'label_confidence: got 1.5, expected 0 to 1'),
        ('size', (0, 640), r'size: got \(0, 640\), expected multiples of 32'),
        ('size', (65, 96), r'size: got \(65, 96\), expected multiples of 32'),
    ],
)
def test_bad_options(key, value, words):
    with pytest.raises(ParameterError, match=words):
        AdaptOptions(RGB_3, **{key: value})


def test_files_that_cannot_be(tmp_path):
    options = AdaptOptions(RGB_3, size=(64, 96), **PLAIN)
    out = tmp_path / 'out.onnx'
    with pytest.raises(ModelFileError, match=r'none.onnx: got no file'):
        adapt(tmp_path / 'none.onnx', out, options, picture())
    bad = tmp_path / 'bad.onnx'
    bad.write_bytes(b'no protobuf at all')
    with pytest.raises(ModelFileError, match=r'bad.onnx: got .* expected a whole ONNX file'):
        adapt(bad, out, options, picture())
    net = network(tmp_path / 'net.onnx', STRONGEST, size=('H', 96))
    with pytest.raises(ModelFileError, match=r"'H', 96.*two numbers or none"):
        adapt(net, out, options, picture())
    net = network(tmp_path / 'net.onnx', STRONGEST, batch=4)
    with pytest.raises(ModelFileError, match=r'batch.*got 4, expected 1 or free'):
        adapt(net, out, options, picture())
    with pytest.raises(ClassTableError, match=r'expected 11 channels, the classes of camvid_11'):
        adapt(network(net, STRONGEST), out, AdaptOptions(CAMVID_11, size=(64, 96)), picture())
    assert not out.exists()


def test_a_size_that_the_network_refuses_is_named(tmp_path):
    path = network(tmp_path / 'net.onnx', STRONGEST)
    model = onnx.load(str(path))
    model.graph.node.append(
        onnx.helper.make_node('Reshape', [model.graph.output[0].name, 'shape'], ['flat'])
    )
    shape = onnx.numpy_helper.from_array(np.array([1, 3, 10, 10]), 'shape')
    model.graph.initializer.append(shape)
    model.graph.output[0].name = 'flat'
    onnx.save(model, str(path))
    with pytest.raises(ModelFileError, match=r'on 64 x 96: .*--size'):
        wrapped(path, tmp_path)


def test_an_answer_that_differs_is_not_written(tmp_path, monkeypatch):
    monkeypatch.setattr('seg_perception.adapt.heads.UNLABELED', 1)
    path = network(tmp_path / 'net.onnx', STRONGEST, tail=('ArgMax',))
    with pytest.raises(ModelFileError, match=r'2048 other labels'):
        wrapped(path, tmp_path, table=TWO)
    assert [file.name for file in tmp_path.iterdir()] == ['net.onnx']
