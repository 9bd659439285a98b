# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import re
from math import pi
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import seg_perception.core
from seg_perception.core.camera import Calibration, Extrinsics
from seg_perception.core.camera_geometry import (
    CameraGeometry,
    GeometryKeeper,
    ImageGeometry,
    Missing,
)
from seg_perception.core.corridor import Corridor, corridor_shape
from seg_perception.core.errors import CalibrationError

SIZE = (720, 1280)
K = np.array([[1000.0, 0, 640.0], [0, 1000.0, 360.0], [0, 0, 1]])
LENS = Calibration.pinhole(K, SIZE)
LEVEL = Extrinsics(1.5)


def geometry(size=SIZE, **extrinsics: float) -> CameraGeometry:
    return CameraGeometry(LENS, Extrinsics(**{'height_m': 1.5} | extrinsics), size)


def test_ground_map_by_hand() -> None:
    ground = geometry().ground
    assert ground.x_m.shape == SIZE and ground.x_m.dtype == np.float32
    assert np.isnan(ground.x_m[:361]).all() and np.isfinite(ground.x_m[361:]).all()
    assert (ground.x_m[510, 440], ground.y_m[510, 440]) == pytest.approx((10.0, 2.0))
    # A row at 10 m is 1500 / 149.5 - 10 long on its far half, twice that as a whole.
    assert ground.coarse_m[510, 640] == pytest.approx(2 * (1500 / 149.5 - 10), rel=1e-3)
    with pytest.raises(ValueError, match='read-only'):
        ground.x_m[0, 0] = 1.0


def test_labels_of_another_size_see_the_same_ground() -> None:
    half = geometry((360, 640))
    assert half.size == (360, 640) and half.image_camera.size == SIZE
    # Pixel (255, 220) of the half image lies between rows 510, 511 and columns 440, 441.
    assert half.ground.x_m[255, 220] == pytest.approx(1500 / 150.5)
    assert half.ground.y_m[255, 220] == pytest.approx(199.5 / 1000 * 1500 / 150.5)


def test_parts_are_made_once_for_the_same_settings() -> None:
    made: list[int] = []

    def squares(of: ImageGeometry, factor: int) -> int:
        made.append(factor)
        return factor * of.size[0]

    image = ImageGeometry((3, 4))
    assert [image.part(squares, factor) for factor in (2, 2, 5, 5)] == [6, 6, 15, 15]
    assert made == [2, 5]
    assert ImageGeometry((7, 4)).part(squares, 2) == 14, 'another geometry shares nothing'


def test_moved_camera_is_the_same_as_one_made_anew() -> None:
    first = geometry((90, 160))
    first.ground  # noqa: B018
    moved, anew = (
        first.moved(Extrinsics(2.0, 0.1)),
        geometry((90, 160), height_m=2.0, pitch_rad=0.1),
    )
    np.testing.assert_array_equal(moved.ground.edges_m, anew.ground.edges_m)
    np.testing.assert_array_equal(moved.ground.x_m, anew.ground.x_m)


def test_sky_alone_is_refused() -> None:
    with pytest.raises(CalibrationError, match='sees the ground within 100 m'):
        geometry(pitch_rad=-0.7)


@settings(deadline=None)
@given(
    st.floats(-0.5, 0.5),
    st.floats(-0.02, 0.3),
    st.floats(-0.1, 0.1),
    st.sampled_from([0.0, 0.2, -0.2, pi]),
)
def test_bent_corridor_is_that_of_the_circle(
    curvature: float, pitch: float, roll: float, yaw: float
) -> None:
    """Against circle geometry in float64; only pixels on the very border may differ."""
    of = geometry((90, 160), pitch_rad=pitch, roll_rad=roll, yaw_rad=yaw)
    shape = corridor_shape(Corridor(), of, curvature)
    if shape.strips is None:
        return
    forward = -1.0 if yaw == pi else 1.0
    x, y = forward * of.ground.x_m.astype(float), of.ground.y_m.astype(float)
    aside, along = y, x
    if abs(curvature) > 1e-6:
        aside = (1.0 - np.hypot(curvature * x, 1.0 - curvature * y)) / curvature
        along = np.arctan2(curvature * x, 1.0 - curvature * y) / curvature
    on_path = (along > 0) & (along * abs(curvature) <= pi / 2)
    half, rows = 1.25, slice(shape.top_row, shape.end_row)
    surely = on_path & (np.abs(aside) < half - 1e-3)
    hardly = ~(np.abs(aside) <= half + 1e-3)
    # Pixels too coarse or too far are left out, whatever the circle says.
    trusted = shape.inside[rows].any(axis=1)
    assert not shape.inside[hardly].any()
    seen = surely[rows][trusted]
    assert (shape.inside[rows][trusted][seen] > 0).mean() > 0.9 if seen.any() else True
    inside = shape.inside > 0
    for row in np.flatnonzero(inside.any(axis=1)):
        assert shape.distance_m[row] == pytest.approx(along[row][inside[row]].min(), rel=1e-3)


def test_curvature_leaves_what_is_prepared_alone() -> None:
    of = geometry((180, 320))
    straight, ground = corridor_shape(Corridor(), of), of.ground
    for curvature in (0.01, -0.02, 0.3):
        assert corridor_shape(Corridor(), of, curvature) is not straight
    assert corridor_shape(Corridor(), of) is straight and of.ground is ground


def test_the_same_inputs_give_the_same_geometry() -> None:
    keeper = GeometryKeeper(lambda size: (size[0] // 2, size[1] // 2))
    first = keeper.view(LENS, LEVEL, SIZE)
    assert first.geometry.size == (360, 640) and first.camera is not None
    assert keeper.view(Calibration.pinhole(K.copy(), SIZE), Extrinsics(1.5), SIZE).geometry is (
        first.geometry
    )
    higher = keeper.view(LENS, Extrinsics(2.0), SIZE)
    assert higher.camera is not None and higher.camera.extrinsics.height_m == 2.0
    assert keeper.view(LENS, Extrinsics(2.0), (360, 640)).geometry.size == (180, 320)


@pytest.mark.parametrize(
    ('lens', 'extrinsics', 'reason', 'is_fault'),
    [
        (Missing('no lens'), LEVEL, 'no lens', False),
        (LENS, Missing('no place', is_fault=True), 'no place', True),
        (LENS, Extrinsics(1.5, -0.7), 'calibration does not fit: camera pose: got pitch', True),
        (
            Calibration.pinhole(K, (720, 720)),
            LEVEL,
            'calibration does not fit: calibration: got one for 720x720 pixels with',
            True,
        ),
    ],
)
def test_why_nothing_is_metric(lens, extrinsics, reason: str, is_fault: bool) -> None:
    keeper = GeometryKeeper(lambda size: (36, 64))
    view = keeper.view(lens, extrinsics, SIZE)
    assert view.camera is None and view.geometry.camera is None
    assert view.reason.startswith(reason) and view.is_fault is is_fault
    assert view.geometry.size == (36, 64)
    assert keeper.view(lens, extrinsics, SIZE).geometry is view.geometry


def test_core_keeps_no_geometry_in_modules() -> None:
    """A cache of a module outlives its camera, and nobody sees when it is thrown away."""
    files = Path(seg_perception.core.__file__).parent.glob('*.py')
    caching = [file.name for file in files if re.search(r'@(lru_)?cache\b', file.read_text())]
    assert caching == ['settings.py']  # the types of dataclasses
