# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Real drives against hoods marked by hand; skipped where the drives are not at hand."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from data_trees import SHARED
from seg_perception.core.ego_mask import EgoMaskEstimator

HOODS = json.loads((Path(__file__).parents[1] / 'fixtures/hoods.json').read_text())
"""Outline of the hood in each video, (column, row) in shares of the image; empty without one."""

# This hood is 12 pixels high at most, in a video that an image stabiliser shakes by as much, and
# the windscreen reflects a dark edge above it.
LEAST_IOU = {'us_cities/detroit.mp4': 0.5}

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not (SHARED / 'videos').exists(), reason='the drives are not at hand'),
]


def learned(video: Path) -> tuple[EgoMaskEstimator, tuple[int, int]]:
    """An estimator that has seen a drive, a short one twice, at three images a second."""
    estimator, size, count = EgoMaskEstimator(), (0, 0), 0
    for _ in range(1 if 'us_cities' in video.parts else 2):
        reader = cv2.VideoCapture(str(video))
        step = round(reader.get(cv2.CAP_PROP_FPS) / 3)
        for index in range(int(reader.get(cv2.CAP_PROP_FRAME_COUNT))):
            if reader.grab() and index % step == 0:
                gray = cv2.cvtColor(reader.retrieve()[1], cv2.COLOR_BGR2GRAY)
                estimator.update(gray, True, count / 3)
                size, count = gray.shape, count + 1
        reader.release()
    return estimator, size


def marked(outline: list[list[float]], size: tuple[int, int]) -> np.ndarray:
    """The mask (H, W) bool of a marked hood, drawn eight times as large and averaged."""
    fine = np.zeros((8 * size[0], 8 * size[1]), np.uint8)
    if outline:
        points = np.rint(np.array(outline) * fine.shape[::-1]).astype(np.int32)
        cv2.fillPoly(fine, [points], 255)
    return cv2.resize(fine, size[::-1], interpolation=cv2.INTER_AREA) > 127


@pytest.mark.parametrize('name', HOODS)
def test_the_mask_agrees_with_the_hood_marked_by_hand(name: str) -> None:
    estimator, size = learned(SHARED / 'videos' / name)
    wanted = marked(HOODS[name], size)
    found = cv2.resize(estimator.mask, size[::-1], interpolation=cv2.INTER_NEAREST_EXACT) > 0
    if not wanted.any():
        assert not found.any()
        return
    assert (found & ~wanted).mean() < 0.01, 'of the image is masked but no hood'
    iou = (found & wanted).sum() / (found | wanted).sum()
    assert iou >= LEAST_IOU.get(name, 0.85)
