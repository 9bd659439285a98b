# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
import json
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest
import torch

from training.deploy import Deployed, lighten
from training.errors import ExportError
from training.export import check_equal, export, halve_weights, to_onnx
from training.fit import Trainer, load_frames
from training.models import build_model


@pytest.fixture(scope='module')
def deployed():
    torch.manual_seed(0)
    net = build_model('ddrnet', 11, planes=8)
    net.train()(torch.randn(4, 3, 64, 96))  # batch norms with statistics of their own
    return Deployed(lighten(net), temperature=0.5).eval()


@pytest.fixture(scope='module')
def model(deployed):
    return to_onnx(deployed, (64, 96))


def frames(seed, size):
    return np.random.default_rng(seed).integers(0, 256, (*size, 3), np.uint8)


@pytest.mark.parametrize('shape', [(1, 64, 96), (3, 72, 136), (2, 128, 64)])
def test_onnx_equals_torch_at_any_count_and_size(model, deployed, shape):
    images = frames(1, shape)
    session = ort.InferenceSession(model.SerializeToString(), providers=['CPUExecutionProvider'])
    labels, confidence = session.run(['labels', 'confidence'], {'image': images})
    with torch.no_grad():
        expected_labels, expected_confidence = deployed(torch.from_numpy(images))
    assert labels.dtype == confidence.dtype == np.uint8
    assert (labels == expected_labels.numpy()).mean() > 0.9999
    assert np.abs(confidence - expected_confidence.numpy().astype(int)).max() <= 1


def test_check_counts_pixels(model, deployed):
    differing, pixels = check_equal(model, deployed, [frames(2, (64, 96))])
    assert pixels == 64 * 96 and differing <= 1


def test_check_refuses_another_network(model, deployed):
    torch.manual_seed(1)
    other = Deployed(lighten(build_model('ddrnet', 11, planes=8)), temperature=0.5).eval()
    with pytest.raises(ExportError, match=r'other labels in onnxruntime, expected none'):
        check_equal(model, other, [frames(2, (64, 96))])


def test_check_refuses_another_temperature(model, deployed):
    other = Deployed(deployed.net, temperature=2.0).eval()
    with pytest.raises(ExportError, match=r'confidence \d+ steps off, expected at most 1'):
        check_equal(model, other, [frames(2, (64, 96))])


def test_lightened_network_says_the_same():
    torch.manual_seed(0)
    net = build_model('ddrnet', 11, planes=8)
    net.train()(torch.randn(4, 3, 64, 96))
    image = torch.randn(1, 3, 64, 96)
    with torch.no_grad():
        full, light = net.eval()(image), lighten(net)(image)
    assert float((full - light).abs().max()) < 0.02 * float(full.abs().max())


def test_weights_are_float16_in_the_file(model):
    stored = {onnx.TensorProto.FLOAT: 0, onnx.TensorProto.FLOAT16: 0}
    for weight in model.graph.initializer:
        if weight.data_type in stored:
            stored[weight.data_type] += int(np.prod(weight.dims))
    assert stored[onnx.TensorProto.FLOAT16] > 20 * stored[onnx.TensorProto.FLOAT]


def test_file_names_no_source_file(model):
    data = model.SerializeToString()
    assert b'deploy.py' not in data and b'stack_trace' not in data


def test_weights_that_are_not_rounded_are_refused():
    weight = onnx.numpy_helper.from_array(np.full(300, 0.1, np.float32), 'w')
    with pytest.raises(ExportError, match='weight w: got float32 values, expected float16'):
        halve_weights(onnx.helper.make_model(onnx.helper.make_graph([], 'g', [], [], [weight])))


def test_export_writes_file_and_card(config, tmp_path):
    trainer = Trainer(config, load_frames(config))
    trainer.train_epoch()
    trainer.evaluate()
    out = tmp_path / 'models/tiny.onnx'
    scores = export(Path(config.out) / 'best.pt', out, ['deploy.input_size=[64, 96]'])
    session = ort.InferenceSession(str(out), providers=['CPUExecutionProvider'])
    card = json.loads(session.get_modelmeta().custom_metadata_map['seg_perception'])
    assert (card['contract'], card['name'], card['input_size']) == (1, 'tiny', [64, 96])
    assert card['class_table']['classes'][3]['name'] == 'road'
    assert card['scores']['mean_iou 0001TP'] == round(scores.matrix.mean_iou(), 4)
    text = out.with_suffix('.md').read_text()
    assert '| road | ' in text and 'Not for driving a car' in text and 'CC BY-NC' in text
    assert sorted(path.name for path in out.parent.iterdir()) == ['tiny.md', 'tiny.onnx']
