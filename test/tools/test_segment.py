# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Masks and overlays of files, with a tiny model whose labels are known."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from seg_perception.core.errors import ModelFileError, SourceError
from seg_perception.tools.segment import segment_paths
from tiny_model import write_tiny_model

ROAD_BGR, SKY_BGR, CAR_BGR = (128, 64, 128), (128, 128, 128), (128, 0, 64)
ROAD, SKY = 3, 0


@pytest.fixture(scope='module')
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_model(tmp_path_factory.mktemp('model') / 'm.onnx')


def street(size: tuple[int, int]) -> np.ndarray:
    bgr = np.full((*size, 3), ROAD_BGR, np.uint8)
    bgr[: size[0] // 2] = SKY_BGR
    return bgr


def street_labels(size: tuple[int, int]) -> np.ndarray:
    labels = np.full(size, ROAD, np.uint8)
    labels[: size[0] // 2] = SKY
    return labels


def write_street(path: Path, size: tuple[int, int] = (128, 160)) -> Path:
    assert cv2.imwrite(str(path), street(size))
    return path


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def read_labels(path: Path) -> np.ndarray:
    return cv2.imread(str(path), cv2.IMREAD_UNCHANGED)


def test_image_gives_labels_and_overlay_of_its_size(tmp_path: Path, model: Path) -> None:
    write_street(tmp_path / 'a.png', (720, 1280))
    report = segment_paths([tmp_path / 'a.png'], tmp_path / 'out', model, 'cpu')
    assert names_in(tmp_path / 'out') == ['a_labels.png', 'a_overlay.jpg', 'scenes.jsonl']
    labels = read_labels(tmp_path / 'out' / 'a_labels.png')
    np.testing.assert_array_equal(labels, street_labels((720, 1280)))
    assert cv2.imread(str(tmp_path / 'out' / 'a_overlay.jpg')).shape == (720, 1280, 3)
    assert (report.frames, report.provider, report.exit_code) == (1, 'cpu', 0)
    assert str(report) == f'1 frames segmented into {tmp_path / "out"} on cpu.'


def test_overlay_keeps_the_channel_order(tmp_path: Path, model: Path) -> None:
    """Sky and its class colour are both grey, so the overlay's sky is too; road is purple."""
    write_street(tmp_path / 'a.png', (720, 1280))
    segment_paths([tmp_path / 'a.png'], tmp_path / 'out', model, 'cpu')
    overlay = cv2.imread(str(tmp_path / 'out' / 'a_overlay.jpg'))
    np.testing.assert_allclose(overlay[300, 1270], SKY_BGR, atol=6)
    np.testing.assert_allclose(overlay[700, 10], ROAD_BGR, atol=6)


def test_folder_and_video(tmp_path: Path, model: Path) -> None:
    folder = tmp_path / 'in'
    folder.mkdir()
    write_street(folder / 'a.png')
    writer = cv2.VideoWriter(
        str(folder / 'clip.avi'), cv2.VideoWriter.fourcc(*'MJPG'), 10.0, (160, 128)
    )
    for _ in range(2):
        writer.write(street((128, 160)))
    writer.release()
    report = segment_paths([folder], tmp_path / 'out', model, 'cpu')
    assert report.frames == 3
    assert names_in(tmp_path / 'out') == [
        'a_labels.png',
        'a_overlay.jpg',
        'clip_000000_labels.png',
        'clip_000000_overlay.jpg',
        'clip_000001_labels.png',
        'clip_000001_overlay.jpg',
        'scenes.jsonl',
    ]
    labels = read_labels(tmp_path / 'out' / 'clip_000001_labels.png')
    assert (labels == street_labels((128, 160))).mean() > 0.98  # JPEG blurs the edge


def test_scenes_say_in_a_line_for_each_frame_how_dangerous_it_is(
    tmp_path: Path, model: Path
) -> None:
    write_street(tmp_path / 'a.png', (96, 128))
    cv2.imwrite(str(tmp_path / 'b.png'), np.full((96, 128, 3), CAR_BGR, np.uint8))
    segment_paths([tmp_path], tmp_path / 'out', model, 'cpu')
    text = (tmp_path / 'out' / 'scenes.jsonl').read_text(encoding='utf-8')
    free, blocked = (json.loads(line, parse_constant=pytest.fail) for line in text.splitlines())
    assert list(free) == [
        'name', 'score', 'level', 'factors', 'image_share', 'corridor_share', 'status',
        'status_reasons',
    ]  # fmt: skip
    assert (free['name'], blocked['name']) == ('a', 'b')
    assert blocked['level'] == 'CRITICAL' and blocked['score'] < 25 < free['score']
    assert (blocked['image_share'], blocked['corridor_share']) == (0.0, 0.0)
    assert free['corridor_share'] > 0.8
    factors = {factor['name']: factor for factor in blocked['factors']}
    assert factors['vehicles']['risk'] > 0.9
    assert factors['vehicles'].keys() == {'name', 'risk', 'weight', 'reason'}
    assert (free['status'], free['status_reasons']) == ('OK', [])


def test_goes_past_bad_inputs_and_names_them(tmp_path: Path, model: Path) -> None:
    for name in ('a.png', 'c.png'):
        write_street(tmp_path / name)
    (tmp_path / 'b.png').write_bytes((tmp_path / 'a.png').read_bytes()[:100])
    report = segment_paths([tmp_path], tmp_path / 'out', model, 'cpu')
    assert (report.frames, report.exit_code) == (2, 1)
    assert [name for name in names_in(tmp_path / 'out') if 'labels' in name] == [
        'a_labels.png',
        'c_labels.png',
    ]
    assert '1 inputs failed:' in str(report)
    assert f"image '{tmp_path / 'b.png'}': got 100 bytes that do not decode" in str(report)


def test_two_inputs_of_one_name_do_not_overwrite_each_other(tmp_path: Path, model: Path) -> None:
    for folder in ('x', 'y'):
        (tmp_path / folder).mkdir()
        write_street(tmp_path / folder / 'a.png')
    report = segment_paths([tmp_path / 'x', tmp_path / 'y'], tmp_path / 'out', model, 'cpu')
    assert (report.frames, report.exit_code) == (1, 1)
    assert "output name 'a' of" in str(report.failures[0])
    assert 'expected a stem of its own' in str(report.failures[0])


def test_second_run_replaces_the_first(tmp_path: Path, model: Path) -> None:
    write_street(tmp_path / 'a.png')
    (tmp_path / 'out').mkdir()
    (tmp_path / 'out' / 'a_labels.png').write_text('old')
    segment_paths([tmp_path / 'a.png'], tmp_path / 'out', model, 'cpu')
    labels = read_labels(tmp_path / 'out' / 'a_labels.png')
    np.testing.assert_array_equal(labels, street_labels((128, 160)))


def test_output_into_the_input_folder_is_refused(tmp_path: Path, model: Path) -> None:
    write_street(tmp_path / 'a.png')
    with pytest.raises(SourceError, match='got one of the inputs, expected another folder'):
        segment_paths([tmp_path], tmp_path, model, 'cpu')


def test_output_that_cannot_be_written_stops(tmp_path: Path, model: Path) -> None:
    write_street(tmp_path / 'a.png')
    (tmp_path / 'out' / 'a_overlay.jpg').mkdir(parents=True)
    with pytest.raises(SourceError, match=r"a_overlay\.jpg': got .*expected a path that can be w"):
        segment_paths([tmp_path / 'a.png'], tmp_path / 'out', model, 'cpu')
    assert names_in(tmp_path / 'out') == ['a_labels.png', 'a_overlay.jpg']


def test_output_below_a_file_stops(tmp_path: Path, model: Path) -> None:
    write_street(tmp_path / 'a.png')
    (tmp_path / 'file').write_text('x')
    with pytest.raises(
        SourceError, match=r'got Not a directory, expected a path that can be written'
    ):
        segment_paths([tmp_path / 'a.png'], tmp_path / 'file' / 'out', model, 'cpu')


def test_wrong_model_stops_before_anything_is_written(tmp_path: Path) -> None:
    write_street(tmp_path / 'a.png')
    with pytest.raises(ModelFileError, match='got nothing there, expected an ONNX file'):
        segment_paths([tmp_path / 'a.png'], tmp_path / 'out', tmp_path / 'no.onnx', 'cpu')
    assert not (tmp_path / 'out').exists()
