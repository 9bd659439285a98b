# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Models that break the contract at run time, and files whose metadata was made to harm."""

from __future__ import annotations

import json
import time
import tracemalloc
import zipfile
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from seg_perception.core.errors import ModelFileError
from seg_perception.inference.model_file import METADATA_KEY, OodCalibration, read_card
from seg_perception.inference.onnx_engine import OnnxEngine
from seg_perception.tools.inspect import describe_model
from tiny_model import tiny_card, tiny_graph, write_tiny_model

KINDS = {'uint8': TensorProto.UINT8, 'float': TensorProto.FLOAT}


def tampered(path: Path, name: str, *nodes: tuple[str, dict], **constants: np.ndarray) -> Path:
    """The tiny model with more nodes behind an output: op and attributes, then its new name."""
    ood = OodCalibration('energy', 0.0, 1.0) if name == 'ood_score' else None
    model = tiny_graph(tiny_card(ood_calibration=ood))
    for node in model.graph.node:
        for i, output in enumerate(node.output):
            node.output[i] = 'part_0' if output == name else output
        for i, used in enumerate(node.input):
            node.input[i] = 'part_0' if used == name else used
    for i, (op, attributes) in enumerate(nodes):
        out = name if i == len(nodes) - 1 else f'part_{i + 1}'
        inputs = [f'part_{i}', *(key for key in constants if key.startswith(f'{op}_'))]
        model.graph.node.append(helper.make_node(op, inputs, [out], **attributes))
    for key, value in constants.items():
        model.graph.initializer.append(numpy_helper.from_array(value, key))
    onnx.save(model, str(path))
    return path


def label_of(value: int, path: Path) -> Path:
    """Each label raised to a value."""
    return tampered(path, 'labels', ('Max', {}), Max_least=np.uint8([value]))


BROKEN = {
    'a class beyond the table': (
        lambda path: label_of(11, path),
        'class 11, expected ids of the 11',
    ),
    'class 254': (lambda path: label_of(254, path), 'class 254, .* or 255'),
    'smaller labels': (
        lambda path: tampered(
            path,
            'labels',
            ('Slice', {}),
            Slice_a=np.int64([0]),
            Slice_b=np.int64([4]),
            Slice_c=np.int64([1]),
        ),
        r'uint8 \(1, 4, 640\), expected uint8 \(1, 384, 640\)',
    ),
    'NaN as the score': (
        lambda path: tampered(
            path, 'ood_score', ('Sub', {}), ('Sqrt', {}), Sub_much=np.float32([1e30])
        ),
        r'`ood_score` of the model: got \[nan\], expected a number',
    ),
}


@pytest.mark.parametrize('name', BROKEN)
def test_the_warm_up_refuses_models_that_break_the_contract(tmp_path: Path, name: str) -> None:
    make, said = BROKEN[name]
    engine = OnnxEngine(make(tmp_path / 'm.onnx'), 'cpu', threads=1)
    with pytest.raises(ModelFileError, match=said):
        engine.warm_up()


def test_unlabeled_is_a_label_and_later_breaches_are_found_too(tmp_path: Path) -> None:
    OnnxEngine(label_of(255, tmp_path / 'm.onnx'), 'cpu', threads=1).warm_up()
    engine = OnnxEngine(write_tiny_model(tmp_path / 'n.onnx'), 'cpu', threads=1)
    engine.warm_up()
    run = engine._run
    engine._run = lambda rgb: [part + np.uint8(40) for part in run(rgb)]  # type: ignore
    with pytest.raises(ModelFileError, match='ids of the 11 classes'):
        engine.run(np.zeros((1, 8, 8, 3), np.uint8))


def with_card(path: Path, text: str) -> Path:
    model = tiny_graph(tiny_card())
    helper.set_model_props(model, {METADATA_KEY: text})
    onnx.save(model, str(path))
    return path


def changed(**values: object) -> str:
    return json.dumps(json.loads(tiny_card().to_json()) | values)


ROW = {'id': 0, 'name': 'road', 'rgb': [0, 0, 0], 'role': 'drivable'}
CARDS = {
    'deep': ('[' * 200_000 + ']' * 200_000, 'that is no JSON'),
    'long': (changed(data='x' * (2 << 20)), 'more than 1048576 characters'),
    'many classes': (
        changed(class_table={'name': 'many', 'classes': [ROW | {'id': i} for i in range(9000)]}),
        'class_table',
    ),
    'wide': (changed(input_size=[200_000, 200_000]), 'at most 8192'),
    'NaN': (changed(temperature=float('nan')), 'temperature: got nan'),
    'endless': (changed(input_size=[float('inf'), 1]), 'input_size'),
}


@pytest.mark.parametrize('name', CARDS)
def test_cards_that_were_made_to_harm_are_refused_at_once(tmp_path: Path, name: str) -> None:
    text, said = CARDS[name]
    path, start_s = with_card(tmp_path / 'm.onnx', text), time.process_time()
    with pytest.raises(ModelFileError, match=said):
        read_card(path)
    assert time.process_time() - start_s < 5


def test_a_card_that_unpacks_to_gigabytes_is_refused(tmp_path: Path) -> None:
    path = tmp_path / 'm.pt2'
    with zipfile.ZipFile(path, 'w', zipfile.ZIP_DEFLATED) as archive:
        archive.writestr('m/archive_format', 'pt2')
        archive.writestr(f'm/extra/{METADATA_KEY}', bytes(60 << 20))
    tracemalloc.start()
    with pytest.raises(ModelFileError, match='more than 1048576 characters'):
        read_card(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 30 << 20


def test_inspect_tells_what_is_left_and_shows_no_control_characters(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    evil = 'a\x1b[2J\x07\u202eb'
    assert r'a\x1b[2J\x07\u202eb' in describe_model(
        with_card(tmp_path / 'name.onnx', changed(name=evil))
    )
    with pytest.raises(ModelFileError) as caught:
        describe_model(with_card(tmp_path / 'broken.onnx', changed(data=3, licence=evil)))
    out = capsys.readouterr().out
    assert "input        image tensor(uint8) ('N', 'H', 'W', 3)" in out
    assert f'metadata     {METADATA_KEY}: ' in out and 'broken.onnx (0.00 MB)' in out
    assert str(caught.value).isprintable() and out.replace('\n', '').isprintable()
