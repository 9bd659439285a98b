# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from dataclasses import asdict
from math import isnan
from pathlib import Path

import numpy as np
import pytest

from seg_perception.core.camera import Calibration
from seg_perception.core.errors import CalibrationError, SourceError
from seg_perception.core.results import CalibrationState, OnlineCalibration, VanishingPoint
from seg_perception.io.calibration_file import (
    CalibrationFile,
    read_calibration_file,
    write_calibration_file,
)
from seg_perception.io.camera_info import read_calibration

SIZE = (720, 1280)
MASK = np.zeros((90, 160), np.uint8)
MASK[80:, 20:] = 255
ONLINE = OnlineCalibration(
    CalibrationState.CALIBRATING,
    40,
    'turning: "left"',
    VanishingPoint(0.51, 0.43, 0.01, 0.002, 0.001, 0.005),
    pitch_rad=0.03,
    yaw_rad=-0.01,
    pitch_std_rad=0.002,
    yaw_std_rad=0.003,
    height_m=1.4,
    height_std_m=0.2,
    height_source='lane width',
    ego_mask=MASK,
    path_bend=0.01,
)
MEMORY = {'focal_share': 0.8, 'blocks': [[[0.1, 2.0], [3.0, 4e-7]], []], 'ego': MASK}


def lens(focal: float = 1000.0, d: tuple[float, ...] = (0.1, -0.2, 0.0, 0.001)) -> Calibration:
    k = np.array([[focal, 0, 640.0], [0, focal, 350.0], [0, 0, 1]])
    return Calibration(SIZE, k, 'plumb_bob', d, np.eye(3), np.hstack([k, np.zeros((3, 1))]))


def written(folder: Path, file: CalibrationFile) -> Path:
    path = folder / 'camera.yaml'
    write_calibration_file(path, file)
    return path


@pytest.mark.parametrize('of', [lens(), None])
def test_round_trip(tmp_path, of):
    path = written(tmp_path, CalibrationFile(SIZE, of, ONLINE, MEMORY))
    back = read_calibration_file(path)
    assert (back.size, back.lens) == (SIZE, of)
    assert back.online is not None
    shown, expected = asdict(back.online), asdict(ONLINE)
    np.testing.assert_array_equal(shown.pop('ego_mask'), expected.pop('ego_mask'))
    assert isnan(shown.pop('roll_rad')) and isnan(expected.pop('roll_rad'))
    assert isnan(shown.pop('roll_std_rad')) and isnan(expected.pop('roll_std_rad'))
    assert shown == expected
    memory = dict(back.memory)
    np.testing.assert_array_equal(memory.pop('ego'), MASK)
    assert memory == {key: MEMORY[key] for key in ('focal_share', 'blocks')}


def test_tools_of_ros_read_the_lens(tmp_path):
    """``read_calibration`` takes the keys that camera_calibration writes."""
    path = written(tmp_path, CalibrationFile(SIZE, lens(), ONLINE))
    assert read_calibration(path) == lens()
    with pytest.raises(SourceError, match=r"'camera_matrix'|distortion_model"):
        read_calibration(written(tmp_path, CalibrationFile(SIZE, None, ONLINE)))


def test_a_file_of_camera_calibration_has_learned_nothing(tmp_path):
    path = written(tmp_path, CalibrationFile(SIZE, lens()))
    back = read_calibration_file(path)
    assert (back.size, back.lens, back.online, back.memory) == (SIZE, lens(), None, {})


@pytest.mark.parametrize(
    ('old', 'new', 'seen'),
    [
        ('format: 1', 'format: 7', 'format 7'),
        ('state: CALIBRATING', 'state: MAYBE', 'MAYBE'),
        ('  reason:', '  because:', 'reason'),
        ('column: 0.51', 'column: left', 'column'),
        ('column: 0.51', 'column: .nan', 'column nan'),
        ('image_width: 1280', 'image_width: 0', '0x720'),
        ('{png: ', '{png: AAAA', ''),
        ('  memory:', '  recollection:', 'memory'),
        ('percent: 40', 'percent: many', 'percent'),
    ],
)
def test_damage_is_told(tmp_path, old, new, seen):
    path = written(tmp_path, CalibrationFile(SIZE, None, ONLINE, MEMORY))
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    with pytest.raises(SourceError, match=rf'camera\.yaml.*{seen}.*Delete the file'):
        read_calibration_file(path)


def test_a_file_cut_short_is_told(tmp_path):
    path = written(tmp_path, CalibrationFile(SIZE, lens(), ONLINE, MEMORY))
    text = path.read_text()
    for share in np.linspace(0.02, 0.98, 25):
        path.write_text(text[: int(share * len(text))])
        try:
            file = read_calibration_file(path)
        except SourceError:
            continue
        assert file.online is None and file.lens == lens()  # cut between lens and the rest


def test_another_camera_does_not_fit():
    file = CalibrationFile(SIZE, lens(), ONLINE)
    file.check_fits((360, 640), lens().scaled((360, 640)))
    file.check_fits(SIZE, None)
    with pytest.raises(CalibrationError, match='1280x720 pixels with an image of 640x480'):
        file.check_fits((480, 640), None)
    with pytest.raises(CalibrationError, match=r'focal length 1000\.0 px.*of 1200\.0 px'):
        file.check_fits(SIZE, lens(1200.0))
