# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
import cv2
import numpy as np
import pytest

from seg_perception.core.classes import BDD100K_DRIVABLE_3, CAMVID_11, VISTAS_66
from seg_perception.core.errors import OutputError
from seg_perception.evaluation.calibration_error import ConfidenceCalibration
from seg_perception.evaluation.metrics import ConfusionMatrix
from training.evaluate.plots import (
    Prediction,
    confusion_plot,
    error_map,
    prediction_sheet,
    reliability_plot,
)


def picture(path):
    """The one file of a folder, (H, W, 3), which must show something."""
    assert [file.name for file in path.parent.iterdir()] == [path.name]
    bgr = cv2.imread(str(path))
    assert bgr.std() > 5
    return bgr


@pytest.mark.parametrize('classes', [CAMVID_11, VISTAS_66])
def test_confusion_plot_of_few_and_of_many_classes(classes, tmp_path):
    matrix = ConfusionMatrix(len(classes))
    matrix.counts += np.diag(np.full(len(classes), 90)) + np.eye(len(classes), k=1, dtype=int) * 10
    matrix.missed[0] = 5
    confusion_plot(matrix, classes, tmp_path / 'confusion.png')
    assert 600 < picture(tmp_path / 'confusion.png').shape[1] < 3000


def test_confusion_plot_of_nothing(tmp_path):
    confusion_plot(ConfusionMatrix(3), BDD100K_DRIVABLE_3, tmp_path / 'confusion.png')
    picture(tmp_path / 'confusion.png')


def test_reliability_plot(tmp_path):
    calibration = ConfidenceCalibration()
    truth = np.ones((20, 20), np.uint8)
    confidence = np.random.default_rng(0).integers(100, 256, (20, 20), dtype=np.uint8)
    calibration.add(truth, truth, confidence)
    reliability_plot(calibration, tmp_path / 'reliability.png')
    picture(tmp_path / 'reliability.png')


def test_error_map_by_hand():
    rgb = np.full((1, 4, 3), 100, np.uint8)
    picture = error_map(rgb, np.uint8([[1, 1, 1, 255]]), np.uint8([[1, 2, 255, 2]]))
    assert picture.tolist() == [[[178] * 3, [230, 30, 40], [250, 190, 30], [0, 0, 0]]]


def test_sheet_has_a_row_for_each_frame(tmp_path):
    labels = np.zeros((60, 80), np.uint8)
    labels[30:] = 3
    row = Prediction('best: a, mean IoU 1.000', np.zeros((60, 80, 3), np.uint8), labels, labels)
    prediction_sheet([row], CAMVID_11, tmp_path / 'sheet.png')
    one = picture(tmp_path / 'sheet.png').shape
    prediction_sheet([row] * 3, CAMVID_11, tmp_path / 'sheet.png')
    three = picture(tmp_path / 'sheet.png').shape
    assert three[1] == one[1] and three[0] > 2 * one[0]


def test_plot_that_cannot_be_written(tmp_path):
    (tmp_path / 'file').write_text('')
    with pytest.raises(OutputError, match=r'output .*plot\.png'):
        reliability_plot(ConfidenceCalibration(), tmp_path / 'file' / 'plot.png')
