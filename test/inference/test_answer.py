# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""The answerer with a tiny model: a picture painted in class colours comes back as its labels."""

import re
from math import pi
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from seg_perception.core.camera import Calibration, Camera, Extrinsics
from seg_perception.core.camera_geometry import CameraView, GeometryKeeper, ImageGeometry, Missing
from seg_perception.core.classes import ClassTable, Role, SegClass
from seg_perception.core.draw import draw_scene
from seg_perception.core.ego_motion import EgoMotion
from seg_perception.core.errors import ImageError
from seg_perception.core.grid import GridParams
from seg_perception.core.horizon import HorizonParams
from seg_perception.core.image_quality import PerceptionHealthParams
from seg_perception.core.results import RiskLevel, SafetyRisk, SceneRecord, SceneStatus
from seg_perception.core.risk_params import RiskParams
from seg_perception.core.scan import ScanParams
from seg_perception.core.turning import turn_calibration
from seg_perception.inference.answer import (
    AnswerSettings,
    CameraMemory,
    Extras,
    FrameAnswerer,
    FrameContext,
    late,
)
from seg_perception.inference.model_file import OodCalibration
from seg_perception.inference.onnx_engine import OnnxEngine
from tiny_model import write_tiny_model

BUILDING_RGB, PAVEMENT_RGB = (128, 0, 0), (0, 0, 192)
ROAD_RGB, SKY_RGB, CAR_RGB = (128, 64, 128), (128, 128, 128), (64, 0, 128)
ROAD, SKY, CAR = 3, 0, 8


@pytest.fixture(scope='module')
def answerer(tmp_path_factory: pytest.TempPathFactory) -> FrameAnswerer:
    path = tmp_path_factory.mktemp('model') / 'm.onnx'
    return FrameAnswerer(OnnxEngine(write_tiny_model(path), 'cpu'))


def ask(
    answerer: FrameAnswerer,
    pixels: np.ndarray,
    order: Any = 'rgb',
    camera: Camera | None = None,
    **context: Any,
) -> SceneRecord:
    if camera is not None:
        keeper = GeometryKeeper(answerer.labels_size)
        context['view'] = keeper.view(camera.calibration, camera.extrinsics, camera.size)
    return answerer.answer(pixels, order, FrameContext(**context))


def street(size: tuple[int, int]) -> np.ndarray:
    """Sky in the upper half, road in the lower, and a car at its far right, (H, W, 3) RGB."""
    height, width = size
    rgb = np.empty((*size, 3), np.uint8)
    rgb[: height // 2], rgb[height // 2 :] = SKY_RGB, ROAD_RGB
    rgb[height // 2 : height // 4 * 3, width // 8 * 7 :] = CAR_RGB
    return rgb


def street_labels(size: tuple[int, int]) -> np.ndarray:
    height, width = size
    labels = np.full(size, ROAD, np.uint8)
    labels[: height // 2] = SKY
    labels[height // 2 : height // 4 * 3, width // 8 * 7 :] = CAR
    return labels


def assert_same(one: SceneRecord, other: SceneRecord) -> None:
    """Everything but the times is equal."""
    np.testing.assert_array_equal(one.labels, other.labels)
    np.testing.assert_array_equal(one.confidence, other.confidence)
    np.testing.assert_array_equal(one.area.mask, other.area.mask)
    np.testing.assert_array_equal(one.area.boundary_rows, other.area.boundary_rows)
    assert repr(one.risk) == repr(other.risk)  # NaN is unlike itself


@pytest.mark.parametrize('size', [(720, 1280), (1080, 1920), (360, 480), (384, 640), (64, 64)])
def test_painted_street_comes_back_as_its_labels(
    answerer: FrameAnswerer, size: tuple[int, int]
) -> None:
    result = ask(answerer, street(size))
    np.testing.assert_array_equal(result.labels, street_labels(size))
    np.testing.assert_array_equal(result.confidence, np.full(size, 200))


def test_area_has_the_pixels_of_the_frame(answerer: FrameAnswerer) -> None:
    area = ask(answerer, street((720, 1280))).area
    drivable = np.where(street_labels((720, 1280)) == ROAD, 255, 0)
    np.testing.assert_array_equal(area.mask, drivable)
    # The lower half less a car that is an eighth wide and a quarter high.
    assert area.image_share == pytest.approx(0.5 - 1 / 32)
    assert area.confidence == pytest.approx(200 / 255)
    free = area.boundary_columns < 1120
    np.testing.assert_array_equal(area.boundary_rows[free], 360)
    np.testing.assert_array_equal(area.boundary_rows[~free], 540)


def test_bgr_equals_rgb_after_the_swap(answerer: FrameAnswerer) -> None:
    rgb = np.random.default_rng(3).integers(0, 256, (123, 217, 3), np.uint8)
    bgr = np.ascontiguousarray(rgb[:, :, ::-1])
    assert_same(ask(answerer, bgr, 'bgr'), ask(answerer, rgb, 'rgb'))


def test_order_matters(answerer: FrameAnswerer) -> None:
    """The car's colour read backwards is nearest to another class: a swap cannot go unseen."""
    labels = ask(answerer, np.full((64, 64, 3), CAR_RGB, np.uint8), 'bgr').labels
    assert not (labels == CAR).any()


@pytest.mark.parametrize(
    'size', [(1, 1), (1, 7), (2, 3), (361, 481), (359, 1283), (719, 1), (480, 640), (1001, 999)]
)
def test_odd_sizes(answerer: FrameAnswerer, size: tuple[int, int]) -> None:
    result = ask(answerer, np.full((*size, 3), ROAD_RGB, np.uint8))
    assert result.area.mask.shape == size
    np.testing.assert_array_equal(result.labels, np.full(size, ROAD))
    np.testing.assert_array_equal(result.confidence, np.full(size, 200))


def padded_rows(rgb: np.ndarray) -> np.ndarray:
    wide = np.zeros((rgb.shape[0], rgb.shape[1] + 5, 3), np.uint8)
    wide[:, : rgb.shape[1]] = rgb
    return wide[:, : rgb.shape[1]]


def odd_row_step(rgb: np.ndarray) -> np.ndarray:
    """Rows whose step is no multiple of the pixel, as some cameras send."""
    height, width = rgb.shape[:2]
    data = np.zeros((height, width * 3 + 2), np.uint8)
    data[:, : width * 3] = rgb.reshape(height, -1)
    return np.lib.stride_tricks.as_strided(data, rgb.shape, (width * 3 + 2, 3, 1))


def of_four_channels(rgb: np.ndarray) -> np.ndarray:
    return np.dstack([rgb, np.full(rgb.shape[:2], 255, np.uint8)])[:, :, :3]


def read_only(rgb: np.ndarray) -> np.ndarray:
    return np.frombuffer(rgb.tobytes(), np.uint8).reshape(rgb.shape)


def flipped(rgb: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(rgb[::-1, ::-1])[::-1, ::-1]


def transposed(rgb: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(rgb.transpose(1, 0, 2)).transpose(1, 0, 2)


@pytest.mark.parametrize('size', [(720, 1280), (64, 96)])  # resized, and taken as it is
@pytest.mark.parametrize(
    'view', [padded_rows, odd_row_step, of_four_channels, read_only, flipped, transposed]
)
@pytest.mark.parametrize('order', ['rgb', 'bgr'])
def test_any_view_gives_the_same(
    answerer: FrameAnswerer, size: tuple[int, int], view: Any, order: Any
) -> None:
    rgb = street(size)
    pixels = view(rgb if order == 'rgb' else np.ascontiguousarray(rgb[:, :, ::-1]))
    np.testing.assert_array_equal(ask(answerer, pixels, order).labels, street_labels(size))


@pytest.mark.parametrize('size', [(720, 1280), (384, 640)])
def test_the_frame_is_not_changed_and_the_result_not_overwritten(
    answerer: FrameAnswerer, size: tuple[int, int]
) -> None:
    rgb = street(size)
    first = ask(answerer, rgb, 'bgr')
    kept = first.labels.copy(), first.confidence.copy(), first.area.mask.copy()
    np.testing.assert_array_equal(rgb, street(size))
    ask(answerer, np.zeros((*size, 3), np.uint8))
    for array, before in zip((first.labels, first.confidence, first.area.mask), kept, strict=True):
        np.testing.assert_array_equal(array, before)


def test_stage_times_are_named_and_positive(answerer: FrameAnswerer) -> None:
    stage_ms = ask(answerer, street((96, 128))).stage_ms
    assert list(stage_ms) == ['resize', 'inference', 'drivable', 'risk', 'upscale']
    assert min(stage_ms.values()) > 0
    assert stage_ms['inference'] < 60_000


def camera(size: tuple[int, int]) -> Camera:
    """Level, 1.5 m high, with the horizon in the middle and 53 degrees of view."""
    height, width = size
    k = np.array([[width, 0, (width - 1) / 2], [0, width, (height - 1) / 2], [0, 0, 1]])
    return Camera(Calibration.pinhole(k, size), Extrinsics(1.5))


def wall_ahead(size: tuple[int, int], foot_row: int) -> np.ndarray:
    """Road up to a building that stands across it, (H, W, 3) RGB."""
    rgb = np.full((*size, 3), ROAD_RGB, np.uint8)
    rgb[:foot_row] = BUILDING_RGB
    return rgb


def test_metres_with_a_camera_alone(answerer: FrameAnswerer) -> None:
    size = (720, 1280)
    rgb = wall_ahead(size, 360 + 128)  # 1280 * 1.5 m / 128
    result = ask(answerer, rgb, 'rgb', camera(size))
    assert result.area.free_distance_m == pytest.approx(15.0, abs=0.2)
    assert result.area.ground_polygon_m[:, 0].max() == pytest.approx(15.0, abs=0.3)
    assert result.risk.suggested_speed_mps > 0
    plain = ask(answerer, rgb)
    assert np.isnan(plain.area.free_distance_m) and np.isnan(plain.risk.suggested_speed_mps)
    assert len(plain.area.ground_polygon_m) == 0


def test_metres_do_not_depend_on_the_size_of_the_frame(answerer: FrameAnswerer) -> None:
    free_m = [
        ask(answerer, wall_ahead(size, size[0] * 2 // 3), 'rgb', camera(size))
        for size in ((360, 640), (720, 1280), (1080, 1920))
    ]
    assert [result.area.free_distance_m for result in free_m] == pytest.approx(
        [16.0] * 3, rel=0.02
    )


def test_grid_and_scan_where_asked_for(answerer: FrameAnswerer) -> None:
    size = (720, 1280)
    rgb, seen = wall_ahead(size, 488), camera(size)
    plain = ask(answerer, rgb, 'rgb', seen)
    assert plain.grid is None and plain.scan is None
    grid = ask(answerer, rgb, 'rgb', seen, extras=Extras(grid=GridParams(resolution_m=0.5)))
    assert grid.grid is not None and grid.scan is None
    assert grid.grid.cells.shape == (48, 80)
    assert grid.grid.cells[24, 20] == 0  # 10 m ahead
    assert set(grid.grid.cells[24, 34:]) == {-1}  # behind the wall
    both = ask(answerer, rgb, 'rgb', seen, extras=Extras(GridParams(), ScanParams()))
    assert list(both.stage_ms)[2:] == ['drivable', 'risk', 'grid', 'scan', 'upscale']
    assert both.scan is not None
    assert np.nanmin(both.scan.ranges_m) == pytest.approx(15.0, abs=0.2)


def test_pitch_where_asked_for(answerer: FrameAnswerer) -> None:
    """A straight road 6 m wide between pavements, seen by a camera that hangs 0.03 rad down."""
    size = (360, 640)
    true = Camera(camera(size).calibration, Extrinsics(1.5, pitch_rad=0.03))
    columns, rows = np.meshgrid(np.arange(size[1]), np.arange(size[0]))
    ground = true.pixel_to_ground(np.column_stack([columns.ravel(), rows.ravel()]))
    aside = np.abs(ground[:, 1]).reshape(size)
    rgb = np.full((*size, 3), SKY_RGB, np.uint8)
    rgb[aside > 3], rgb[aside <= 3] = PAVEMENT_RGB, ROAD_RGB
    level = camera(size)
    assert ask(answerer, rgb, 'rgb', level).pitch is None
    seen = ask(answerer, rgb, 'rgb', level, extras=Extras(pitch=HorizonParams())).pitch
    assert seen is not None
    assert seen.pitch_rad == pytest.approx(0.03, abs=0.004)


def test_nothing_metric_without_a_camera(answerer: FrameAnswerer) -> None:
    extras = Extras(GridParams(), ScanParams(), HorizonParams())
    result = ask(answerer, street((96, 128)), extras=extras)
    assert (result.grid, result.scan, result.pitch) == (None, None, None)
    assert list(result.stage_ms) == ['resize', 'inference', 'drivable', 'risk', 'upscale']


@pytest.fixture
def doubting(tmp_path: Path) -> FrameAnswerer:
    """Colours that are 20 off in mean square are at the threshold."""
    path = write_tiny_model(tmp_path / 'm.onnx', ood_calibration=OodCalibration('distance', 0, 20))
    return FrameAnswerer(OnnxEngine(path, 'cpu'))


def test_confidence_of_an_ood_frame_is_scaled_down(doubting: FrameAnswerer) -> None:
    size = (128, 192)
    plain = ask(doubting, street(size))
    assert plain.ood_score == 0.0 and (plain.confidence == 200).all()
    off = street(size)
    off += 4  # 3 * 16 of 20 make 0.6, which is 0.7 of the way from 0.25 to 0.75
    ood_score = ask(doubting, off)
    assert ood_score.ood_score == pytest.approx(0.6)
    np.testing.assert_array_equal(ood_score.labels, plain.labels)
    assert (ood_score.confidence == 102).all()  # 200 * (1 - 0.7 * 0.7)
    trust = {factor.name: factor for factor in ood_score.risk.factors}['perception_trust']
    assert (trust.risk, trust.reason) == (pytest.approx(0.7), 'unlike what the model has learned')
    assert ood_score.risk.score < plain.risk.score


def test_trust_of_no_weight_believes_everything(doubting: FrameAnswerer) -> None:
    settings = AnswerSettings(risk=RiskParams(health=PerceptionHealthParams(weight=0.0)))
    result = ask(doubting, np.full((64, 96, 3), 250, np.uint8), settings=settings)
    assert result.ood_score == 1.0 and (result.confidence == 200).all()


def test_model_without_an_ood_score(answerer: FrameAnswerer) -> None:
    result = ask(answerer, np.full((64, 96, 3), 250, np.uint8))
    assert np.isnan(result.ood_score) and (result.confidence == 200).all()


def test_no_memory(answerer: FrameAnswerer) -> None:
    size = (360, 640)
    frames = [wall_ahead(size, row) for row in (200, 300)]
    first = ask(answerer, frames[0], 'rgb', camera(size))
    ask(answerer, frames[1], 'rgb', camera(size))
    assert_same(ask(answerer, frames[0], 'rgb', camera(size)), first)


@pytest.mark.parametrize('size', [(1, 1), (1, 640), (640, 1), (2, 3)])
def test_tiny_frames_with_a_camera(answerer: FrameAnswerer, size: tuple[int, int]) -> None:
    k = np.array([[50.0, 0, 0], [0, 50.0, 0], [0, 0, 1]])
    seen = Camera(Calibration.pinhole(k, size), Extrinsics(1.5, pitch_rad=0.5))
    extras = Extras(GridParams(), ScanParams())
    rgb = np.full((*size, 3), ROAD_RGB, np.uint8)
    result = ask(answerer, rgb, 'rgb', seen, extras=extras)
    assert result.area.mask.shape == size
    assert 0 <= result.risk.score <= 100


def test_a_class_table_without_a_drivable_role(tmp_path: Path) -> None:
    table = ClassTable('walls', (SegClass(0, 'wall', (128, 0, 0), Role.OBSTACLE),))
    path = write_tiny_model(tmp_path / 'm.onnx', table)
    size = (72, 128)
    result = ask(FrameAnswerer(OnnxEngine(path, 'cpu')), wall_ahead(size, 40), 'rgb', camera(size))
    assert (result.area.image_share, result.area.corridor_share) == (0.0, 0.0)
    assert result.risk.level is RiskLevel.CRITICAL


def test_fixed_model_gives_the_frame_size(tmp_path: Path) -> None:
    path = write_tiny_model(tmp_path / 'm.onnx', fixed_size=(36, 64))
    result = ask(FrameAnswerer(OnnxEngine(path, 'cpu')), street((720, 1280)))
    np.testing.assert_array_equal(result.labels, street_labels((720, 1280)))


@pytest.mark.parametrize(
    ('pixels', 'order', 'message'),
    [
        (np.zeros((4, 4), np.uint8), 'rgb', 'frame: got uint8 (4, 4), expected uint8 (H, W, 3)'),
        (np.zeros((4, 4, 4), np.uint8), 'rgb', 'frame: got uint8 (4, 4, 4), expected uint8'),
        (np.zeros((4, 4, 3), np.uint16), 'rgb', 'frame: got uint16 (4, 4, 3), expected uint8'),
        (np.zeros((0, 4, 3), np.uint8), 'rgb', 'frame: got uint8 (0, 4, 3), expected uint8'),
        (np.zeros((4, 0, 3), np.uint8), 'bgr', 'frame: got uint8 (4, 0, 3), expected uint8'),
        (np.zeros((4, 4, 3), np.uint8), 'RGB', "order: got 'RGB', expected 'rgb' or 'bgr'"),
    ],
)
def test_refuses_a_wrong_frame(
    answerer: FrameAnswerer, pixels: np.ndarray, order: Any, message: str
) -> None:
    with pytest.raises(ImageError, match=re.escape(message)):
        ask(answerer, pixels, order)


OK, DEGRADED = SceneStatus.OK, SceneStatus.DEGRADED


def test_an_answer_without_doubts_is_ok(answerer: FrameAnswerer) -> None:
    record = ask(answerer, street((96, 128)))
    assert (record.status, record.status_text, record.doubts) == (OK, '', ())
    assert record.uncalibrated_reason == 'not calibrated'
    assert ask(answerer, street((96, 128)), 'rgb', camera((96, 128))).uncalibrated_reason == ''


def test_every_doubt_degrades_and_says_why(doubting: FrameAnswerer) -> None:
    size = (64, 96)
    view = CameraView(ImageGeometry(doubting.labels_size(size)), 'wrong lens', is_fault=True)
    record = ask(
        doubting,
        np.full((*size, 3), 250, np.uint8),
        view=view,
        motion=EgoMotion(fault='no curvature'),
        settings=AnswerSettings(warn_confidence=0.5),
    )
    assert record.status is DEGRADED and record.uncalibrated_reason == 'wrong lens'
    # 200 of 255, less 0.7 of it for what is unlike everything learned.
    assert record.doubts == (
        'wrong lens',
        'no curvature',
        'unlike what the model has learned: 1.00 of 1',
        'mean confidence 0.24, below 0.5',
    )
    slow = late(record, 300.4, 250.0)
    assert slow.doubts == (*record.doubts, 'took 300 ms, above 250')
    assert late(record, 250.0, 250.0) is record


def test_what_was_never_given_is_no_doubt(answerer: FrameAnswerer) -> None:
    view = CameraView(ImageGeometry(answerer.labels_size((96, 128))), 'no camera_info')
    record = ask(answerer, street((96, 128)), view=view)
    assert (record.status, record.uncalibrated_reason) == (OK, 'no camera_info')


def test_memory_keeps_the_risk_of_what_has_just_gone(answerer: FrameAnswerer) -> None:
    size, memory = (96, 128), CameraMemory(answerer.table)
    free, blocked = wall_ahead(size, 40), np.full((*size, 3), BUILDING_RGB, np.uint8)
    scores = []
    for number, rgb in enumerate([free, blocked, blocked, blocked, free]):
        context = FrameContext(stamp_s=number / 10)
        record = answerer.answer(rgb, 'rgb', context)
        recalled = memory.recall(record, context)
        assert isinstance(recalled.risk, SafetyRisk) and recalled.area.mask is record.area.mask
        scores.append((record.risk.score, recalled.risk.score))
    assert scores[0][0] == scores[0][1]  # nothing to remember
    assert scores[4][1] < scores[4][0] == scores[0][0]
    memory.reset()
    assert memory.recall(record, FrameContext(stamp_s=0.5)).risk.score == scores[0][0]


def test_another_frame_id_is_another_camera(answerer: FrameAnswerer) -> None:
    size, memory = (96, 128), CameraMemory(answerer.table)
    blocked = answerer.answer(np.full((*size, 3), BUILDING_RGB, np.uint8))
    free = answerer.answer(wall_ahead(size, 40))
    for number in range(3):
        memory.recall(blocked, FrameContext(stamp_s=number / 10, frame_id='left'))
    recalled = memory.recall(free, FrameContext(stamp_s=0.3, frame_id='right'))
    assert recalled.risk.score == free.risk.score


@pytest.mark.parametrize('turns', [1, 2, 3])
@pytest.mark.parametrize('is_calibrated', [True, False])
def test_a_turned_camera_says_what_an_upright_one_does(
    answerer: FrameAnswerer, turns: int, is_calibrated: bool
) -> None:
    """Masks come in the image as it came; risk and metres are those of the upright image."""
    rgb = street((96, 160))
    k = np.array([[100.0, 0, 79.5], [0, 100.0, 47.5], [0, 0, 1]])
    lens = Calibration.pinhole(k, (96, 160))
    upright = GeometryKeeper(answerer.labels_size).view(
        lens if is_calibrated else Missing('none'), Extrinsics(1.5, pitch_rad=0.1), (96, 160)
    )
    expected = answerer.answer(rgb, 'rgb', FrameContext(view=upright))
    came = np.ascontiguousarray(np.rot90(rgb, turns))  # as a camera with this roll sees it
    size = came.shape[:2]
    own = turn_calibration(lens, -turns)
    roll = (turns * pi / 2 + pi) % (2 * pi) - pi
    view = GeometryKeeper(answerer.labels_size).view(
        own if is_calibrated else Missing('none'),
        Extrinsics(1.5, pitch_rad=0.1, roll_rad=roll),
        size,
    )
    found = answerer.answer(came, 'rgb', FrameContext(view=view))
    assert found.labels.shape == found.area.mask.shape == size
    np.testing.assert_array_equal(found.labels, np.rot90(expected.labels, turns))
    np.testing.assert_array_equal(found.area.mask, np.rot90(expected.area.mask, turns))
    assert found.risk.score == expected.risk.score
    assert np.isfinite(found.area.free_distance_m) == is_calibrated
    if is_calibrated:
        assert found.area.free_distance_m == pytest.approx(expected.area.free_distance_m)
    drawn = draw_scene(came, found, answerer.table, geometry=view.geometry)
    plain = draw_scene(rgb, expected, answerer.table, geometry=upright.geometry)
    assert drawn.shape == came.shape
    assert np.abs(np.rot90(drawn, -turns).astype(int) - plain).mean() < 3
