# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seg_perception.core.camera import Calibration, Extrinsics
from seg_perception.core.camera_geometry import CameraGeometry, ImageGeometry
from seg_perception.core.corridor import LEFT, Corridor, Strips, corridor_shape, image_outline
from seg_perception.core.errors import ParameterError
from seg_perception.core.results import VanishingPoint


def test_corridor_below_a_vanishing_point_by_hand() -> None:
    """1.35 m up, 2.5 m of ground are 2.5 / 1.35 pixels wide for each pixel below the horizon."""
    point = VanishingPoint(0.4, 0.5)
    shape = corridor_shape(Corridor(), ImageGeometry((200, 400), point))
    # With a focal length of 340 px, 45 m are 340 * 1.35 / 45 = 10.2 px below row 99.5.
    assert shape.top_row == 110 and shape.end_row == 200 and not shape.is_metric
    for row in (120, 150, 199):
        columns = np.flatnonzero(shape.inside[row])
        assert len(columns) == pytest.approx(2.5 / 1.35 * (row - 99.5), abs=1.1)
        assert columns.mean() == pytest.approx(159.5, abs=0.6)
        assert shape.widths_px[row] == pytest.approx(2.5 / 1.35 * (row - 99.5))
        aside = np.flatnonzero(shape.inside[row] | shape.adjacent[row])
        last = min(159.5 + 1.5 * len(columns), 399)
        assert aside[0] == pytest.approx(max(0, 159.5 - 1.5 * len(columns)), abs=2)
        assert aside[-1] == pytest.approx(last, abs=2)
        assert shape.range_m[row] == pytest.approx(340 * 1.35 / (row - 99.5))
    assert not shape.inside[:110].any() and np.isnan(shape.range_m[:110]).all()


def test_nothing_above_the_horizon_is_in_the_path_however_unsure_it_is() -> None:
    """The far end lies 2.5 standard deviations below it, and what is nearer may be."""
    for row_std in (0.0, 0.02, 0.1):
        point = VanishingPoint(0.5, 0.5, row_std=row_std)
        shape = corridor_shape(Corridor(), ImageGeometry((200, 400), point))
        road_px = 0.009 * 340  # the pitch on the road
        margin = max(10.2, 2.5 * np.hypot(row_std * 200, road_px))
        assert shape.top_row == pytest.approx(99.5 + margin, abs=1)
        assert shape.range_m[190] == pytest.approx(340 * 1.35 / (90.5 + row_std * 200))


def test_known_height_of_the_camera_sets_the_width() -> None:
    point = VanishingPoint(0.5, 0.5)
    low, high = (
        corridor_shape(Corridor(), ImageGeometry((200, 400), point, camera_height_m=height))
        for height in (0.9, 1.8)
    )
    assert low.widths_px[199] == pytest.approx(2 * high.widths_px[199])
    assert high.range_m[199] == pytest.approx(2 * low.range_m[199])


@given(st.floats(-0.2, 0.2), st.floats(-0.05, 0.2))
def test_image_of_a_camera_with_the_assumed_focal_length_is_as_in_metres(
    roll: float, pitch: float
) -> None:
    """A rolled horizon turns the corridor as it does for a calibrated camera."""
    k = np.array([[340.0, 0, 199.5], [0, 340.0, 99.5], [0, 0, 1]])
    metric = CameraGeometry(Calibration.pinhole(k, (200, 400)), Extrinsics(1.35, pitch, roll))
    ahead = metric.camera.calibration.project(
        np.array([[1e6, 0.0, 0.0]]) @ metric.camera.extrinsics.rotation
    )[0]
    point = VanishingPoint((ahead[0] + 0.5) / 400, (ahead[1] + 0.5) / 200, roll)
    image = corridor_shape(Corridor(), ImageGeometry((200, 400), point))
    known = corridor_shape(Corridor(), metric)
    rows = slice(max(image.top_row, known.top_row) + 12, min(image.end_row, known.end_row))
    both = (image.inside[rows] > 0) & (known.inside[rows] > 0)
    either = (image.inside[rows] > 0) | (known.inside[rows] > 0)
    assert both.sum() >= 0.93 * either.sum()


def test_bonnet_rows_are_cut_off():
    shape = corridor_shape(Corridor(ego_mask_share=0.25), ImageGeometry((100, 200)))
    assert shape.end_row == 75
    assert not shape.inside[75:].any() and shape.inside[74].any()
    # The rows above keep the distance that they have without a bonnet in view.
    whole = corridor_shape(Corridor(), ImageGeometry((100, 200)))
    np.testing.assert_array_equal(shape.range_m[:75], whole.range_m[:75])


@given(
    st.integers(1, 60), st.integers(1, 60), st.floats(-1, 2), st.floats(0, 0.3), st.floats(0, 0.4)
)
def test_zones_share_out_the_rows_and_mirror(height, width, row, row_std, ego_mask):
    point = VanishingPoint(0.5, row, row_std=row_std)
    geometry = ImageGeometry((height, width), point)
    shape = corridor_shape(Corridor(ego_mask_share=ego_mask), geometry)
    zones = [shape.inside, shape.adjacent]
    total = sum((zone > 0).astype(int) for zone in zones)
    assert 0 <= shape.top_row < shape.end_row <= height
    assert total.max() <= 1 and shape.inside[shape.top_row : shape.end_row].any()
    assert not total[: shape.top_row].any() and not total[shape.end_row :].any()
    for zone in zones:
        np.testing.assert_array_equal(zone, zone[:, ::-1])
    assert (np.diff(shape.range_m[shape.top_row : shape.end_row]) <= 0).all()


# The ends of the corridor follow rows, those of the outline do not: a roll sets them apart.
@pytest.mark.parametrize(
    ('roll', 'curvature', 'most'), [(0.0, 0.0, 0.01), (0.1, 0.0, 0.065), (0.0, -0.02, 0.03)]
)
def test_outline_is_that_of_the_corridor(roll: float, curvature: float, most: float) -> None:
    geometry = ImageGeometry((200, 400), VanishingPoint(0.45, 0.5, roll))
    filled = np.zeros((400, 800), np.uint8)
    outline = image_outline(Corridor(), (400, 800), geometry, curvature)
    cv2.fillPoly(filled, [outline], 255)
    inside = cv2.resize(corridor_shape(Corridor(), geometry, curvature).inside, (800, 400))
    differ = np.count_nonzero((filled > 127) != (inside > 127))
    assert differ < most * np.count_nonzero(filled)


@pytest.mark.parametrize('curvature', [0.0, 0.02, -0.01])
def test_bent_corridor_of_an_image_is_that_of_the_calibrated_camera(curvature: float) -> None:
    """With the focal length and the height that are assumed where they are not known."""
    k = np.array([[0.85 * 640, 0, 319.5], [0, 0.85 * 640, 179.5], [0, 0, 1]])
    lens = Calibration.pinhole(k, (360, 640))
    known = CameraGeometry(lens, Extrinsics(1.35), (360, 640))
    image = ImageGeometry((360, 640), VanishingPoint(0.5, 0.5))
    bent, exact = (corridor_shape(Corridor(), each, curvature) for each in (image, known))
    rows = slice(bent.top_row, bent.end_row)
    differ = np.count_nonzero(bent.inside[rows] != exact.inside[rows])
    assert differ < 0.03 * np.count_nonzero(exact.inside[rows])
    if curvature:  # it ends where the path has moved by half the corridor's width, 1.25 m
        end_m = 0.85 * 640 * 1.35 / (bent.top_row - 179.5)
        assert abs(curvature) * end_m**2 / 2 == pytest.approx(1.25, rel=0.1)


SIZE = (360, 640)
K = np.array([[500.0, 0, 319.5], [0, 500.0, 179.5], [0, 0, 1]])


def camera(size: tuple[int, int] = SIZE, **extrinsics: float) -> CameraGeometry:
    return CameraGeometry(
        Calibration.pinhole(K, SIZE), Extrinsics(**{'height_m': 1.5} | extrinsics), size
    )


def test_corridor_on_the_ground_by_hand() -> None:
    # 2 m across. A row v below the horizon at 179.5 sees 1.5 * 500 / v metres, 2 v / 1.5 px wide.
    shape = corridor_shape(Corridor(vehicle_width_m=1.6, margin_m=0.2), camera())
    assert shape.range_m[[359, 254, 229]] == pytest.approx([750 / 179.5, 750 / 74.5, 750 / 49.5])
    assert shape.widths_px[[359, 254, 229]].tolist() == [240, 100, 66]
    assert shape.inside[254].nonzero()[0].tolist() == list(range(270, 370))
    assert shape.adjacent[254].nonzero()[0].tolist() == [*range(171, 270), *range(370, 469)]
    assert shape.is_metric and np.isnan(shape.range_m[0])
    # Its reach is 60 m around the camera, which is just less than row 192 sees.
    assert shape.end_row == 360 and shape.top_row == 193
    assert shape.range_m[193] == pytest.approx(750 / 13.5)
    assert np.isnan(shape.range_m[:193]).all() and not shape.widths_px[:193].any()
    # What ends the free road: 5 cm are 500 * 0.05 / 10.1 = 2.5 px at 10 m.
    strips = shape.strips
    piece = int(np.searchsorted(strips.edges_m, 10.0))
    assert strips.blocking_px[piece] == 3
    # Edges of pieces are edges of rows: row 254.5 is 75 below the horizon.
    assert np.abs(strips.edges_m - 10.0).min() < 1e-4


def test_curved_corridor_follows_the_circle() -> None:
    curved = corridor_shape(Corridor(), camera(), 0.02)
    row = 249  # 10.79 m ahead
    middle = curved.inside[row].nonzero()[0].mean()
    # On a circle of 50 m to the left: aside 50 - sqrt(50^2 - 10.79^2) = 1.178 m = 54.6 px.
    assert middle == pytest.approx(319.5 - 1.178 / 10.79 * 500, abs=1.0)
    # The nearest of the row is on its right: atan(0.2158 / 1.0014) * 50.
    assert curved.range_m[row] == pytest.approx(10.61, abs=0.01)
    right = corridor_shape(Corridor(), camera(), -0.02)
    np.testing.assert_array_equal(right.inside, curved.inside[:, ::-1])
    np.testing.assert_array_equal(right.range_m, curved.range_m)


def test_a_circle_ends_after_a_quarter() -> None:
    shape = corridor_shape(Corridor(), camera(), 0.1)
    assert np.nanmax(shape.range_m) <= 15.71  # pi / 2 / 0.1


def test_camera_that_looks_back_sees_the_path_of_reversing() -> None:
    ahead = corridor_shape(Corridor(), camera())
    back = corridor_shape(Corridor(), camera(yaw_rad=np.pi))
    np.testing.assert_array_equal(back.inside, ahead.inside)
    # Left of the vehicle is on the right of that image.
    columns = [_columns_of_left(shape.strips) for shape in (ahead, back)]
    assert columns[0].max() < 320 < columns[1].min()


def _columns_of_left(strips: Strips) -> np.ndarray:
    return (strips.strip == LEFT).nonzero()[1]


def strips_of(tangents: np.ndarray, ends: np.ndarray) -> Strips:
    return Strips(0, np.ones((1, 1), np.uint8), tangents, ends, ends, np.ones(len(ends) - 1))


@given(
    st.lists(st.floats(0.5, 60.0), min_size=2, max_size=80, unique=True),
    st.lists(st.floats(0.1, 100.0), max_size=80),
)
def test_pieces_of_any_edges(edges: list[float], values: list[float]) -> None:
    ends = np.unique(np.float32(edges))
    if len(ends) < 2:
        return
    tangents = np.float32([*values, *ends])
    found = strips_of(tangents, ends).pieces_of(np.arange(len(tangents)))
    expected = [max(0, sum(end <= value for end in ends) - 1) for value in tangents]
    assert found.tolist() == expected


def test_pieces_of_rows_as_a_level_camera_has_them() -> None:
    ends = (750 / np.arange(180.0, 12.5, -1)).astype(np.float32)
    tangents = np.linspace(3.0, 70.0, 5000, dtype=np.float32)
    found = strips_of(tangents, ends).pieces_of(np.arange(5000))
    expected = np.searchsorted(ends, tangents, side='right') - 1
    np.testing.assert_array_equal(found, np.maximum(expected, 0))


def test_cameras_without_the_path_in_view_get_the_trapezoid() -> None:
    aside = corridor_shape(Corridor(), camera(yaw_rad=1.4))
    assert aside.strips is None and not aside.is_metric
    np.testing.assert_array_equal(
        aside.inside, corridor_shape(Corridor(), ImageGeometry(SIZE)).inside
    )
    flat = corridor_shape(Corridor(), camera((1, 640)))
    assert flat.strips is None and flat.inside.shape == (1, 640)


def test_rolled_camera_has_a_sloping_corridor() -> None:
    shape = corridor_shape(Corridor(), camera(roll_rad=0.05, pitch_rad=0.05))
    top = shape.inside[shape.top_row + 3].nonzero()[0].mean()
    bottom = shape.inside[350].nonzero()[0].mean()
    # Edges at tan(atan(1.25 / 1.5) + 0.05) and tan(-atan(1.25 / 1.5) + 0.05) columns a row.
    assert bottom - top == pytest.approx((0.9215 - 0.7518) / 2 * (347 - shape.top_row), rel=0.05)


@given(st.floats(-0.2, 0.2), st.floats(0, 0.3), st.floats(-0.2, 0.2), st.floats(-3.1, 3.1))
def test_zones_share_out_the_rows_with_any_camera(
    curvature: float, pitch: float, roll: float, yaw: float
) -> None:
    small = camera((45, 80), pitch_rad=pitch, roll_rad=roll, yaw_rad=yaw)
    shape = corridor_shape(Corridor(), small, curvature)
    total = sum((zone > 0).astype(int) for zone in (shape.inside, shape.adjacent))
    assert total.max() <= 1 and shape.inside[shape.top_row : shape.end_row].any()
    assert not total[: shape.top_row].any() and not total[shape.end_row :].any()
    assert (shape.range_m[shape.inside.any(axis=1)] > 0).all()
    if shape.strips is not None:
        assert (np.diff(shape.strips.edges_m) > 0).all()
        assert np.isfinite(shape.range_m[shape.inside.any(axis=1)]).all()


@pytest.mark.parametrize('curvature', [float('nan'), 1.5, -2.0])
def test_curvatures_that_cannot_be(curvature: float) -> None:
    with pytest.raises(ParameterError, match=r'curvature of the path: got .* -1\.0 to 1\.0'):
        corridor_shape(Corridor(), camera(), curvature)


def test_shapes_are_frozen():
    with pytest.raises(ValueError, match='read-only'):
        corridor_shape(Corridor(), ImageGeometry((10, 10))).inside[0, 0] = 1


@pytest.mark.parametrize(
    ('fields', 'message'),
    [
        ({'camera_height_m': 0.0}, 'corridor camera_height_m: got 0.0, expected 0.05 to 30'),
        ({'ego_mask_share': 0.5}, 'corridor ego_mask_share: got 0.5, expected 0 to 0.4'),
        ({'camera_height_m': float('nan')}, 'corridor camera_height_m: got nan'),
        ({'vehicle_width_m': 0.0}, 'corridor vehicle_width_m: got 0.0, expected 0.1 to 20'),
    ],
)
def test_ranges(fields, message):
    with pytest.raises(ParameterError, match=message):
        Corridor(**fields)
