# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""The embedded model: its card is full, and the engine gives what onnxruntime alone gives."""

import numpy as np
import onnxruntime as ort
import pytest

from seg_perception.core.classes import CAMVID_11
from seg_perception.inference.answer import FrameAnswerer
from seg_perception.inference.onnx_engine import OnnxEngine
from seg_perception.models import model_path
from seg_perception.synthetic.street import Street, StreetFrame

ROAD = 3


@pytest.fixture(scope='module')
def engine() -> OnnxEngine:
    return OnnxEngine(model_path(), 'cpu')


@pytest.fixture(scope='module')
def street() -> StreetFrame:
    return Street(seed=1, size=(360, 640), table=CAMVID_11).frame(3)


def test_card_is_full(engine: OnnxEngine) -> None:
    card = engine.card
    assert card.classes == CAMVID_11
    assert (card.dynamic, card.size_multiple) == (True, 8)
    assert all([card.name, card.data, card.licence, card.commit, card.scores])
    assert all(0 <= score <= 1 for score in card.scores.values())
    assert card.scores['mean_iou 0001TP'] >= 0.55


def test_file_is_small_and_has_its_card_in_words() -> None:
    assert model_path().stat().st_size <= 12_000_000
    words = model_path().with_suffix('.md').read_text()
    assert [name for name in CAMVID_11.names if name not in words] == []


def test_file_names_no_source_file() -> None:
    assert b'.py"' not in model_path().read_bytes()


def test_engine_equals_onnxruntime_alone(engine: OnnxEngine, street: StreetFrame) -> None:
    session = ort.InferenceSession(model_path(), providers=['CPUExecutionProvider'])
    labels, confidence = session.run(['labels', 'confidence'], {'image': street.rgb[np.newaxis]})
    answer = engine.run(street.rgb[np.newaxis])
    np.testing.assert_array_equal(answer.labels, labels)
    np.testing.assert_array_equal(answer.confidence, confidence)


def test_batch_equals_singles(engine: OnnxEngine, street: StreetFrame) -> None:
    batch = np.stack([street.rgb, street.rgb[:, ::-1]])
    both = engine.run(batch).labels
    singles = np.concatenate([engine.run(batch[:1]).labels, engine.run(batch[1:]).labels])
    assert (both == singles).mean() > 0.9999  # other tilings may round a tie the other way


def test_finds_the_road_of_the_synthetic_street(engine: OnnxEngine, street: StreetFrame) -> None:
    result = FrameAnswerer(engine).answer(street.rgb)
    said, true = result.labels == ROAD, street.labels == ROAD
    assert (said & true).sum() / (said | true).sum() > 0.6
    assert result.labels.max() < len(CAMVID_11)


def test_noise_is_stranger_than_a_street(engine: OnnxEngine, street: StreetFrame) -> None:
    noise = np.random.default_rng(0).integers(0, 256, street.rgb.shape, np.uint8)
    known, unknown = (FrameAnswerer(engine).answer(rgb).ood_score for rgb in (street.rgb, noise))
    if engine.card.ood_calibration is None:  # a file from before the scale
        assert np.isnan([known, unknown]).all()
    else:
        assert known < 0.5 < unknown
