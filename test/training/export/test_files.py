# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""ONNX and ``.pt2`` files are the network, whatever the size and count of the images."""

import dataclasses
import io
import re

import numpy as np
import onnx
import onnxruntime as ort
import pytest
import torch

from seg_perception.inference.model_file import OodCalibration, read_card
from seg_perception.inference.open_engine import open_engine
from seg_perception.inference.torch_engine import load_program, prepare
from small_net import INPUT_SIZE, SmallNet, paint
from tiny_model import tiny_card
from training.errors import ExportError
from training.export import deploy
from training.export.check import check_equal, check_half
from training.export.deploy import Deployed
from training.export.files import (
    finish,
    network_nodes,
    program_bytes,
    to_onnx,
    to_program,
    with_card,
)
from training.export.fold import fold_and_quantise_weights
from training.transforms import normalise

CARD = dataclasses.replace(
    tiny_card(),
    input_size=INPUT_SIZE,
    temperature=0.7,
    ood_calibration=OodCalibration('energy', -9.0, -8.0),
)


@pytest.fixture(scope='module')
def onnx_path(exported, tmp_path_factory):
    path = tmp_path_factory.mktemp('onnx') / 'small.onnx'
    path.write_bytes(with_card(finish(exported), CARD))
    return path


@pytest.fixture(scope='module')
def torch_path(light, tmp_path_factory):
    path = tmp_path_factory.mktemp('pt2') / 'small.pt2'
    program = to_program(Deployed(light, 0.7, stride=8), INPUT_SIZE)
    path.write_bytes(program_bytes(program, CARD))
    return path


@pytest.fixture(params=['onnx_path', 'torch_path'])
def path(request):
    return request.getfixturevalue(request.param)


@pytest.fixture(scope='module')
def engines(onnx_path, torch_path):
    return {path.suffix: open_engine(path, 'cpu', threads=1) for path in (onnx_path, torch_path)}


@pytest.fixture(params=['.onnx', '.pt2'])
def engine(request, engines):
    return engines[request.param]


@pytest.mark.parametrize('shape', [(1, 64, 96), (3, 72, 136), (2, 128, 64)])
def test_equals_torch_at_any_count_and_size(engine, dense, shape):
    images = np.stack([paint(seed, shape[1:])[0] for seed in range(30, 30 + shape[0])])
    answer = engine.run(images)
    with torch.no_grad():
        logits = dense.net(normalise(torch.from_numpy(images)))
        labels, confidence, _ = dense(torch.from_numpy(images))
    energy = -0.7 * (logits / 0.7).logsumexp(1).mean((1, 2))
    np.testing.assert_allclose(answer.ood_score, energy.numpy(), rtol=1e-5)
    assert answer.labels.dtype == answer.confidence.dtype == np.uint8
    np.testing.assert_array_equal(answer.labels, labels.numpy())
    assert np.abs(answer.confidence.astype(int) - confidence.numpy()).max() <= 1
    assert len(np.unique(answer.labels)) == 3


def test_card_is_in_the_file(path):
    assert read_card(path) == CARD


def test_file_names_nothing_of_the_machine(path):
    data = path.read_bytes()
    assert re.search(rb'\.py\b|stack_trace|/training/', data) is None


def test_file_has_no_example_and_is_small(torch_path):
    weights = 4 * (3 * 8 * 9 + 8 * 16 * 9 + 16 * 32 * 9 + 32 * 32 * 9 + 32 * 11)
    assert torch_path.stat().st_size < weights + 100_000


def test_sizes_have_names(exported):
    shapes = {
        value.name: [dim.dim_param or dim.dim_value for dim in value.type.tensor_type.shape.dim]
        for value in (*exported.graph.input, *exported.graph.output)
    }
    assert shapes == {
        'image': ['N', 'H', 'W', 3],
        'labels': ['N', 'H', 'W'],
        'confidence': ['N', 'H', 'W'],
        'ood_score': ['N'],
    }


def test_file_of_one_size_has_a_free_batch(light, dense, tmp_path):
    size = (60, 92)  # no multiple of the stride
    program = to_program(Deployed(light, 0.7), size, dynamic=False)
    model = finish(to_onnx(program))
    dims = model.graph.input[0].type.tensor_type.shape.dim
    assert [dim.dim_param or dim.dim_value for dim in dims] == ['N', 60, 92, 3]
    session = ort.InferenceSession(model.SerializeToString(), providers=['CPUExecutionProvider'])
    images = np.stack([paint(seed, size)[0] for seed in (40, 41, 42)])
    labels = session.run(['labels'], {'image': images})[0]
    np.testing.assert_array_equal(labels, dense(torch.from_numpy(images))[0].numpy())


def test_weights_are_stored_in_half(exported):
    stored = {onnx.TensorProto.FLOAT: 0, onnx.TensorProto.FLOAT16: 0}
    for weight in finish(exported).graph.initializer:
        if weight.data_type in stored:
            stored[weight.data_type] += int(np.prod(weight.dims))
    kernels = 8 * 16 * 9 + 16 * 32 * 9 + 32 * 32 * 9 + 32 * 11  # the first is too small
    assert stored[onnx.TensorProto.FLOAT16] == kernels + 64 * 4  # and the mixture of a cell
    assert stored[onnx.TensorProto.FLOAT] < 600


def test_weights_that_half_would_change_stay_whole(exported):
    model = onnx.ModelProto()
    model.CopyFrom(exported)
    weight = next(w for w in model.graph.initializer if list(w.dims) == [32, 32, 3, 3])
    values = np.full((32, 32, 3, 3), 0.1, np.float32)
    weight.CopyFrom(onnx.numpy_helper.from_array(values, weight.name))
    kept = next(w for w in finish(model).graph.initializer if w.name == weight.name)
    assert kept.data_type == onnx.TensorProto.FLOAT


def test_nodes_of_the_network_are_told_from_those_around_it(exported):
    inside = set(network_nodes(exported))
    kinds = {node.op_type for node in exported.graph.node if node.name in inside}
    assert kinds == {'Conv', 'Relu', 'Add'}
    around = {node.op_type for node in exported.graph.node if node.name not in inside}
    assert {'ArgMax', 'NonZero', 'Resize', 'Exp'} < around


def test_agreement_is_told(engine, dense):
    frames = [paint(seed)[0] for seed in (50, 51)]
    agreement = check_equal('f', engine, dense, frames)
    assert (agreement.frames, agreement.pixels) == (2, 2 * 64 * 96)
    assert re.match(
        r'equal to torch on 2 frames: \d of 12,288 labels differ, none', str(agreement)
    )


def test_another_network_is_refused(engine, trained):
    torch.manual_seed(1)
    other = Deployed(fold_and_quantise_weights(type(trained)()), 0.7).eval()
    message = r'file x: got \d+ labels that torch does not give, expected none where logits are'
    with pytest.raises(ExportError, match=message):
        check_equal('file x', engine, other, [paint(50)[0]])


def test_another_temperature_is_refused(engine, light):
    other = Deployed(light, 2.0).eval()
    with pytest.raises(ExportError, match=r'file x: got a confidence \d+ of 255 off'):
        check_equal('file x', engine, other, [paint(50)[0]])


def test_another_ood_score_is_refused(engine, light, monkeypatch):
    monkeypatch.setattr(deploy, 'of_images', lambda logits, temperature: logits.mean((1, 2, 3)))
    message = r'file x: got an OOD score [\d.]+ off, expected at most 0\.\d+ from torch'
    with pytest.raises(ExportError, match=message):
        check_equal('file x', engine, Deployed(light, 0.7).eval(), [paint(50)[0]])


def test_file_that_does_not_run_at_a_size(engine, dense, monkeypatch):
    def fail(rgb):
        raise RuntimeError('Incompatible dimensions\nand more')

    monkeypatch.setattr(engine, '_run', fail)
    message = (
        r'file x on a frame of 72x136: got Incompatible dimensions, expected labels\. The net'
    )
    with pytest.raises(ExportError, match=message):
        check_equal('file x', engine, dense, [paint(50, (72, 136))[0]])


def test_flat_image_has_no_edge_to_work_out(engine):
    for value in (0, 128, 255):
        answer = engine.run(np.full((1, 64, 96, 3), value, np.uint8))
        assert answer.labels.shape == (1, 64, 96)


def test_activations_that_float16_cannot_hold(trained, tmp_path):
    """Beyond 65504 they are infinite there, and what is made of them no number."""
    net = SmallNet().eval()
    net.load_state_dict(trained.state_dict())
    with torch.no_grad():
        for norm in (net.norms[1], net.norms[2], net.norm):
            norm.weight *= 300
            norm.bias *= 300
    path, rgb = tmp_path / 'hot.pt2', paint(50)[0]
    path.write_bytes(
        program_bytes(to_program(Deployed(fold_and_quantise_weights(net), 1.0), INPUT_SIZE), CARD)
    )
    message = r'labels of hot in float16: got \d+\.\d% as in float32, expected 90% or more\. Activ'
    with pytest.raises(ExportError, match=message):
        check_half('hot', path, rgb)


def test_share_of_labels_that_float16_keeps(torch_path):
    assert 0.99 < check_half('x', torch_path, paint(50)[0]) <= 1


def test_program_moves_whole_to_another_device(torch_path):
    """The device `meta` has shapes alone; one constant left on the CPU and a step would fail."""
    compute = prepare(load_program(torch_path, CARD), torch.device('meta'), torch.float32, 3)
    parts = compute(torch.zeros((2, 40, 56, 3), dtype=torch.uint8, device='meta'))
    assert [part.device.type for part in parts] == ['meta'] * 3
    assert [part.shape for part in parts] == [(2, 40, 56), (2, 40, 56), (2,)]


def test_program_loads_again(torch_path):
    program = torch.export.load(io.BytesIO(torch_path.read_bytes()))
    assert program.example_inputs is None
