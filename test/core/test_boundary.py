# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""The free-space boundary: thin obstacles stay, patches and the own vehicle draw no spikes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from seg_perception.core.camera_geometry import ImageGeometry
from seg_perception.core.classes import ClassTable, Role, SegClass
from seg_perception.core.drivable import DrivableParams, find_drivable
from seg_perception.core.results import BoundaryFlag, DrivableArea, VanishingPoint

ROAD, WALK, CAR, EGO, POLE, MAN, SKY = range(7)
TABLE = ClassTable(
    'street',
    (
        SegClass(ROAD, 'road', (0, 0, 0), Role.DRIVABLE),
        SegClass(WALK, 'walk', (0, 0, 0), Role.WALKABLE),
        SegClass(CAR, 'car', (0, 0, 0), Role.VEHICLE),
        SegClass(EGO, 'ego', (0, 0, 0), Role.EGO),
        SegClass(POLE, 'pole', (0, 0, 0), Role.OBSTACLE),
        SegClass(MAN, 'man', (0, 0, 0), Role.VULNERABLE),
        SegClass(SKY, 'sky', (0, 0, 0), Role.SKY),
    ),
)
HEIGHT, WIDTH, FAR = 360, 640, 200
SEEN, BRIDGED, OWN, UNKNOWN = BoundaryFlag
# Of a camera 1.35 m up whose horizon is in row 161.5.
AHEAD = VanishingPoint(0.5, 0.45)
PX_PER_M = {row: (row - 161.5) / 1.35 for row in (260, 300)}


def street() -> np.ndarray:
    """A road below row 200, pavement above it."""
    labels = np.full((HEIGHT, WIDTH), WALK, np.uint8)
    labels[FAR:] = ROAD
    return labels


def find(labels: np.ndarray, confidence: int = 255, **geometry: np.ndarray) -> DrivableArea:
    return find_drivable(
        labels,
        np.full_like(labels, confidence),
        TABLE,
        DrivableParams(),
        geometry=ImageGeometry((HEIGHT, WIDTH), AHEAD, **geometry),
    )


def strip(column: int) -> int:
    """The boundary column whose strip of ten pixels a pixel column is in."""
    return column // 10


@pytest.mark.parametrize('row', sorted(PX_PER_M))
@pytest.mark.parametrize('column', [300, 303, 306, 309])
@pytest.mark.parametrize(
    ('label', 'width_m', 'height_m'),
    [(POLE, 0.08, 1.0), (MAN, 0.12, 0.7), (POLE, 0.3, 0.45), (MAN, 0.25, 0.3)],
    ids=['post', 'leg', 'cone', 'dog'],
)
def test_thin_obstacles_stay_wherever_they_stand(
    row: int, column: int, label: int, width_m: float, height_m: float
) -> None:
    labels, scale = street(), PX_PER_M[row]
    width, height = round(width_m * scale), round(height_m * scale)
    labels[row - height : row, column : column + width] = label
    area = find(labels)
    # Strips that two of its columns are in, or one next to them.
    inside = {strip(column + at) for at in range(width)}
    others = np.setdiff1d(np.arange(64), list(inside))
    assert (area.boundary_rows[list(inside)] == row).any()
    assert set(area.boundary_class_ids[area.boundary_rows == row]) == {label}
    assert (area.boundary_rows[others] == FAR).all()
    assert (area.boundary_flags == SEEN).all()


def test_two_pixels_end_a_strip_and_one_does_not() -> None:
    for column in range(300, 311):
        labels = street()
        labels[240:300, column] = MAN
        assert (find(labels).boundary_rows == FAR).all()
        labels[240:300, column + 1] = MAN
        rows = find(labels).boundary_rows
        ended = {strip(column), strip(column + 1)}
        assert {k for k in range(64) if rows[k] == 300} == ended


@pytest.mark.parametrize(('label', 'most_m'), [(WALK, 0.3), (POLE, 0.3), (255, 0.3), (CAR, 0.15)])
@pytest.mark.parametrize('row', sorted(PX_PER_M))
def test_patches_lower_than_any_obstacle_are_bridged(label: int, most_m: float, row: int) -> None:
    limit = most_m * PX_PER_M[row]
    for height, is_bridged in ((int(limit - 1), True), (int(limit + 2), False)):
        labels = street()
        labels[row - height : row, 300:360] = label
        area = find(labels)
        seen = slice(strip(300), strip(360))
        assert (area.boundary_rows[seen] == (FAR if is_bridged else row)).all()
        unlabeled = UNKNOWN if label == 255 else SEEN
        assert (area.boundary_flags[seen] == (BRIDGED if is_bridged else unlabeled)).all()
        assert (area.boundary_class_ids[seen] == (WALK if is_bridged else label)).all()
        assert not area.mask[row - height : row, 300:360].any(), 'the area itself keeps it'
        assert (area.boundary_flags[: seen.start] == SEEN).all()


def test_without_patches_everything_counts() -> None:
    labels = street()
    labels[290:300, 300:360] = WALK
    params = replace(DrivableParams(), patch_share=0.0)
    area = find_drivable(labels, np.full_like(labels, 255), TABLE, params)
    assert (area.boundary_rows[30:36] == 300).all() and (area.boundary_flags == SEEN).all()


def test_what_is_low_and_joins_the_far_end_is_no_patch() -> None:
    labels = street()
    labels[200:210, 300:360] = POLE
    area = find(labels)
    assert (area.boundary_rows[30:36] == 210).all() and (area.boundary_flags == SEEN).all()


def hood(top: int, edge: int = 0) -> np.ndarray:
    """An ego mask of all pixels below a row, one more for each pixel off the middle."""
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    return np.where(rows >= top + edge + np.abs(columns - 320) // 16, 255, 0).astype(np.uint8)


@pytest.mark.parametrize('label', [ROAD, CAR, WALK, POLE, 255])
def test_the_own_vehicle_draws_no_spike_whatever_it_is_labelled(label: int) -> None:
    labels = street()
    labels[hood(310) > 0] = label
    # What the mask leaves out, up to 2 % of the height, is the own vehicle too.
    for missing in (0, 6):
        area = find(labels, ego_mask=hood(310, missing))
        assert (area.boundary_rows == FAR).all() and (area.boundary_flags == SEEN).all()
    assert (find(labels).boundary_rows == (FAR if label == ROAD else HEIGHT)).all()


def test_a_column_without_road_ends_at_the_own_vehicle() -> None:
    labels = street()
    labels[:, :100] = WALK  # beside the road
    labels[250:, 100:140] = MAN  # right before the hood
    area = find(labels, ego_mask=hood(310))
    edges = np.argmax(hood(310)[:, 5::10] > 0, axis=0)
    assert (area.boundary_flags == np.r_[np.full(14, OWN), np.full(50, SEEN)]).all()
    assert (np.abs(area.boundary_rows[:14] - edges[:14]) <= 1).all()
    assert area.boundary_class_ids[:14].tolist() == [WALK] * 10 + [MAN] * 4
    assert (area.boundary_rows[14:] == FAR).all()


def test_an_own_pillar_tells_nothing_about_the_ground() -> None:
    pillar = np.zeros((HEIGHT, WIDTH), np.uint8)
    pillar[80:, :60] = pillar[:, 580:] = 255
    area = find(street(), ego_mask=pillar)
    assert (area.boundary_rows[:6] == HEIGHT).all() and (area.boundary_rows[58:] == HEIGHT).all()
    assert (area.boundary_flags == np.r_[[OWN] * 6, [SEEN] * 52, [OWN] * 6]).all()


def test_unknown_where_nothing_says_what_ends_the_road() -> None:
    labels = street()
    labels[150:200, :100] = 255
    labels[:, 200:300] = ROAD  # up to the top of the image
    area = find(labels)
    expected = np.full(64, SEEN)
    expected[:10], expected[20:30] = UNKNOWN, UNKNOWN
    np.testing.assert_array_equal(area.boundary_flags, expected)
    assert area.boundary_class_ids[[5, 25]].tolist() == [255, 255]
    confidence = np.full_like(labels, 255)
    confidence[FAR:260, 400:500] = 60  # road, but hardly
    area = find_drivable(labels, confidence, TABLE)
    assert (area.boundary_rows[40:50] == 260).all()
    assert (area.boundary_flags[40:50] == UNKNOWN).all()
    assert (area.boundary_class_ids[40:50] == WALK).all(), 'what is behind it'


def test_flags_are_there_for_every_column() -> None:
    for size in ((1, 1), (7, 3), (90, 160)):
        area = find_drivable(np.zeros(size, np.uint8), np.full(size, 255, np.uint8), TABLE)
        assert area.boundary_flags.shape == area.boundary_rows.shape
        assert area.boundary_flags.dtype == np.uint8
