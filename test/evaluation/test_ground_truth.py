# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Scores of frames, counted by hand."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from seg_perception.core.classes import BDD100K_DRIVABLE_3, CAMVID_11, CITYSCAPES_19
from seg_perception.core.errors import ClassTableError, ImageError, SourceError
from seg_perception.evaluation.class_mapping import class_lut
from seg_perception.evaluation.ground_truth import (
    GroundTruth,
    Score,
    condition_of,
    read_conditions,
    read_ground_truth,
    row_of,
    score_frame,
)

SKY, ROAD, CAR, VOID = 0, 3, 8, 255
SIZE = (10, 20)


def camvid(folder: Path | str = '') -> GroundTruth:
    return GroundTruth(str(folder), '', CAMVID_11, class_lut(CAMVID_11, CAMVID_11))


def halves(top: int, bottom: int, rows: int = 5) -> np.ndarray:
    mask = np.full(SIZE, bottom, np.uint8)
    mask[:rows] = top
    return mask


def test_scores_counted_by_hand() -> None:
    """Truth: 5 rows of sky over 5 of road. Found: 6 of sky over 4 of road. Rows of 20 pixels."""
    confidence = np.full(SIZE, 255, np.uint8)
    confidence[5] = 51  # the wrong row is unsure: 0.2
    score = score_frame(camvid(), CAMVID_11, halves(SKY, ROAD), halves(SKY, ROAD, 6), confidence)
    summary = score.summary(CAMVID_11)
    assert summary['frames'] == 1
    assert summary['iou']['sky'] == pytest.approx(100 / 120)
    assert summary['iou']['road'] == pytest.approx(80 / 100)
    assert summary['iou']['car'] is None
    assert summary['dice']['road'] == pytest.approx(160 / 180)
    assert summary['miou'] == pytest.approx((100 / 120 + 0.8) / 2)
    assert summary['pixel_accuracy'] == pytest.approx(0.9)
    assert summary['drivable_iou'] == pytest.approx(0.8)
    assert summary['boundary_f'] == pytest.approx(1.0)  # a row beside is within 3 px
    assert summary['confusion'][ROAD][SKY] == 20
    assert summary['reliability'] == [
        {'confidence': pytest.approx(0.2), 'accuracy': 0.0, 'count': 20},
        {'confidence': 1.0, 'accuracy': 1.0, 'count': 180},
    ]
    assert summary['ece'] == pytest.approx(0.2 * 20 / 200)
    row = row_of(score, CAMVID_11)
    assert row['iou_road'] == pytest.approx(0.8)
    assert np.isnan(row['iou_car'])


def test_void_is_not_scored() -> None:
    truth = halves(VOID, ROAD)
    score = score_frame(camvid(), CAMVID_11, truth, halves(CAR, ROAD), np.zeros(SIZE, np.uint8))
    summary = score.summary(CAMVID_11)
    assert (summary['pixel_accuracy'], summary['drivable_iou']) == (1.0, 1.0)
    assert summary['iou']['car'] is None
    assert sum(row['count'] for row in summary['reliability']) == 100


def test_number_after_the_last_class_is_void() -> None:
    """As the 11 of CamVid's labels."""
    labels = halves(SKY, ROAD)
    score = score_frame(camvid(), CAMVID_11, halves(11, ROAD), labels, np.zeros(SIZE, np.uint8))
    assert score.summary(CAMVID_11)['pixel_accuracy'] == 1.0


def test_truth_of_another_size_is_scored_at_its_own() -> None:
    labels = np.repeat(np.repeat(halves(SKY, ROAD), 2, axis=0), 2, axis=1)
    score = score_frame(camvid(), CAMVID_11, halves(SKY, ROAD), labels, labels)
    assert score.confusion.counts.sum() == 200
    assert score.summary(CAMVID_11)['miou'] == 1.0


def test_value_that_is_no_class() -> None:
    with pytest.raises(
        ImageError, match='truth: got value 17, expected classes of camvid_11, 0 t'
    ):
        score_frame(camvid(), CAMVID_11, halves(17, ROAD), halves(SKY, ROAD), halves(0, 0))


def test_truth_of_another_table_is_scored_in_the_classes_of_the_model() -> None:
    """Cityscapes: 0 road, 10 sky, 14 truck, which is CamVid's car; its 255 is void."""
    truth = GroundTruth('', '', CITYSCAPES_19, class_lut(CITYSCAPES_19, CAMVID_11))
    ids = np.full(SIZE, 255, np.uint8)
    ids[:4], ids[4:6], ids[6:9] = 10, 14, 0
    found = np.full(SIZE, ROAD, np.uint8)
    found[:4], found[4:6] = SKY, CAR
    summary = score_frame(truth, CAMVID_11, ids, found, found).summary(CAMVID_11)
    assert (summary['miou'], summary['drivable_iou']) == (1.0, 1.0)
    assert summary['confusion'][CAR][CAR] == 40


def test_only_the_drivable_area_of_bdd100k() -> None:
    """Its background is no class of CamVid, but it is known not to be free."""
    truth = GroundTruth('', '', BDD100K_DRIVABLE_3, class_lut(BDD100K_DRIVABLE_3, CAMVID_11))
    found = halves(SKY, ROAD, 6)
    ids = halves(2, 0)
    ids[8:] = 1
    summary = score_frame(truth, CAMVID_11, ids, found, found).summary(CAMVID_11)
    assert summary['drivable_iou'] == pytest.approx(80 / 100)


def test_merged_is_the_same_as_at_once() -> None:
    parts = [
        score_frame(camvid(), CAMVID_11, halves(SKY, ROAD), halves(SKY, ROAD, i), halves(9, 200))
        for i in (4, 5, 7)
    ]
    once, stored = Score(11), Score(11)
    for part in parts:
        once.merge(part)
        stored.merge(Score.from_arrays(part.arrays()))
    assert stored.summary(CAMVID_11) == once.summary(CAMVID_11)
    assert once.frames == 3
    # Sky found in 80, 100, 140 of 300 true pixels' rows; 40 of the last are road.
    assert once.summary(CAMVID_11)['iou']['sky'] == pytest.approx(280 / 340)


def test_masks_of_a_folder(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / 'f1.png'), halves(SKY, ROAD))
    (tmp_path / 'drive').mkdir()
    cv2.imwrite(str(tmp_path / 'drive' / 'f1.png'), halves(CAR, CAR))
    truth = camvid(tmp_path)
    assert truth.mask_of('drive', 'f1')[0, 0] == CAR
    assert truth.mask_of('other', 'f1')[0, 0] == SKY
    assert truth.mask_of('drive', 'f2') is None


def test_colour_picture_is_no_mask(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / 'f1.png'), np.full((4, 4, 3), (1, 2, 3), np.uint8))
    with pytest.raises(
        ImageError, match=r'got colour \(3, 2, 1\) in 16 pixels, expected the colours'
    ):
        camvid(tmp_path).mask_of('', 'f1')


def test_where_the_truth_is(tmp_path: Path) -> None:
    assert read_ground_truth('', '', CAMVID_11) is None
    folder = read_ground_truth(str(tmp_path), 'cityscapes_19', CAMVID_11)
    assert folder is not None and (folder.folder, folder.topic) == (str(tmp_path), '')
    assert folder.table.name == 'cityscapes_19'
    topic = read_ground_truth('/camera/labels', '', CAMVID_11)
    assert topic is not None and (topic.topic, topic.table.name) == ('/camera/labels', 'camvid_11')
    with pytest.raises(SourceError, match="truth 'no': got no folder"):
        read_ground_truth('no', '', CAMVID_11)
    with pytest.raises(ClassTableError, match="got 'no_table'"):
        read_ground_truth(str(tmp_path), 'no_table', CAMVID_11)


def test_tables_without_a_map(tmp_path: Path) -> None:
    expected = r'classes of coco_80: person, .*: got no class of that name in bdd100k_drivable_3'
    with pytest.raises(ClassTableError, match=expected):
        read_ground_truth(str(tmp_path), 'coco_80', BDD100K_DRIVABLE_3)


def test_conditions(tmp_path: Path) -> None:
    path = tmp_path / 'conditions.csv'
    path.write_text(
        'source,start_s,stop_s,condition\nnight*,,,night\n*,10,20.5,tunnel\n,20,,day\n'
    )
    rows = read_conditions(path)
    assert condition_of(rows, 'night_1', 15_000_000_000) == 'night'
    assert condition_of(rows, 'drive', 10_000_000_000) == 'tunnel'
    assert condition_of(rows, 'drive', 20_500_000_000) == 'day'
    assert condition_of(rows, 'drive', 9_999_999_999) == ''
    assert read_conditions(None) == ()


@pytest.mark.parametrize(
    ('text', 'message'),
    [
        (
            'a,b\n1,2\n',
            r"got columns \['a', 'b'\], expected \['source', 'start_s', 'stop_s', 'con",
        ),
        ('source,start_s,stop_s,condition\n*,early,,x\n', 'could not convert string to float'),
    ],
)
def test_conditions_that_cannot_be(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / 'conditions.csv'
    path.write_text(text)
    with pytest.raises(SourceError, match=message):
        read_conditions(path)


def test_scores_of_other_classes_are_not_added() -> None:
    with pytest.raises(ClassTableError, match='got 1 classes, expected 3 classes'):
        Score(3).merge(Score(1))
