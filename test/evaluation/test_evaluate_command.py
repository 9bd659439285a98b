# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""`seg-perception evaluate` as people call it."""

from __future__ import annotations

import json
from math import pi
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from seg_perception import cli
from seg_perception.cli import main
from seg_perception.core.errors import SourceError
from seg_perception.evaluation.job import read_extrinsics
from tiny_bags import CAMERA_INFO, START_NS, street_rows, write_bag
from tiny_model import write_tiny_model


@pytest.fixture(scope='module')
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(write_tiny_model(tmp_path_factory.mktemp('model') / 'm.onnx'))


@pytest.fixture
def bag(tmp_path: Path) -> str:
    info = ('/camera/front/camera_info', CAMERA_INFO, START_NS, lambda make: make.info(50.0, 1))
    return str(write_bag(tmp_path / 'drive', [info, *street_rows(3)]))


def call(bag: str, out: Path, model: str, *others: str) -> int:
    return main(['evaluate', bag, '--out', str(out), '--model', model, *others])


def test_all_by_default(bag: str, tmp_path: Path, model: str, capsys) -> None:
    out = tmp_path / 'out'
    assert call(bag, out, model) == 0
    told = capsys.readouterr().out
    assert told.startswith('3 frames of 1 input in ')
    assert told.endswith(f'Look at {out / "report.html"}.\n')
    there = {path.name for path in out.iterdir() if path.name[0] != '.'}
    assert there == {
        *('run.json', 'frames.parquet', 'summary.json', 'report.html'),
        *('parts', 'bags', 'overlay', 'thumbs', 'calibration'),
    }


def test_only_numbers(bag: str, tmp_path: Path, model: str) -> None:
    out = tmp_path / 'out'
    assert call(bag, out, model, '--outputs') == 0
    there = {path.name for path in out.iterdir() if path.name[0] != '.'}
    assert there == {'run.json', 'frames.parquet', 'summary.json', 'parts', 'calibration'}


def test_mount_in_degrees(bag: str, tmp_path: Path, model: str) -> None:
    extrinsics = ['--mount-height', '1.4', '--mount-pitch', '-2.5', '--mount-forward', '1.2']
    assert call(bag, tmp_path / 'out', model, '--outputs', 'bag', *extrinsics) == 0
    asked = json.loads((tmp_path / 'out' / 'run.json').read_text())['parameters']['mount']
    assert asked['height_m'] == 1.4 and asked['forward_m'] == 1.2
    assert asked['pitch_rad'] == pytest.approx(-2.5 * pi / 180)


def test_settings_of_the_node_change_the_answer(bag: str, tmp_path: Path, model: str) -> None:
    """The model is less sure than that of everything; the other name has no effect any more."""
    plain, strict = tmp_path / 'plain', tmp_path / 'strict'
    words = ['--set', 'min_confidence=0.95', '--set', 'corridor.top_share=0.1']
    assert call(bag, plain, model, '--outputs') == 0
    assert call(bag, strict, model, '--outputs', *words) == 0
    shares = [
        pq.read_table(out / 'frames.parquet')['corridor_share'].to_numpy().mean()
        for out in (plain, strict)
    ]
    assert shares[0] > 0.9 and shares[1] == 0.0
    asked = json.loads((strict / 'run.json').read_text())['parameters']['settings']
    assert asked['min_confidence'] == 0.95


def test_risk_profile_changes_the_answer(bag: str, tmp_path: Path, model: str) -> None:
    """A file that has changed since is another evaluation."""
    profile = tmp_path / 'own.yaml'
    profile.write_text('risk: {spread: 0.0}')
    assert call(bag, tmp_path / 'plain', model, '--outputs') == 0
    words = ['--outputs', '--set', f'risk_profile={profile}', '--set', 'clearance_m=0.1']
    assert call(bag, tmp_path / 'own', model, *words) == 0
    scores = [
        pq.read_table(tmp_path / out / 'frames.parquet')['score'].to_numpy().mean()
        for out in ('plain', 'own')
    ]
    assert scores[1] > scores[0] + 1
    profile.write_text('risk: {spread: 0.1}')
    assert call(bag, tmp_path / 'own', model, *words) == 2


@pytest.mark.parametrize(
    ('setting', 'message'),
    [
        ('corridor.ego_mask=0.1', 'Did you mean corridor.ego_mask_share'),
        ('grid.ahead_m=3', "setting 'grid.ahead_m': got a rule that an evaluation does not use"),
        ('risk.spread=2', 'got 2, expected a number from 0 to 1'),
        ('risk_profile=slow_robt', 'Did you mean slow_robot?'),
        ('risk.spread', "got 'risk.spread', expected name=value"),
    ],
)
def test_setting_that_cannot_be(bag, tmp_path, model, capsys, setting: str, message: str) -> None:
    assert call(bag, tmp_path / 'out', model, '--set', setting) == 2
    assert message in capsys.readouterr().err


def test_mount_without_height(bag: str, tmp_path: Path, model: str, capsys) -> None:
    assert call(bag, tmp_path / 'out', model, '--mount-pitch', '3') == 2
    assert '--mount-height: got nothing, expected metres' in capsys.readouterr().err


def test_mount_of_a_file(tmp_path: Path) -> None:
    path = tmp_path / 'mount.yaml'
    path.write_text('height_m: 1.5\npitch_rad: 0.1\n')
    extrinsics = read_extrinsics(path)
    assert (extrinsics.height_m, extrinsics.pitch_rad, extrinsics.roll_rad) == (1.5, 0.1, 0.0)


@pytest.mark.parametrize(
    ('text', 'message'),
    [
        ('pitch_rad: 0.1', r"'height_m': got nothing, expected a value"),
        ('height_m: 1\nhight: 2', r"'hight': got an unknown name, .*Did you mean height_m"),
        ('height_m: tall', r"'height_m': got 'tall', expected a number from 0\.05 to 30"),
        ('a: [', 'expected YAML'),
    ],
)
def test_mount_that_cannot_be(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / 'mount.yaml'
    path.write_text(text)
    with pytest.raises(SourceError, match=message):
        read_extrinsics(path)


def test_compared_with_another_model(bag: str, tmp_path: Path, model: str, capsys) -> None:
    """The same network under another name: nothing changes, and a limit on that holds."""
    other = tmp_path / 'other.onnx'
    write_tiny_model(other, delay=0.1)
    limit = ['--baseline', str(other), '--limit', 'disagreement=0.01']
    assert call(bag, tmp_path / 'out', model, *limit) == 0
    assert (tmp_path / 'out_other' / 'summary.json').is_file()
    assert 'disagreement' in capsys.readouterr().out


def test_crossed_limit_is_exit_code_1(bag: str, tmp_path: Path, model: str) -> None:
    first, second = tmp_path / 'first', tmp_path / 'second'
    assert call(bag, first, model, '--outputs', 'bag') == 0
    limit = ['--baseline', str(first), '--limit', 'fps_ratio=1000']
    assert call(bag, second, model, '--outputs', 'bag', *limit) == 1


def test_limit_without_baseline(bag: str, tmp_path: Path, model: str, capsys) -> None:
    assert call(bag, tmp_path / 'out', model, '--limit', 'miou_drop=1') == 2
    assert '--limit: got no --baseline, expected one' in capsys.readouterr().err


def test_missing_packages_are_named(bag: str, tmp_path: Path, model: str, capsys, monkeypatch):
    gone = ('pyarrow', 'plotly')
    found = cli.find_spec
    monkeypatch.setattr(cli, 'find_spec', lambda name: None if name in gone else found(name))
    assert call(bag, tmp_path / 'out', model) == 2
    error = capsys.readouterr().err
    assert 'got a Python without pyarrow and plotly' in error
    assert error.endswith('pip install pyarrow plotly\n')
