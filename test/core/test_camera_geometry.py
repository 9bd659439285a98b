# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import re
from math import pi
from pathlib import Path

import cv2
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
from seg_perception.core.classes import VISTAS_66
from seg_perception.core.corridor import Corridor, corridor_shape
from seg_perception.core.drivable import find_drivable
from seg_perception.core.errors import CalibrationError
from seg_perception.core.grid import drivable_grid
from seg_perception.core.results import CalibrationState, OnlineCalibration, VanishingPoint
from seg_perception.core.risk import assess_risk
from seg_perception.core.scan import free_space_scan

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
        assert shape.range_m[row] == pytest.approx(along[row][inside[row]].min(), rel=1e-3)


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


def online(**changes) -> OnlineCalibration:
    known = {
        'state': CalibrationState.CALIBRATED,
        'vanishing_point': VanishingPoint(0.5, 0.55, row_std=0.01),
        'pitch_rad': 0.03, 'yaw_rad': -0.01, 'roll_rad': 0.0, 'pitch_std_rad': 0.012,
        'height_m': 1.4, 'height_std_m': 0.1,
    }  # fmt: skip
    return OnlineCalibration(**known | changes)


NONE = Missing('none given')


def test_learned_extrinsics_count_where_none_are_given() -> None:
    keeper = GeometryKeeper(lambda size: size)
    learned = keeper.view(LENS, NONE, SIZE, online()).camera
    assert learned is not None
    pose = learned.extrinsics
    assert (pose.height_m, pose.pitch_rad, pose.yaw_rad) == (1.4, 0.03, -0.01)
    assert pose.pitch_std_rad == pytest.approx(0.015)  # 0.012 of the estimate, 0.009 of the road
    assert pose.height_std_m == 0.1
    given = keeper.view(LENS, LEVEL, SIZE, online()).camera
    assert given is not None and given.extrinsics == LEVEL
    fault = keeper.view(LENS, Missing('TF is broken', is_fault=True), SIZE, online())
    assert fault.camera is None and fault.reason == 'TF is broken'


@pytest.mark.parametrize(
    'unsure',
    [
        {'state': CalibrationState.CALIBRATING},
        {'height_m': float('nan')},
        {'height_std_m': float('nan')},
        {'pitch_rad': float('nan')},
    ],
)
def test_metres_need_a_certain_calibration(unsure) -> None:
    view = GeometryKeeper(lambda size: size).view(LENS, NONE, SIZE, online(**unsure))
    assert view.camera is None and view.reason == 'none given'
    assert view.geometry.vanishing_point == VanishingPoint(0.5, 0.55, row_std=0.01)


def test_invalid_calibration_leaves_nothing_but_the_ego_mask() -> None:
    ego = np.full((9, 16), 255, np.uint8)
    invalid = online(state=CalibrationState.INVALID, ego_mask=ego)
    geometry = GeometryKeeper(lambda size: size).view(LENS, NONE, SIZE, invalid).geometry
    assert geometry.camera is None and geometry.vanishing_point is None
    assert geometry.ego_mask is not None and geometry.ego_mask.shape == SIZE
    assert geometry.ego_mask.all()


def test_small_drifts_keep_the_geometry() -> None:
    """A drift of many small steps is followed, at few of them."""
    keeper, seen = GeometryKeeper(lambda size: (90, 160)), []
    for step in range(100):
        point = VanishingPoint(0.5, 0.5 + 0.0005 * step, row_std=0.01)
        now = online(state=CalibrationState.CALIBRATING, vanishing_point=point)
        seen.append(keeper.view(NONE, NONE, SIZE, now).geometry)
        assert abs(seen[-1].vanishing_point.row - point.row) <= 0.003
    assert len(set(map(id, seen))) <= 17
    cameras = [
        keeper.view(LENS, NONE, SIZE, online(pitch_rad=0.0005 * step)).geometry
        for step in range(20)
    ]
    assert len(set(map(id, cameras))) <= 5


def test_changed_ego_mask_makes_a_new_geometry() -> None:
    keeper, ego = GeometryKeeper(lambda size: (90, 160)), np.zeros((90, 160), np.uint8)
    ego[80:] = 255
    for extrinsics in (NONE, LEVEL):
        first = keeper.view(LENS, extrinsics, SIZE, online(ego_mask=ego, height_m=np.nan)).geometry
        speck, larger = ego.copy(), ego.copy()
        speck[79, :8], larger[70:] = 255, 255
        for mask, is_kept in ((ego.copy(), True), (speck, True), (larger, False), (None, False)):
            now = online(ego_mask=mask, height_m=np.nan)
            assert (keeper.view(LENS, extrinsics, SIZE, now).geometry is first) is is_kept


def test_bits_of_the_own_vehicle() -> None:
    ego = np.array([[0, 255], [255, 0]], np.uint8)
    bits, geometry = np.full((4, 4), 5, np.uint8), ImageGeometry((4, 4), ego_mask=ego)
    np.testing.assert_array_equal(
        geometry.with_ego_body(bits[1:3], 64, slice(1, 3)), [[5, 5, 64, 64], [64, 64, 5, 5]]
    )
    assert ImageGeometry((4, 4)).with_ego_body(bits, 64) is bits


@pytest.mark.parametrize('hidden', ['Car', 'Road', 'Person', 'Unlabeled'])
@pytest.mark.parametrize('is_metric', [False, True])
def test_ego_mask_is_what_the_class_of_the_own_vehicle_is(hidden, is_metric) -> None:
    """Whatever the labels say there: area, risk, grid and scan do not look at it."""
    names, size = VISTAS_66.names, (90, 160)
    lens, ego = Calibration.pinhole(K, SIZE), np.zeros(size, np.uint8)
    ego[72:, 40:120] = ego[60:, :20] = 255

    def of(mask) -> ImageGeometry:
        if is_metric:
            return CameraGeometry(lens, Extrinsics(1.5, 0.05), size, mask)
        return ImageGeometry(size, ego_mask=mask)

    labels = np.full(size, names.index('Road'), np.uint8)
    labels[:40] = names.index('Sky')
    labels[38:55, 70:90] = names.index('Bus')
    own = np.where(ego > 0, names.index('Ego Vehicle'), labels).astype(np.uint8)
    labels[ego > 0] = names.index(hidden)
    by_mask, by_class = (
        _said(seen, geometry) for seen, geometry in ((labels, of(ego)), (own, of(None)))
    )
    for one, other in zip(by_mask, by_class, strict=True):
        np.testing.assert_equal(one, other)


def _said(labels: np.ndarray, geometry: ImageGeometry) -> list:
    sure = np.full(labels.shape, 230, np.uint8)
    area = find_drivable(labels, sure, VISTAS_66, geometry=geometry)
    risk = assess_risk(labels, sure, VISTAS_66, area, geometry=geometry)
    said = [area.mask, area.boundary_rows, area.corridor_share, area.free_distance_m]
    said += [risk.score, risk.factors]
    if isinstance(geometry, CameraGeometry):
        grid = drivable_grid(area.mask, labels, sure, VISTAS_66, geometry)
        said += [grid.cells, free_space_scan(area.mask, labels, VISTAS_66, geometry).ranges_m]
    return said


def test_unsure_height_widens_the_distance() -> None:
    """Of 15 m by a camera 1.5 m up, 0.15 m of height are 1.5 m."""
    sure, unsure = (
        CameraGeometry(LENS, Extrinsics(1.5, height_std_m=std)).camera for std in (0.0, 0.15)
    )
    assert unsure.std_m(15.0) == pytest.approx(np.hypot(sure.std_m(15.0), 1.5), rel=1e-3)
    assert unsure.band_m(15.0)[0] < sure.band_m(15.0)[0] - 0.5
    assert unsure.band_m(15.0)[1] > sure.band_m(15.0)[1] + 1.0


@pytest.mark.parametrize('error', [
    np.linalg.LinAlgError('Singular matrix'), FloatingPointError('overflow'), cv2.error('OpenCV'),
])  # fmt: skip
def test_a_calibration_that_fails_in_use_is_a_fault_and_no_error(
    monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr(Calibration, 'rays', fail)
    keeper = GeometryKeeper(lambda size: size)
    seen = keeper.view(Calibration.pinhole(K, SIZE), Extrinsics(1.5), SIZE)
    assert seen.camera is None and seen.is_fault and 'does not fit' in seen.reason
