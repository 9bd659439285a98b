# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""The boundary over time: flicker is bridged, people and vehicles count at once."""

from __future__ import annotations

import numpy as np
import pytest

from seg_perception.core.boundary_filter import Boundary, BoundaryFilter
from seg_perception.core.classes import CAMVID_11
from seg_perception.core.results import BoundaryFlag, DrivableArea

POLE, ROAD, PAVEMENT, TREE, CAR, MAN = (
    CAMVID_11.names.index(name)
    for name in ('pole', 'road', 'pavement', 'tree', 'car', 'pedestrian')
)
SEEN, BRIDGED, EGO, UNKNOWN = BoundaryFlag
HEIGHT, STEP_S = 360, 1 / 30


def boundary(*columns: tuple[int, int], flag: int = SEEN) -> Boundary:
    """A boundary of (row, class id) in each column."""
    rows, class_ids = np.array(columns).T
    flags = np.full(len(columns), flag, np.uint8)
    return Boundary(rows.astype(np.int32), class_ids.astype(np.uint8), flags, HEIGHT)


FREE = boundary((200, TREE), (200, TREE), (200, TREE))


def play(*frames: Boundary, step_s: float = STEP_S) -> list[Boundary]:
    memory = BoundaryFilter(CAMVID_11)
    return [memory.update(frame, 5.0 + number * step_s) for number, frame in enumerate(frames)]


@pytest.mark.parametrize(('class_id', 'lag'), [(MAN, 0), (CAR, 0), (POLE, 1), (PAVEMENT, 1)])
def test_frames_until_a_new_obstacle_counts(class_id: int, lag: int) -> None:
    blocked = boundary((200, TREE), (300, class_id), (200, TREE))
    said = play(*[FREE] * 4, *[blocked] * 4)
    assert [one.rows[1] for one in said] == [200] * (4 + lag) + [300] * (4 - lag)
    assert said[-1].class_ids[1] == class_id and (said[-1].flags == SEEN).all()
    if lag:
        assert said[4].flags.tolist() == [SEEN, BRIDGED, SEEN] and said[4].class_ids[1] == TREE


@pytest.mark.parametrize('class_id', [MAN, POLE])
def test_what_goes_is_free_one_frame_later(class_id: int) -> None:
    blocked = boundary((200, TREE), (300, class_id), (200, TREE))
    said = play(*[blocked] * 4, *[FREE] * 3)
    assert [one.rows[1] for one in said] == [300] * 5 + [200] * 2
    assert said[4].class_ids[1] == class_id
    assert [one.flags[1] for one in said] == [SEEN] * 4 + [BRIDGED] + [SEEN] * 2


def test_flicker_of_one_frame_moves_nothing() -> None:
    near, far = boundary(*[(350, PAVEMENT)] * 3), boundary(*[(120, TREE)] * 3)
    said = play(FREE, FREE, near, FREE, FREE, far, FREE, FREE, near, FREE)
    assert all((one.rows == 200).all() for one in said)
    assert [one.flags[0] for one in said] == [0, 0, BRIDGED, 0, 0, BRIDGED, 0, 0, BRIDGED, 0]


def test_small_motion_is_seen_and_followed() -> None:
    rows = [200, 201, 203, 204, 206, 208]
    said = play(*(boundary((row, TREE), (row, TREE), (row, CAR)) for row in rows))
    assert [one.rows[0] for one in said] == [200, 201, 201, 203, 204, 206]
    assert [one.rows[2] for one in said] == rows, 'a vehicle that comes nearer is not late'
    assert all((one.flags == SEEN).all() for one in said)


def test_flags_of_columns_are_those_of_their_frame() -> None:
    unknown = boundary(*[(200, 255)] * 3, flag=UNKNOWN)
    said = play(FREE, FREE, unknown, unknown)
    assert [one.flags[0] for one in said] == [SEEN, SEEN, UNKNOWN, UNKNOWN]
    assert said[2].class_ids[0] == 255, 'the row is the same, so the present frame says what it is'


@pytest.mark.parametrize('step_s', [0.25, -0.03, 0.0])
def test_frames_that_do_not_follow_stand_alone(step_s: float) -> None:
    near = boundary(*[(350, PAVEMENT)] * 3)
    said = play(FREE, FREE, near, FREE, step_s=step_s)
    assert [one.rows[0] for one in said] == [200, 200, 350, 200]


def test_another_camera_or_size_starts_anew() -> None:
    near = boundary(*[(350, PAVEMENT)] * 3)
    for frame_id, frame in (
        ('left', near),
        ('', Boundary(near.rows, near.class_ids, near.flags, 720)),
        ('', boundary((350, PAVEMENT))),
    ):
        memory = BoundaryFilter(CAMVID_11)
        for number in range(3):
            memory.update(FREE, number * STEP_S)
        assert (memory.update(frame, 3 * STEP_S, frame_id).rows == 350).all()
    memory.update(FREE, 4 * STEP_S)
    memory.reset()
    assert (memory.update(near, 5 * STEP_S).rows == 350).all()


def test_a_boundary_goes_into_an_area() -> None:
    columns = np.array([1, 4, 7], np.int32)
    mask = np.zeros((HEIGHT, 9), np.uint8)
    area = DrivableArea(mask, 0.0, 0.0, columns, FREE.rows, 0.0, FREE.class_ids, FREE.flags)
    own = Boundary.of(area)
    assert own.put_into(area) is area and own.height == HEIGHT
    near = boundary(*[(350, PAVEMENT)] * 3, flag=BRIDGED).put_into(area)
    assert near.boundary_rows.tolist() == [350] * 3 and near.mask is mask
    assert near.boundary_class_ids.tolist() == [PAVEMENT] * 3
    assert near.boundary_flags.tolist() == [BRIDGED] * 3
