# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""The embedded models: full cards, and the engine gives what onnxruntime alone gives."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnxruntime as ort
import pytest

from seg_perception.core.classes import CAMVID_11, STREET, ClassTable, Role
from seg_perception.inference.answer import FrameAnswerer
from seg_perception.inference.onnx_engine import OnnxEngine
from seg_perception.models import model_path
from seg_perception.synthetic.street import Street, StreetFrame


@dataclass(frozen=True)
class Shipped:
    """An embedded model and what its card must promise."""

    name: str
    classes: ClassTable
    score: str
    least: float

    @property
    def path(self) -> Path:
        return model_path(self.name)


MODELS = (
    Shipped('default', CAMVID_11, 'mean_iou 0001TP', 0.55),
    Shipped('street', STREET, 'mean_iou mean of domains', 0.65),
    Shipped('free', STREET, 'mean_iou mean of domains', 0.55),
)


@pytest.fixture(scope='module', params=MODELS, ids=lambda shipped: shipped.name)
def shipped(request: pytest.FixtureRequest) -> Shipped:
    return request.param


@pytest.fixture(scope='module')
def engine(shipped: Shipped) -> OnnxEngine:
    return OnnxEngine(shipped.path, 'cpu')


@pytest.fixture(scope='module')
def street(shipped: Shipped) -> StreetFrame:
    return Street(seed=1, size=(360, 640), table=shipped.classes).frame(3)


def test_card_is_full(shipped: Shipped, engine: OnnxEngine) -> None:
    card = engine.card
    assert card.classes == shipped.classes
    assert (card.dynamic, card.size_multiple) == (True, 8)
    assert all([card.name, card.data, card.licence, card.commit, card.scores])
    assert all(0 <= score <= 1 for score in card.scores.values())
    assert card.scores[shipped.score] >= shipped.least


def test_terms_of_the_free_model_allow_a_product() -> None:
    licence = OnnxEngine(model_path('free'), 'cpu').card.licence
    assert 'CC BY 4.0' in licence
    assert [word for word in ('CC BY-NC', 'research use', 'BDD100K') if word in licence] == []


def test_file_is_small_and_has_its_card_in_words(shipped: Shipped) -> None:
    assert shipped.path.stat().st_size <= 6_000_000
    words = shipped.path.with_suffix('.md').read_text()
    assert shipped.classes.name in words and 'Not for driving' in words


def test_file_names_no_source_file(shipped: Shipped) -> None:
    assert b'.py"' not in shipped.path.read_bytes()


def test_engine_equals_onnxruntime_alone(
    shipped: Shipped, engine: OnnxEngine, street: StreetFrame
) -> None:
    session = ort.InferenceSession(shipped.path, providers=['CPUExecutionProvider'])
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
    road = engine.card.classes.role_mask(Role.DRIVABLE, Role.MARKING) > 0
    said, true = road[result.labels], road[street.labels]
    assert (said & true).sum() / (said | true).sum() > 0.6
    assert result.labels.max() < len(engine.card.classes)


def test_noise_is_stranger_than_a_street(engine: OnnxEngine, street: StreetFrame) -> None:
    noise = np.random.default_rng(0).integers(0, 256, street.rgb.shape, np.uint8)
    known, unknown = (FrameAnswerer(engine).answer(rgb).ood_score for rgb in (street.rgb, noise))
    if engine.card.ood_calibration is None:  # a file from before the scale
        assert np.isnan([known, unknown]).all()
    else:
        assert known < 0.5 < unknown
