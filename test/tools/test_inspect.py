# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""What `inspect` prints."""

from pathlib import Path

import pytest

from seg_perception.core.classes import BDD100K_DRIVABLE_3
from seg_perception.core.errors import ModelFileError
from seg_perception.inference.model_file import OodCalibration
from seg_perception.tools.inspect import describe_model
from tiny_model import write_tiny_model

STORY = """\
name         tiny
contract     version 2
input        image uint8 (N, H, W, 3) RGB, 384 x 640 (height x width) preferred, any multiple of 8
temperature  1
ood score    not told
data         none: nearest palette colour
licence      Apache-2.0
commit       0000000000000000000000000000000000000000
scores
  1.0000  mean_iou of painted pictures
classes      bdd100k_drivable_3, 3
    0  direct                     drivable    rgb (219, 94, 86)
    1  alternative                drivable    rgb (86, 211, 219)
    2  background                 other       rgb (0, 0, 0)"""


def test_story_of_a_dynamic_model(tmp_path: Path) -> None:
    path = write_tiny_model(tmp_path / 'm.onnx', BDD100K_DRIVABLE_3)
    first, rest = describe_model(path).split('\n', 1)
    assert first == f'file         {path} (0.00 MB)'
    assert rest == STORY


def test_fixed_size_is_said(tmp_path: Path) -> None:
    path = write_tiny_model(tmp_path / 'm.onnx', fixed_size=(48, 64))
    assert '(N, H, W, 3) RGB, 48 x 64 (height x width) only\n' in describe_model(path)


def test_scale_of_ood_score_is_said(tmp_path: Path) -> None:
    scale = OodCalibration('energy', -9.0975, -8.1204)
    line = (
        '\nood score    energy: 0 at -9.0975, 0.25 at -8.1204, where 95 % of the known frames lie '
        'below\n'
    )
    assert line in describe_model(write_tiny_model(tmp_path / 'm.onnx', ood_calibration=scale))


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match='got nothing there, expected an ONNX file'):
        describe_model(tmp_path / 'no.onnx')
