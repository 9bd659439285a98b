# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Every way in which a model file can be wrong has a message of its own."""

import dataclasses
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from seg_perception.core.classes import CAMVID_11, ClassTable, Role, SegClass
from seg_perception.core.errors import ModelFileError
from seg_perception.core.image_quality import PerceptionHealthParams
from seg_perception.inference.model_file import METADATA_KEY, ModelCard, OodCalibration, read_card
from seg_perception.inference.onnx_engine import OnnxEngine
from tiny_model import tiny_card, write_tiny_model

CARD_JSON = """{
    "contract": 2,
    "name": "two",
    "class_table": {"name": "two_classes", "classes": [
        {"id": 0, "name": "road", "rgb": [128, 64, 128], "role": "drivable"},
        {"id": 1, "name": "rest", "rgb": [0, 0, 0], "role": "other"}
    ]},
    "input_size": [384, 640],
    "size_multiple": 8,
    "dynamic": true,
    "upscale": 1.25,
    "temperature": 1.5,
    "ood_calibration": {"score": "energy", "median": -9.0, "threshold": -8.0},
    "data": "CamVid train",
    "scores": {"mean_iou": 0.57},
    "licence": "Apache-2.0",
    "commit": "abc123"
}"""
CARD = ModelCard(
    name='two',
    classes=ClassTable(
        'two_classes',
        (
            SegClass(0, 'road', (128, 64, 128), Role.DRIVABLE),
            SegClass(1, 'rest', (0, 0, 0), Role.OTHER),
        ),
    ),
    input_size=(384, 640),
    size_multiple=8,
    dynamic=True,
    temperature=1.5,
    data='CamVid train',
    scores={'mean_iou': 0.57},
    licence='Apache-2.0',
    commit='abc123',
    upscale=1.25,
    ood_calibration=OodCalibration('energy', -9.0, -8.0),
)
DYNAMIC = ['N', 'H', 'W']
MASKS = {'labels': (TensorProto.UINT8, 3), 'confidence': (TensorProto.UINT8, 3)}
OUTPUTS = MASKS | {'ood_score': (TensorProto.FLOAT, 1)}


def changed(**values: Any) -> str:
    return json.dumps({**json.loads(CARD_JSON), **values})


def swapped_camvid() -> dict[str, Any]:
    table = CAMVID_11.to_dict()
    rows = table['classes']
    rows[0]['name'], rows[3]['name'] = rows[3]['name'], rows[0]['name']
    return table


def write_graph(
    path: Path,
    image: tuple[str, int, list[Any]] = ('image', TensorProto.UINT8, [*DYNAMIC, 3]),
    outputs: dict[str, tuple[int, int]] | None = None,
    card: str = CARD_JSON,
) -> Path:
    """A model whose outputs are zeros: name -> (element type, rank)."""
    outputs = outputs or OUTPUTS
    nodes, shapes, declared = [], [], []
    for name, (kind, rank) in outputs.items():
        zero = helper.make_tensor('value', kind, [1], [0])
        nodes.append(helper.make_node('ConstantOfShape', [f'{name}_shape'], [name], value=zero))
        shapes.append(numpy_helper.from_array(np.ones(rank, np.int64), f'{name}_shape'))
        declared.append(helper.make_tensor_value_info(name, kind, [None] * rank))
    inputs = [helper.make_tensor_value_info(*image)]
    graph = helper.make_graph(nodes, 'zeros', inputs, declared, shapes)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid('', 18)], ir_version=9)
    helper.set_model_props(model, {METADATA_KEY: card})
    onnx.save(model, str(path))
    return path


def test_reads_the_literal_card() -> None:
    assert ModelCard.from_json(CARD_JSON) == CARD


def test_writes_the_literal_card() -> None:
    assert json.loads(CARD.to_json()) == json.loads(CARD_JSON)


def test_without_upscale_small_frames_stay_small() -> None:
    data = json.loads(CARD_JSON)
    del data['upscale']
    assert ModelCard.from_json(json.dumps(data)).upscale == 1.0


def test_files_from_before_the_scale_have_none() -> None:
    data = json.loads(CARD_JSON)
    del data['ood_calibration']
    card = ModelCard.from_json(json.dumps(data))
    assert card.ood_calibration is None and np.isnan(card.ood_score(-8.0))
    assert ModelCard.from_json(card.to_json()) == card


@pytest.mark.parametrize(
    ('output', 'ood_score'),
    [(-9.0, 0.0), (-8.0, 0.25), (-8.5, 0.125), (-6.0, 0.75), (-20.0, 0.0), (9.0, 1.0)],
)
def test_ood_score_by_hand(output: float, ood_score: float) -> None:
    assert CARD.ood_score(output) == pytest.approx(ood_score)


def test_doubt_begins_at_the_threshold() -> None:
    assert CARD.ood_score(-8.0) == PerceptionHealthParams().ood_from


def test_nan_is_fully_out_of_distribution() -> None:
    assert CARD.ood_score(float('nan')) == CARD.ood_score(float('inf')) == 1.0


def contract_1() -> str:
    """The card as contract 1 has it."""
    data = json.loads(CARD_JSON)
    return json.dumps(data | {'contract': 1, 'strange': data.pop('ood_calibration')})


def test_card_of_contract_1_is_read_and_written_as_it_was() -> None:
    card = ModelCard.from_json(contract_1())
    assert card == dataclasses.replace(CARD, contract=1)
    written = json.loads(card.to_json())
    assert written['strange'] == {'score': 'energy', 'median': -9.0, 'threshold': -8.0}
    assert 'ood_calibration' not in written


def test_file_of_contract_1_still_loads(tmp_path: Path) -> None:
    old = MASKS | {'strangeness': (TensorProto.FLOAT, 1)}
    path = write_graph(tmp_path / 'm.onnx', outputs=old, card=contract_1())
    assert read_card(path).ood_name == 'strangeness'
    image = np.zeros((1, 8, 8, 3), np.uint8)
    assert OnnxEngine(path, 'cpu', threads=1)._run(image)[2].tolist() == [0.0]
    wrong = write_graph(tmp_path / 'wrong.onnx', card=contract_1())
    with pytest.raises(ModelFileError, match="expected 'strangeness' among them"):
        read_card(wrong)


def test_ignores_keys_of_later_versions() -> None:
    assert ModelCard.from_json(changed(colour='blue')) == CARD


def test_whole_number_is_a_temperature() -> None:
    assert ModelCard.from_json(changed(temperature=2)).temperature == 2.0


def test_reads_the_card_of_a_file(tmp_path: Path) -> None:
    assert read_card(write_graph(tmp_path / 'm.onnx')) == CARD


def test_reads_the_card_of_a_fixed_model(tmp_path: Path) -> None:
    card = read_card(write_tiny_model(tmp_path / 'm.onnx', fixed_size=(48, 64)))
    assert (card.dynamic, card.input_size, card.size_multiple) == (False, (48, 64), 1)


@pytest.mark.parametrize(
    ('values', 'message'),
    [
        ({'contract': 3}, 'contract version: got 3, expected 1 or 2. Update seg_perception.'),
        ({'contract': 0}, 'contract version: got 0, expected 1 or 2. Export the model again.'),
        ({'contract': '1'}, "contract: got '1', expected a whole number"),
        ({'name': ''}, "name: got '', expected a name"),
        (
            {'input_size': [384]},
            "'input_size': got [384], expected 2 values. It is: height and width",
        ),
        ({'input_size': [384, 6.4]}, "'input_size': got 6.4, expected a whole number"),
        ({'input_size': [384, 641]}, 'input_size: got (384, 641), expected'),
        ({'input_size': [0, 640]}, 'input_size: got (0, 640), expected'),
        ({'size_multiple': 0}, 'size_multiple: got 0, expected 1 or more'),
        ({'dynamic': 1}, "'dynamic': got 1, expected true or false"),
        ({'dynamic': False}, 'size_multiple: got 8, expected 1 or more, and 1 for a model of'),
        ({'upscale': 0.5}, 'upscale: got 0.5, expected 1 to 4'),
        ({'temperature': 0}, 'temperature: got 0.0, expected above 0'),
        ({'temperature': float('nan')}, 'temperature: got nan, expected above 0'),
        ({'temperature': True}, "'temperature': got true, expected a number"),
        ({'ood_calibration': 7}, "'ood_calibration': got 7, expected a group of keys"),
        (
            {'ood_calibration': {'score': 'energy'}},
            "'ood_calibration.median': got nothing, expected a value",
        ),
        (
            {'ood_calibration': {'score': 'x', 'median': 2, 'threshold': 2}},
            'ood_calibration: got (2.0, 2.0), expected numbers, median below threshold',
        ),
        (
            {'ood_calibration': {'score': 'x', 'median': float('nan'), 'threshold': 2}},
            'ood_calibration: got (nan, 2.0), expected numbers',
        ),
        ({'scores': {'iou': 'good'}}, "'scores.iou': got 'good', expected a number"),
        ({'licence': None}, "'licence': got None, expected a string"),
        ({'class_table': {'name': 'x'}}, "class_table: got class table: got KeyError('classes')"),
        ({'class_table': swapped_camvid()}, "classes of table 'camvid_11': got road, building"),
    ],
)
def test_refuses_a_wrong_value(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ModelFileError, match=re.escape(message)):
        ModelCard.from_json(changed(**values))


@pytest.mark.parametrize(
    'key', sorted(json.loads(CARD_JSON).keys() - {'upscale', 'ood_calibration'})
)
def test_refuses_a_missing_key(key: str) -> None:
    data = json.loads(CARD_JSON)
    del data[key]
    with pytest.raises(
        ModelFileError, match=rf"model card: '?{key}'?: got (nothing|None), expected"
    ):
        ModelCard.from_json(json.dumps(data))


@pytest.mark.parametrize(
    ('text', 'message'),
    [
        ('{"contract": 2,', 'text that is no JSON'),
        ('', 'text that is no JSON'),
        ('[1, 2]', 'a JSON list, expected a JSON object'),
    ],
)
def test_refuses_bad_json(text: str, message: str) -> None:
    with pytest.raises(ModelFileError, match=message):
        ModelCard.from_json(text)


def test_file_error_names_the_file(tmp_path: Path) -> None:
    path = write_graph(tmp_path / 'mine.onnx', card=changed(contract=7))
    with pytest.raises(ModelFileError, match=r"mine\.onnx': model card: contract version: got 7"):
        read_card(path)


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match=r"none\.onnx': got nothing"):
        read_card(tmp_path / 'none.onnx')


def test_folder_for_a_file(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match='got a folder, expected an ONNX file'):
        read_card(tmp_path)


def test_file_that_is_no_onnx(tmp_path: Path) -> None:
    path = tmp_path / 'm.onnx'
    path.write_text('version https://git-lfs.github.com/spec/v1\n')
    with pytest.raises(ModelFileError, match=r'got 43 bytes that do not load .* truncated'):
        read_card(path)


@pytest.mark.parametrize('share', [0.0, 0.3, 0.6, 0.95])
def test_truncated_file(tmp_path: Path, share: float) -> None:
    path = write_tiny_model(tmp_path / 'm.onnx')
    data = path.read_bytes()
    path.write_bytes(data[: int(share * len(data))])
    with pytest.raises(ModelFileError, match='bytes that do not load'):
        read_card(path)


def test_foreign_model_is_sent_to_adapt(tmp_path: Path) -> None:
    path = write_tiny_model(tmp_path / 'm.onnx')
    model = onnx.load(str(path))
    del model.metadata_props[:]
    onnx.save(model, str(path))
    with pytest.raises(ModelFileError, match=r'without `seg_perception` .*seg-perception adapt'):
        read_card(path)


@pytest.mark.parametrize(
    ('image', 'message'),
    [
        (('x', TensorProto.UINT8, [*DYNAMIC, 3]), "inputs: got ['x'], expected ['image']"),
        (('image', TensorProto.FLOAT, [*DYNAMIC, 3]), 'type of input `image`: got tensor(float)'),
        (('image', TensorProto.UINT8, DYNAMIC), "input `image`: got ('N', 'H', 'W'), expected"),
        (('image', TensorProto.UINT8, ['N', 3, 'H', 'W']), 'channels of input `image`: got W'),
        (('image', TensorProto.UINT8, [*DYNAMIC, 4]), 'channels of input `image`: got 4'),
        (('image', TensorProto.UINT8, [4, 'H', 'W', 3]), 'batch of input `image`: got 4'),
        (('image', TensorProto.UINT8, ['N', 384, 640, 3]), 'got (384, 640), expected free, as'),
    ],
)
def test_refuses_a_wrong_input(
    tmp_path: Path, image: tuple[str, int, list[Any]], message: str
) -> None:
    path = write_graph(tmp_path / 'm.onnx', image=image)
    with pytest.raises(ModelFileError, match=re.escape(message)):
        read_card(path)


def test_refuses_another_size_than_the_card(tmp_path: Path) -> None:
    path = write_graph(
        tmp_path / 'm.onnx',
        image=('image', TensorProto.UINT8, ['N', 360, 480, 3]),
        card=changed(dynamic=False, size_multiple=1),
    )
    message = 'size of input `image`: got (360, 480), expected (384, 640), as the card says'
    with pytest.raises(ModelFileError, match=re.escape(message)):
        read_card(path)


@pytest.mark.parametrize(
    ('outputs', 'message'),
    [
        ({'labels': (TensorProto.UINT8, 3)}, "got ['labels'], expected ['confidence'] among them"),
        (
            {'labels': (TensorProto.INT64, 3), 'confidence': (TensorProto.UINT8, 3)},
            'type of output `labels`: got tensor(int64), expected tensor(uint8)',
        ),
        (
            {'labels': (TensorProto.UINT8, 3), 'confidence': (TensorProto.UINT8, 4)},
            'shape of output `confidence`: got (1, 1, 1, 1), expected (N, H, W)',
        ),
        (MASKS, "got ['labels', 'confidence'], expected 'ood_score' among them, as the card"),
        (
            MASKS | {'ood_score': (TensorProto.UINT8, 1)},
            'type of output `ood_score`: got tensor(uint8), expected tensor(float)',
        ),
        (
            MASKS | {'ood_score': (TensorProto.FLOAT, 3)},
            'shape of output `ood_score`: got (1, 1, 1), expected (N,)',
        ),
    ],
)
def test_refuses_wrong_outputs(
    tmp_path: Path, outputs: dict[str, tuple[int, int]], message: str
) -> None:
    path = write_graph(tmp_path / 'm.onnx', outputs=outputs)
    with pytest.raises(ModelFileError, match=re.escape(message)):
        read_card(path)


def test_extra_outputs_are_allowed(tmp_path: Path) -> None:
    outputs = OUTPUTS | {'edges': (TensorProto.UINT8, 3)}
    assert read_card(write_graph(tmp_path / 'm.onnx', outputs=outputs)) == CARD


def test_tiny_card_round_trip() -> None:
    card = tiny_card(fixed_size=(16, 24))
    assert ModelCard.from_json(card.to_json()) == card
