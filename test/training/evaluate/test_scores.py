# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
from math import isnan

import numpy as np
import pytest

from seg_perception.core.classes import CAMVID_11
from training.config import DeployConfig
from training.evaluate.scores import at_working_size, score


def constant(label, confidence=255):
    def predict(rgb):
        return tuple(np.full(rgb.shape[:2], value, np.uint8) for value in (label, confidence))

    return predict


def test_scores_of_a_constant_prediction(frame_set):
    labels = np.array([[3, 3, 3, 8], [255, 255, 255, 255]], np.uint8)
    scores = score(constant(3), frame_set(labels, labels))
    assert scores.frames == 2
    assert scores.matrix.mean_iou() == pytest.approx((3 / 4 + 0) / 2)
    assert scores.calibration.error() == pytest.approx(1 / 4)
    means = scores.means()
    assert means['mean_iou'] == pytest.approx(3 / 8)
    assert means['frequency_weighted_iou'] == pytest.approx(9 / 16)
    assert means['mean_dice'] == pytest.approx((6 / 7 + 0) / 2)
    assert means['mean_accuracy'] == pytest.approx(1 / 2)
    assert means['pixel_accuracy'] == pytest.approx(3 / 4)
    assert means['boundary_f_1px'] == 0
    assert means['ms_per_frame'] >= 0


def test_rule_for_absent_classes_reaches_means_and_classes(frame_set):
    frames = frame_set(np.full((2, 4), 3, np.uint8))
    scores = score(lambda rgb: (np.uint8([[3, 3, 3, 8]] * 2), np.zeros((2, 4), np.uint8)), frames)
    assert scores.means('zero')['mean_iou'] == pytest.approx(3 / 8)
    assert scores.means('skip')['mean_iou'] == pytest.approx(3 / 4)
    assert scores.per_class('zero')['iou'][8] == 0
    assert isnan(scores.per_class('skip')['iou'][8])
    assert scores.rarity('skip')[0].ids == (3,)


def test_each_frame_has_its_row(frame_set):
    good, bad = np.full((2, 4), 3, np.uint8), np.uint8([[3, 3, 3, 8]] * 2)
    void = np.full((2, 4), 255, np.uint8)
    rows = score(constant(3), frame_set(good, bad, void)).per_frame
    assert [row.name for row in rows] == ['a', 'b', 'c']
    assert rows[0].mean_iou == 1
    assert rows[1].mean_iou == pytest.approx(3 / 8) and rows[1].pixel_accuracy == 0.75
    assert isnan(rows[2].mean_iou) and isnan(rows[2].pixel_accuracy)


def test_classes_are_grouped_by_order_of_magnitude(frame_set):
    labels = np.zeros((10, 200), np.uint8)  # 1793 sky, 180 road, 20 poles, 7 cars
    labels.ravel()[:207] = [3] * 180 + [2] * 20 + [8] * 7
    groups = score(constant(0), frame_set(labels)).rarity()
    assert [(group.order, group.ids) for group in groups] == [(0, (2, 8)), (1, (3,)), (2, (0,))]
    assert groups[2].mean_iou == pytest.approx(1793 / 2000)
    assert groups[2].mean_accuracy == 1 and groups[0].mean_accuracy == 0


def test_every_prediction_is_shown_to_who_asks(frame_set):
    labels, seen = np.uint8([[3, 255]]), []
    frames = frame_set(labels, labels)
    score(constant(8), frames, lambda sample, labels: seen.append((sample.name, labels.tolist())))
    assert seen == [('a', [[8, 8]]), ('b', [[8, 8]])]


def test_text_has_classes_groups_and_means(frame_set):
    labels = np.array([[3, 3, 3, 8], [255, 255, 255, 255]], np.uint8)
    lines = score(constant(3), frame_set(labels)).text(CAMVID_11).splitlines()
    words = {line.split()[0]: line.split() for line in lines}
    assert lines[0].split()[:4] == ['IoU', 'dice', 'accuracy', 'precision']
    assert words['road'][1:5] == ['0.7500', '0.8571', '1.0000', '0.7500']
    assert words['sky'][1] == 'nan'
    assert words['rarity'] == ['rarity', 'group', '0', '0.3750', 'road,', 'car']
    assert 'mean iou                    0.3750' in lines
    assert lines[-1] == '1 frames, classes of camvid_11'


def test_frames_are_segmented_at_the_working_size_and_compared_at_their_own():
    seen = []

    def left_half_is_car(rgb):
        seen.append(rgb.shape)
        labels = np.full(rgb.shape[:2], 3, np.uint8)
        labels[:, : rgb.shape[1] // 2] = 8
        return labels, np.full(rgb.shape[:2], 200, np.uint8)

    deploy = DeployConfig(input_size=(32, 32), upscale=2.0)
    predict = at_working_size(left_half_is_car, deploy.size_for)
    labels, confidence = predict(np.zeros((16, 16, 3), np.uint8))
    assert seen == [(32, 32, 3)]
    assert labels.tolist() == [[8] * 8 + [3] * 8] * 16
    assert confidence.shape == (16, 16) and (confidence == 200).all()
