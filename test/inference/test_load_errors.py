# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Model files that do not load say why: too new, without their weights, or damaged."""

from __future__ import annotations

from pathlib import Path

import onnx
import pytest
from onnx import helper

from seg_perception.core.errors import ModelFileError
from seg_perception.inference.load_errors import external_files
from seg_perception.inference.open_engine import open_engine
from tiny_model import write_tiny_model


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return write_tiny_model(tmp_path / 'tiny.onnx')


def said_of(path: Path) -> str:
    with pytest.raises(ModelFileError) as caught:
        open_engine(path, 'cpu')
    assert str(path) in str(caught.value) and '::' not in str(caught.value)
    return str(caught.value)


def test_a_newer_ir(model: Path) -> None:
    proto = onnx.load(model)
    proto.ir_version = 99
    onnx.save(proto, model)
    said = said_of(model)
    assert 'ONNX IR version 99, which is too new for onnxruntime' in said
    assert 'Update onnxruntime' in said and 'truncated' not in said


def test_a_newer_opset(model: Path) -> None:
    proto = onnx.load(model)
    proto.opset_import[0].version = 99
    onnx.save(proto, model)
    said = said_of(model)
    assert 'ONNX opset 99, which is too new' in said and 'Update onnxruntime' in said


def test_an_operator_that_it_does_not_have(model: Path) -> None:
    proto = onnx.load(model)
    first = proto.graph.node[0]
    proto.graph.node.insert(0, helper.make_node('Frobnicate', list(first.input), ['frobnicated']))
    onnx.save(proto, model)
    said = said_of(model)
    assert 'the operator Frobnicate' in said and 'truncated' not in said


@pytest.mark.parametrize('name', ['weights.data', 'a folder/' * 20 + 'w.bin'])
def test_weights_that_were_left_behind(model: Path, name: str) -> None:
    proto = onnx.load(model)
    (model.parent / name).parent.mkdir(parents=True, exist_ok=True)
    onnx.save_model(proto, model, save_as_external_data=True, location=name, size_threshold=0)
    assert external_files(model.read_bytes()) == {name}
    open_engine(model, 'cpu')
    (model.parent / name).unlink()
    said = said_of(model)
    assert f'no {name}' in said and 'external_data=False' in said and 'truncated' not in said


@pytest.mark.parametrize('share', [0.3, 0.9])
def test_damage_stays_damage(model: Path, share: float) -> None:
    data = model.read_bytes()
    model.write_bytes(data[: int(share * len(data))])
    assert 'truncated, damaged or of another kind' in said_of(model)
