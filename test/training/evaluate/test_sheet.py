# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
from pathlib import Path

import cv2
import numpy as np
import pytest

from seg_perception.core.classes import CAMVID_11
from tiny_model import write_tiny_model
from training.cli import main
from training.errors import ConfigError
from training.evaluate.sheet import write_sheet


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    """The upper half of sky, the lower of road, in the colours of CamVid."""
    rgb = np.zeros((48, 96, 3), np.uint8)
    rgb[:24], rgb[24:] = CAMVID_11.classes[0].rgb, CAMVID_11.classes[3].rgb
    cv2.imwrite(str(tmp_path / 'street.png'), rgb[..., ::-1])
    return tmp_path / 'street.png'


def test_a_column_for_each_model(picture: Path, tmp_path: Path, capsys) -> None:
    model = write_tiny_model(tmp_path / 'm.onnx')
    widths = []
    for count in (1, 2):
        out = tmp_path / f'{count}.png'
        words = ['--model', str(model)] * count
        assert main(['sheet', str(picture), *words, '--out', str(out)]) == 0
        assert capsys.readouterr().out == f'wrote {out}\n'
        sheet = cv2.imread(str(out))[..., ::-1]
        widths.append(sheet.shape[1])
        # Overlaid with the colour that they have already, the halves are as they were.
        for label in (0, 3):
            drawn = (np.abs(sheet.astype(int) - CAMVID_11.classes[label].rgb) <= 2).all(axis=2)
            columns = np.flatnonzero(drawn.mean(axis=0) > 0.1)
            assert 0.8 * widths[-1] < len(columns) < widths[-1]
    assert widths[1] == pytest.approx(1.5 * widths[0], rel=0.01)


def test_what_cannot_be_drawn(picture: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match='sheet: got 0 models and 1 images, expected one of'):
        write_sheet([], [picture], tmp_path / 'a.png')
    with pytest.raises(ConfigError, match=r'--out: got .*a.bmp'):
        write_sheet([picture], [picture], tmp_path / 'a.bmp')
