# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""YOLO segmentation outputs, painted: scenes of boxes whose labels are plain to see."""

import numpy as np
import pytest

from adapt.networks import yolo
from seg_perception.adapt.adapt import AdaptOptions, adapt
from seg_perception.core.classes import ClassTable, Role, SegClass
from seg_perception.core.errors import ClassTableError
from seg_perception.inference.onnx_engine import OnnxEngine

SIZE, MAPS = 64, 4
THREE = ClassTable('three', tuple(SegClass(i, f'c{i}', (i, i, i), Role.VEHICLE) for i in range(3)))
OPTIONS = AdaptOptions(THREE, mean=(0.0,) * 3, std=(1.0,) * 3, value_range=1)
# Object: left, top, right, bottom, score, class, coefficients on [all, top half, ...]
EVERYWHERE, TOP = (1.0, 0.0, 0.0, 0.0), (0.0, 1.0, 0.0, 0.0)


def prototypes():
    """Of (1, 4, 16, 16): everywhere yes; top half yes, bottom half no; two that say nothing."""
    maps = np.zeros((1, MAPS, SIZE // 4, SIZE // 4), np.float32)
    maps[0, 0] = 5.0
    maps[0, 1, : SIZE // 8] = 5.0
    maps[0, 1, SIZE // 8 :] = -5.0
    return maps


def first_layout(objects, anchors=40):
    """(1, 4 + 3 + 4, A): centre and size, a score a class, coefficients."""
    rows = np.zeros((anchors, 4 + 3 + MAPS), np.float32)
    for row, (left, top, right, bottom, score, index, coefficients) in zip(
        rows, objects, strict=False
    ):
        row[:4] = (left + right) / 2, (top + bottom) / 2, right - left, bottom - top
        row[4 + index] = score
        row[7:] = coefficients
    return rows.T[None]


def second_layout(objects, rows=10):
    """(1, A, 6 + 4): corners, score, class, coefficients."""
    table = np.zeros((1, rows, 6 + MAPS), np.float32)
    for row, parts in zip(table[0], objects, strict=False):
        row[:6], row[6:] = parts[:6], parts[6]
    return table


def painted(tmp_path, detections):
    path = yolo(tmp_path / 'yolo.onnx', detections, prototypes(), SIZE)
    adapt(path, tmp_path / 'out.onnx', OPTIONS, np.zeros((90, 120, 3), np.uint8))
    result = OnnxEngine(tmp_path / 'out.onnx', 'cpu').run(np.zeros((1, SIZE, SIZE, 3), np.uint8))
    return result.labels[0], result.confidence[0]


@pytest.mark.parametrize('layout', [first_layout, second_layout])
def test_objects_are_painted_inside_of_box_and_mask(tmp_path, layout):
    objects = [
        (4, 8, 20, 24, 0.8, 2, EVERYWHERE),
        (32, 0, 48, 64, 0.6, 1, TOP),
        (50, 50, 60, 60, 0.2, 0, EVERYWHERE),  # below the least score
    ]
    labels, confidence = painted(tmp_path, layout(objects))
    expected = np.full((SIZE, SIZE), 255)
    expected[8:24, 4:20] = 2
    expected[:32, 32:48] = 1
    assert (labels == expected).all()
    assert set(np.unique(confidence[expected == 2])) == {204}  # 0.8 of 255
    assert set(np.unique(confidence[expected == 1])) == {153}
    assert set(np.unique(confidence[expected == 255])) == {0}


@pytest.mark.parametrize('layout', [first_layout, second_layout])
def test_where_objects_overlap_the_surer_wins(tmp_path, layout):
    objects = [(0, 0, 32, 32, 0.5, 0, EVERYWHERE), (16, 16, 48, 48, 0.9, 1, EVERYWHERE)]
    labels, _ = painted(tmp_path, layout(objects))
    assert labels[8, 8] == 0 and labels[24, 24] == 1 and labels[40, 40] == 1


def test_doubled_boxes_of_a_class_are_one_object(tmp_path):
    # The second covers the first by 0.94 and reaches 2 pixels farther: it is suppressed.
    objects = [
        (0, 0, 32, 32, 0.9, 0, EVERYWHERE),
        (0, 0, 34, 32, 0.8, 0, EVERYWHERE),
        (0, 0, 34, 32, 0.3, 1, EVERYWHERE),  # another class stays
    ]
    labels, _ = painted(tmp_path, first_layout(objects))
    assert np.unique(labels[:32, :32]) == 0
    assert np.unique(labels[:32, 32:34]) == 1


@pytest.mark.parametrize('layout', [first_layout, second_layout])
def test_a_picture_with_nothing_in_it(tmp_path, layout):
    labels, confidence = painted(tmp_path, layout([]))
    assert np.unique(labels) == 255 and np.unique(confidence) == 0


def test_more_objects_than_are_kept_leave_the_best(tmp_path):
    objects = [(i, 0, i + 1, 64, 0.3 + 0.01 * i, 0, EVERYWHERE) for i in range(60)]
    labels, _ = painted(tmp_path, first_layout(objects, anchors=80))
    assert np.unique(labels[:, 10:60]) == 0
    assert np.unique(labels[:, :10]) == 255


def test_another_number_of_classes_is_named(tmp_path):
    detections = np.zeros((1, 4 + 80 + 32, 8400), np.float32)
    maps = np.zeros((1, 32, 16, 16), np.float32)
    path = yolo(tmp_path / 'yolo.onnx', detections, maps, SIZE)
    with pytest.raises(ClassTableError, match=r'boxes with 80 classes, expected 3'):
        adapt(path, tmp_path / 'out.onnx', OPTIONS, np.zeros((64, 64, 3), np.uint8))
