# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""The boundary on labelled dash-cam frames with the embedded model; skipped without them."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from data_trees import SHARED
from seg_perception.core.camera_geometry import ImageGeometry
from seg_perception.core.classes import CITYSCAPES_19, COMMA10K_6
from seg_perception.core.drivable import find_drivable
from seg_perception.core.masks import resize_nearest
from seg_perception.inference.open_engine import open_engine
from seg_perception.models import model_path

BDD, COMMA = SHARED / 'bdd100k_mini', SHARED / 'comma10k_mini'
OWN_CAR = (4, 5)  # of comma10k, with what moves in it

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not BDD.is_dir(), reason='no real samples beside the repository'),
]


def ego_of(mask: np.ndarray, folder: Path) -> np.ndarray:
    """The own vehicle (H, W) uint8: labelled, or what is not labelled at the bottom edge."""
    if folder == COMMA:
        return np.where(np.isin(mask, OWN_CAR), 255, 0).astype(np.uint8)
    _, pieces = cv2.connectedComponents((mask == 255).astype(np.uint8))
    at_edge = np.bincount(pieces[-1])
    wide = [piece for piece in np.flatnonzero(at_edge > 0.1 * mask.shape[1]) if piece]
    return np.where(np.isin(pieces, wide), 255, 0).astype(np.uint8)


def test_columns_are_those_of_the_ground_truth() -> None:
    """Mean error at most 2 % of the height; fewer than 3 % of the columns off by over 10 %."""
    engine, errors = open_engine(str(model_path('default')), 'cpu'), []
    for folder, table in ((BDD, CITYSCAPES_19), (COMMA, COMMA10K_6)):
        for path in sorted((folder / 'images').iterdir()):
            image = cv2.imread(str(path))
            mask = cv2.imread(str(folder / 'masks' / f'{path.stem}.png'), cv2.IMREAD_GRAYSCALE)
            size = engine.size_for((image.shape[0], image.shape[1]))
            rgb = cv2.cvtColor(cv2.resize(image, size[::-1]), cv2.COLOR_BGR2RGB)
            answer = engine.run(rgb[np.newaxis])
            geometry = ImageGeometry(size, ego_mask=ego_of(mask, folder))
            labels, confidence = answer.labels[0], answer.confidence[0]
            found = find_drivable(labels, confidence, engine.card.classes, geometry=geometry)
            small = resize_nearest(mask, size)
            true = find_drivable(small, np.full_like(small, 255), table, geometry=geometry)
            errors.append(np.abs(found.boundary_rows - true.boundary_rows) / size[0])
    assert len(errors) == 10
    assert np.mean(errors) <= 0.02
    assert np.mean(np.array(errors) > 0.1) < 0.03
