# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""The pipeline on a tiny model: a picture painted in class colours comes back as its labels."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from seg_perception.core.errors import ImageError
from seg_perception.core.results import Result
from seg_perception.inference.engine import OnnxEngine
from seg_perception.inference.pipeline import Pipeline
from tiny_model import write_tiny_model

ROAD_RGB, SKY_RGB, CAR_RGB = (128, 64, 128), (128, 128, 128), (64, 0, 128)
ROAD, SKY, CAR = 3, 0, 8


@pytest.fixture(scope='module')
def pipeline(tmp_path_factory: pytest.TempPathFactory) -> Pipeline:
    path = tmp_path_factory.mktemp('model') / 'm.onnx'
    return Pipeline(OnnxEngine(write_tiny_model(path), 'cpu'))


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


def assert_same(one: Result, other: Result) -> None:
    """Everything but the times is equal."""
    np.testing.assert_array_equal(one.labels, other.labels)
    np.testing.assert_array_equal(one.confidence, other.confidence)
    np.testing.assert_array_equal(one.area.mask, other.area.mask)
    np.testing.assert_array_equal(one.area.boundary_rows, other.area.boundary_rows)
    assert one.risk == other.risk


@pytest.mark.parametrize('size', [(720, 1280), (1080, 1920), (360, 480), (384, 640), (64, 64)])
def test_painted_street_comes_back_as_its_labels(
    pipeline: Pipeline, size: tuple[int, int]
) -> None:
    result = pipeline.process(street(size))
    np.testing.assert_array_equal(result.labels, street_labels(size))
    np.testing.assert_array_equal(result.confidence, np.full(size, 200))


def test_area_has_the_pixels_of_the_frame(pipeline: Pipeline) -> None:
    area = pipeline.process(street((720, 1280))).area
    drivable = np.where(street_labels((720, 1280)) == ROAD, 255, 0)
    np.testing.assert_array_equal(area.mask, drivable)
    # The lower half less a car that is an eighth wide and a quarter high.
    assert area.image_share == pytest.approx(0.5 - 1 / 32)
    assert area.confidence == pytest.approx(200 / 255)
    free = area.boundary_columns < 1120
    np.testing.assert_array_equal(area.boundary_rows[free], 360)
    np.testing.assert_array_equal(area.boundary_rows[~free], 540)


def test_bgr_equals_rgb_after_the_swap(pipeline: Pipeline) -> None:
    rgb = np.random.default_rng(3).integers(0, 256, (123, 217, 3), np.uint8)
    bgr = np.ascontiguousarray(rgb[:, :, ::-1])
    assert_same(pipeline.process(bgr, 'bgr'), pipeline.process(rgb, 'rgb'))


def test_order_matters(pipeline: Pipeline) -> None:
    """The car's colour read backwards is nearest to another class: a swap cannot go unseen."""
    labels = pipeline.process(np.full((64, 64, 3), CAR_RGB, np.uint8), 'bgr').labels
    assert not (labels == CAR).any()


@pytest.mark.parametrize(
    'size', [(1, 1), (1, 7), (2, 3), (361, 481), (359, 1283), (719, 1), (480, 640), (1001, 999)]
)
def test_odd_sizes(pipeline: Pipeline, size: tuple[int, int]) -> None:
    result = pipeline.process(np.full((*size, 3), ROAD_RGB, np.uint8))
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
    pipeline: Pipeline, size: tuple[int, int], view: Any, order: Any
) -> None:
    rgb = street(size)
    pixels = view(rgb if order == 'rgb' else np.ascontiguousarray(rgb[:, :, ::-1]))
    np.testing.assert_array_equal(pipeline.process(pixels, order).labels, street_labels(size))


@pytest.mark.parametrize('size', [(720, 1280), (384, 640)])
def test_the_frame_is_not_changed_and_the_result_not_overwritten(
    pipeline: Pipeline, size: tuple[int, int]
) -> None:
    rgb = street(size)
    first = pipeline.process(rgb, 'bgr')
    kept = first.labels.copy(), first.confidence.copy(), first.area.mask.copy()
    np.testing.assert_array_equal(rgb, street(size))
    pipeline.process(np.zeros((*size, 3), np.uint8))
    for array, before in zip((first.labels, first.confidence, first.area.mask), kept, strict=True):
        np.testing.assert_array_equal(array, before)


def test_stage_times_are_named_and_positive(pipeline: Pipeline) -> None:
    stage_ms = pipeline.process(street((96, 128))).stage_ms
    assert list(stage_ms) == ['resize', 'inference', 'drivable', 'risk', 'upscale']
    assert min(stage_ms.values()) > 0
    assert stage_ms['inference'] < 60_000


def test_fixed_model_gives_the_frame_size(tmp_path: Path) -> None:
    path = write_tiny_model(tmp_path / 'm.onnx', fixed_size=(36, 64))
    result = Pipeline(OnnxEngine(path, 'cpu')).process(street((720, 1280)))
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
    pipeline: Pipeline, pixels: np.ndarray, order: Any, message: str
) -> None:
    with pytest.raises(ImageError, match=re.escape(message)):
        pipeline.process(pixels, order)
