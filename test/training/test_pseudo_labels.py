# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""The command with a network that knows three colours, and frames of those and others."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from nearest_colour import COLOURS, write_checkpoint
from training.cli import main
from training.config import SourceConfig, TrainConfig
from training.data import open_source

SKY, ROAD, CAR = 0, 3, 8  # of CamVid


@pytest.fixture
def label(
    config: TrainConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., int]:
    """The command on paths, into the folder ``out``."""
    write_checkpoint(tmp_path / 'last.pt', config, monkeypatch)

    def run(*words: str | Path) -> int:
        fixed = ['--checkpoint', tmp_path / 'last.pt', '--out', tmp_path / 'out']
        return main(['pseudo-label', *map(str, [*words, *fixed])])

    return run


def street(height: int = 128, width: int = 192) -> np.ndarray:
    """Sky over road, with a car at the left and what nothing is at the right, as BGR."""
    rgb = np.zeros((height, width, 3), np.uint8)
    rgb[: height // 2], rgb[height // 2 :] = COLOURS['sky'], COLOURS['road']
    rgb[height // 2 :, : width // 4] = COLOURS['car']
    # As far from sky as from road, so neither has much more than half.
    rgb[:, -width // 4 :] = np.add(COLOURS['sky'], COLOURS['road']) // 2
    return rgb[..., ::-1]


def test_what_is_sure_is_a_data_set(
    label: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cv2.imwrite(str(tmp_path / 'street.png'), street())
    assert label(tmp_path / 'street.png', '--height', '64') == 0
    source = SourceConfig('folder', str(tmp_path / 'out'), classes='camvid_11')
    frames = open_source(source)
    assert frames.names == ['street']
    sample = frames[0]
    half = cv2.resize(street(), (96, 64), interpolation=cv2.INTER_AREA)
    assert np.array_equal(sample.rgb, half[..., ::-1])
    assert sample.labels.shape == (64, 96)
    middles = sample.labels[16, 36], sample.labels[48, 36], sample.labels[48, 8]
    assert middles == (SKY, ROAD, CAR)
    assert (sample.labels[:, -16:] == 255).all()
    # The rest are edges, where the mean of what lies on both sides is unsure.
    assert np.mean(sample.labels == 255) < 0.45
    said = capsys.readouterr().out
    assert said.startswith(f'1 frames in {tmp_path}/out: sky ')
    assert f'unsure {np.mean(sample.labels == 255):.1%}' in said
    assert f'{{kind: folder, root: {tmp_path}/out, classes: camvid_11, share: 0.1}}' in said
    overlays = cv2.imread(str(tmp_path / 'out/overlays.jpg'))
    assert overlays.shape == (320, 960, 3)  # the frame, and the frame under its labels


def test_some_frames_of_a_video_and_only_those_that_are_left(
    label: Callable[..., int], tmp_path: Path
) -> None:
    writer = cv2.VideoWriter(
        str(tmp_path / 'drive.avi'), cv2.VideoWriter.fourcc(*'MJPG'), 10, (192, 128)
    )
    for _ in range(5):
        writer.write(street())
    writer.release()
    words = [tmp_path / 'drive.avi', '--height', '64', '--every', '2']
    assert label(*words) == 0
    masks = sorted((tmp_path / 'out/masks').iterdir())
    assert [mask.stem for mask in masks] == ['drive_000000', 'drive_000002', 'drive_000004']
    kept = masks[0].stat().st_mtime_ns
    masks[1].unlink()
    assert label(*words) == 0
    assert masks[1].is_file()
    assert masks[0].stat().st_mtime_ns == kept


def test_labels_of_two_makings_are_not_mixed(
    label: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cv2.imwrite(str(tmp_path / 'street.png'), street())
    assert label(tmp_path / 'street.png') == 0
    before = (tmp_path / 'out/made_of.json').read_text()
    assert json.loads(before)['sure'] == 0.7
    assert label(tmp_path / 'street.png', '--sure', '0.8') == 2
    said = capsys.readouterr().err
    assert f'{tmp_path}/out' in said
    assert 'got sure=0.7, expected sure=0.8. Give another --out' in said
    assert (tmp_path / 'out/made_of.json').read_text() == before


@pytest.mark.parametrize(
    ('words', 'said'),
    [
        (['--sure', '1.5'], '--sure: got 1.5, expected 0.001 to 0.999'),
        (['--every', '0'], '--every: got 0, expected 1 or more'),
        (['--height', '8'], '--height: got 8, expected 64 or more'),
    ],
)
def test_options_that_cannot_be(
    words: list[str],
    said: str,
    label: Callable[..., int],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    cv2.imwrite(str(tmp_path / 'street.png'), street())
    assert label(tmp_path / 'street.png', *words) == 2
    assert said in capsys.readouterr().err
    assert not (tmp_path / 'out').exists()


def test_two_frames_of_one_name(
    label: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for folder in ('a', 'b'):
        (tmp_path / folder).mkdir()
        cv2.imwrite(str(tmp_path / folder / 'street.png'), street())
    assert label(tmp_path / 'a', tmp_path / 'b') == 2
    assert 'frames: got 2 of the name street, expected one of each' in capsys.readouterr().err
    assert not (tmp_path / 'out').exists()
