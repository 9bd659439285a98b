# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Cameras of recordings that calibrate themselves, in `evaluate` and in `calibrate`."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from math import degrees
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pyarrow.parquet as pq
import pytest

from painted_canyon import LENS, POSE, drive, write_drive
from seg_perception.cli import main
from seg_perception.core.camera import Camera
from seg_perception.core.camera_geometry import GeometryKeeper, Missing
from seg_perception.core.errors import ParameterError, SourceError
from seg_perception.core.results import CalibrationState
from seg_perception.evaluation.evaluate import Evaluation, evaluate
from seg_perception.io.calibration_file import read_calibration_file
from seg_perception.io.video_writer import VideoWriter
from seg_perception.options import CalibrateOptions, EvaluationOptions, MountOptions
from seg_perception.tools.calibrate import CalibrateReport, calibrate
from tiny_model import write_tiny_model

TIMES = ('_ms', 'thumbnail')  # columns that differ from run to run


@pytest.fixture(scope='module')
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_model(tmp_path_factory.mktemp('model') / 'm.onnx')


@pytest.fixture(scope='module')
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_drive(tmp_path_factory.mktemp('recorded') / 'canyon')


def run(out: Path, model: Path, *inputs: Path, **others: Any) -> Evaluation:
    given = {'model': model, 'provider': 'cpu', 'outputs': (), 'threads': 2} | others
    return evaluate(EvaluationOptions(tuple(map(str, inputs)), out, **given))


def column(out: Path, name: str) -> np.ndarray:
    return pq.read_table(out / 'frames.parquet')[name].to_numpy()


def numbers(out: Path) -> str:
    """All but times, as text: NaN is not equal to itself."""
    rows = pq.read_table(out / 'frames.parquet').to_pylist()
    return repr([{key: row[key] for key in row if not key.endswith(TIMES)} for row in rows])


@pytest.fixture(scope='module')
def evaluated(tmp_path_factory, model: Path, recorded: Path) -> Evaluation:
    return run(tmp_path_factory.mktemp('evaluated') / 'out', model, recorded, outputs=('report',))


def test_a_first_pass_calibrates_and_is_reported(evaluated: Evaluation) -> None:
    (row,) = evaluated.summary['calibrations']
    assert (row['source'], row['camera'], row['state']) == ('canyon', 'front', 'calibrated')
    assert row['applied'] and row['percent'] == 100
    assert row['pitch_rad'] == pytest.approx(POSE.pitch_rad, abs=0.012)
    assert row['yaw_rad'] == pytest.approx(POSE.yaw_rad, abs=0.015)
    assert row['height_m'] is None and row['height_source'] == ''
    assert evaluated.summary['warnings'] == []
    page = (evaluated.out / 'report.html').read_text()
    assert 'front: calibrated' in page and 'Estimates of canyon front over time' in page
    assert '"calibration_0"' in page  # the plot
    picture = cv2.imread(str(evaluated.out / 'calibration' / 'canyon' / 'front.jpg'))
    assert picture.shape == (180, 320, 3)
    history = json.loads((evaluated.out / 'calibration/canyon/front.json').read_text())
    assert history[-1]['time_s'] <= 16.0 and 20 < len(history) < 80
    assert history[0]['percent'] < 30 and history[-1]['percent'] == 100


def test_nothing_is_metric_without_a_height(evaluated: Evaluation) -> None:
    assert np.isnan(column(evaluated.out, 'free_distance_m')).all()


def test_shards_and_resumed_runs_share_the_first_pass(
    tmp_path: Path, model: Path, recorded: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = run(tmp_path / 'whole', model, recorded, part_s=8.0)
    parts = run(tmp_path / 'parts', model, recorded, part_s=8.0, workers=2)
    assert numbers(whole.out) == numbers(parts.out)
    shutil.rmtree(parts.out / 'parts' / '00001')
    monkeypatch.setattr('seg_perception.evaluation.calibrate.calibrate_stream', None)  # not again
    again = run(tmp_path / 'parts', model, recorded, part_s=8.0)
    assert numbers(again.out) == numbers(whole.out)


def test_off_leaves_everything_as_it_was(tmp_path: Path, model: Path, recorded: Path) -> None:
    off = run(tmp_path / 'off', model, recorded, calibrate='off')
    assert off.summary['calibrations'] == []
    assert not (off.out / 'calibration').exists()


def test_observed_extrinsics_that_are_wrong_are_told(
    tmp_path: Path, model: Path, recorded: Path
) -> None:
    mount = MountOptions(height_m=1.5, pitch_deg=-1.0, yaw_deg=degrees(POSE.yaw_rad))
    seen = run(tmp_path / 'seen', model, recorded, mount=mount, calibrate='observe')
    assert not seen.summary['calibrations'][0]['applied']
    told = [row['what'] for row in seen.summary['warnings'] if 'observed' in row['what']]
    assert len(told) == 1 and told[0].startswith('front: observed pitch is 0.06')
    assert told[0].endswith('rad below the given pitch')
    # The given pose is used, and without asking it is not even looked at.
    given = run(tmp_path / 'given', model, recorded, mount=mount)
    assert numbers(given.out) == numbers(seen.out)
    assert given.summary['calibrations'] == []


def test_image_folders_have_no_first_pass(tmp_path: Path, model: Path) -> None:
    (tmp_path / 'images').mkdir()
    for index, (rgb, _) in enumerate(drive(0.4)):
        cv2.imwrite(str(tmp_path / 'images' / f'{index}.png'), rgb[..., ::-1])
    assert run(tmp_path / 'out', model, tmp_path / 'images').summary['calibrations'] == []


@pytest.fixture(scope='module')
def calibrated(tmp_path_factory, model: Path, recorded: Path) -> tuple[CalibrateReport, Path]:
    out = tmp_path_factory.mktemp('calibrated') / 'new' / 'camera.yaml'
    options = CalibrateOptions(
        str(recorded), out, model=model, provider='cpu', camera_height_m=1.5
    )
    return calibrate(options), out


def test_calibrate_writes_file_picture_and_page(calibrated) -> None:
    report, out = calibrated
    assert report.exit_code == 0
    assert {path.name for path in out.parent.iterdir()} == {
        'camera.yaml', 'camera.jpg', 'camera.html'
    }  # fmt: skip
    assert 'calibrated, 100 %' in str(report) and 'height 1.50 +- 0.05 m' in str(report)
    file = read_calibration_file(out)
    assert file.size == (180, 320)
    assert file.lens is not None and file.lens.k[0, 0] == LENS.k[0, 0]
    assert file.online is not None and file.online.height_source == 'parameter'
    page = out.with_suffix('.html').read_text()
    assert 'canyon: calibrated' in page and 'data:image/jpeg;base64' in page


def test_its_file_makes_another_recording_metric(calibrated, tmp_path: Path, model: Path) -> None:
    other = write_drive(tmp_path / 'other', seconds=1.0, with_info=False)
    learned = run(tmp_path / 'learned', model, other, calibration=calibrated[1])
    (row,) = learned.summary['calibrations']
    assert row['applied'] and row['files'] == ''
    assert np.isfinite(column(learned.out, 'free_distance_m')).all()
    unused = run(tmp_path / 'unused', model, other, calibration=calibrated[1], calibrate='observe')
    assert np.isnan(column(unused.out, 'free_distance_m')).all()
    # Where the learned camera sees the road 40 rows below the middle, against the true one.
    file = read_calibration_file(calibrated[1])
    assert file.lens is not None and file.online is not None
    unknown = Missing('not given')
    view = GeometryKeeper(lambda size: size).view(file.lens, unknown, file.size, file.online)
    assert view.camera is not None
    true = Camera(LENS, POSE)
    found, expected = (one.pixel_to_ground([[160, 130]])[0, 0] for one in (view.camera, true))
    assert found == pytest.approx(expected, rel=0.1)


def test_a_file_for_another_shape_is_not_used(calibrated, tmp_path: Path, model: Path) -> None:
    path = tmp_path / 'other.yaml'
    text = calibrated[1].read_text().replace('image_width: 320', 'image_width: 240')
    path.write_text(text)
    other = write_drive(tmp_path / 'other', seconds=1.0, with_info=False)
    (row,) = run(tmp_path / 'out', model, other, calibration=path).summary['calibrations']
    assert row['files'] and row['state'] != 'calibrated'  # learned in a first pass instead


def write_video(path: Path, frames: list[np.ndarray]) -> Path:
    video = VideoWriter(path, 10.0, (180, 320))
    for rgb in frames:
        video.write(np.ascontiguousarray(rgb[..., ::-1]))
    video.close()
    return path


def test_a_video_without_a_lens_gives_the_vanishing_point(
    tmp_path: Path, model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    video = write_video(tmp_path / 'v.mp4', [rgb for rgb, _ in drive(18.0)])
    words = ['--out', str(tmp_path / 'v.yaml'), '--model', str(model), '--provider', 'cpu']
    assert main(['calibrate', str(video), *words]) == 0
    told = capsys.readouterr().out
    assert 'calibrated, 100 %; horizon at ' in told and 'pitch' not in told
    online = read_calibration_file(tmp_path / 'v.yaml').online
    assert online is not None and online.vanishing_point is not None
    point = online.vanishing_point
    # Focal length 256 px about the middle of the image.
    assert 180 * point.row == pytest.approx(90 - 256 * POSE.pitch_rad, abs=3)
    assert 320 * point.column == pytest.approx(160 + 256 * POSE.yaw_rad, abs=4)


def test_a_still_image_is_never_calibrated(tmp_path: Path, model: Path) -> None:
    (still, *_) = (rgb for rgb, _ in drive(0.1))
    video = write_video(tmp_path / 'still.mp4', [still] * 60)
    options = CalibrateOptions(str(video), tmp_path / 'c.yaml', model=model, provider='cpu')
    report = calibrate(options)
    assert report.exit_code == 1
    assert report.runs[0].online.state is CalibrationState.UNCALIBRATED
    assert 'uncalibrated, 0 %' in str(report)


def test_cameras_of_a_bag_get_files_of_their_own(tmp_path: Path, model: Path) -> None:
    from tiny_bags import street_rows, write_bag

    rows = sorted(
        [*street_rows(6), *street_rows(6, topic='/camera/rear/image_raw')], key=lambda row: row[2]
    )
    bag = write_bag(tmp_path / 'two', rows)
    report = calibrate(
        CalibrateOptions(str(bag), tmp_path / 'c.yaml', model=model, provider='cpu')
    )
    assert [path.name for path in report.paths] == ['c_front.yaml', 'c_rear.yaml']
    assert all(path.is_file() for path in report.paths)


def test_what_cannot_be_calibrated_is_told(tmp_path: Path, model: Path) -> None:
    (tmp_path / 'images').mkdir()
    cv2.imwrite(str(tmp_path / 'images' / 'a.png'), np.zeros((48, 64, 3), np.uint8))
    options = CalibrateOptions(str(tmp_path / 'images'), tmp_path / 'c.yaml', model=model)
    with pytest.raises(SourceError, match=r'a folder of images.*one video or bag'):
        calibrate(options)
    with pytest.raises(ParameterError, match=r'ends in \.yaml'):
        replace(options, out=tmp_path / 'c.txt')
