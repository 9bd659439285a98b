# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""The demo as people start it: the real graph, its files and its end."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

COMMAND = [sys.executable, '-m', 'seg_perception', 'demo']
RATE_HZ, FRAMES = 10, 20


@pytest.fixture(scope='module')
def demo(tiny_path: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """Output folder and what was printed of two seconds of synthetic street."""
    out = tmp_path_factory.mktemp('demo') / 'out'
    options = ['--out', out, '--model', tiny_path, '--size', '320x180']
    options += ['--rate', RATE_HZ, '--frames', FRAMES]
    done = subprocess.run(
        [*COMMAND, *map(str, options)], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return out, done.stdout


def test_summary_adds_up(demo: tuple[Path, str]) -> None:
    summary = json.loads((demo[0] / 'summary.json').read_text())
    assert summary['frames_published'] == FRAMES
    assert 1 <= summary['frames_segmented'] <= FRAMES
    assert summary['frames_dropped'] == FRAMES - summary['frames_segmented']
    latency, inference = summary['latency_ms'], summary['inference_ms']
    assert 0 < latency['p50'] <= latency['p95'] <= latency['p99'] < 5000
    assert 0 < inference['p50'] < latency['p50']
    assert (summary['model'], summary['provider']) == ('tiny', 'cpu')
    risk = summary['risk']
    assert 0 <= risk['min'] <= risk['mean'] <= risk['max'] <= 100
    assert summary['environment']['rmw'] == 'rmw_fastrtps_cpp'


def test_the_street_is_measured(demo: tuple[Path, str]) -> None:
    """Its camera is calibrated and mounted, so the node draws the map, which takes a grid."""
    summary = json.loads((demo[0] / 'summary.json').read_text())
    assert summary['stage_ms']['grid'] > 0
    free_m = summary['free_distance_m']
    assert 0 <= free_m['min'] <= free_m['mean'] <= free_m['max'] <= 100
    assert f'free road ahead [m] {free_m["min"]} to {free_m["max"]}' in demo[1]


def test_film_plays_as_long_as_the_source(demo: tuple[Path, str]) -> None:
    capture = cv2.VideoCapture(str(demo[0] / 'overlay.mp4'))
    fps = capture.get(cv2.CAP_PROP_FPS)
    shapes = []
    while (read := capture.read())[0]:
        shapes.append(read[1].shape)
    capture.release()
    assert fps == RATE_HZ
    assert set(shapes) == {(180, 320, 3)}
    # Dropped frames are filled, so only those at the two ends can be missing.
    segmented = json.loads((demo[0] / 'summary.json').read_text())['frames_segmented']
    assert segmented <= len(shapes) <= FRAMES + 1


def test_contact_sheet_has_three_by_three_pictures(demo: tuple[Path, str]) -> None:
    sheet = cv2.imread(str(demo[0] / 'contact_sheet.png'))
    assert sheet.shape == (3 * (28 + 360), 3 * 640, 3)


def test_says_where_the_files_are(demo: tuple[Path, str]) -> None:
    out, said = demo
    for name in ('overlay.mp4', 'contact_sheet.png', 'summary.json'):
        assert str(out / name) in said
    assert f'of {FRAMES} frames segmented' in said


def children(pid: int) -> list[int]:
    """Processes started by a process, by /proc."""
    path = Path(f'/proc/{pid}/task/{pid}/children')
    return [int(child) for child in path.read_text().split()]


@pytest.fixture
def running(
    tiny_path: Path, tmp_path: Path, spawn: Callable[..., subprocess.Popen]
) -> subprocess.Popen[str]:
    """A demo that would go on for minutes, with its node and its source."""
    options = ['--out', tmp_path, '--model', tiny_path, '--size', '320x180', '--seconds', 300]
    return spawn(
        [*COMMAND, *map(str, options)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


@pytest.mark.parametrize(('number', 'code'), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_interrupted_it_takes_its_children_along(
    running: subprocess.Popen[str], number: signal.Signals, code: int
) -> None:
    end_s = time.monotonic() + 120
    while len(started := children(running.pid)) < 2:
        assert time.monotonic() < end_s, 'node and source did not start'
        assert running.poll() is None, running.communicate()[0]
        time.sleep(0.1)
    running.send_signal(number)
    said, _ = running.communicate(timeout=120)
    assert running.returncode == code
    assert 'Traceback' not in said
    assert [pid for pid in started if Path(f'/proc/{pid}').exists()] == []


def test_a_video_that_breaks_off_ends_it_with_the_message(tiny_path: Path, tmp_path: Path) -> None:
    whole = tmp_path / 'whole.avi'
    writer = cv2.VideoWriter(str(whole), cv2.VideoWriter.fourcc(*'MJPG'), 50.0, (160, 120))
    rng = np.random.default_rng(0)
    for _ in range(60):
        writer.write(rng.integers(0, 255, (120, 160, 3), np.uint8))
    writer.release()
    cut = tmp_path / 'cut.avi'
    cut.write_bytes(whole.read_bytes()[: whole.stat().st_size // 3])
    options = ['--video', cut, '--out', tmp_path / 'out', '--model', tiny_path]
    done = subprocess.run(
        [*COMMAND, *map(str, options)],
        capture_output=True,
        text=True,
        timeout=120,
        env=os.environ | {'OPENCV_FFMPEG_LOGLEVEL': '-8'},
    )
    assert done.returncode == 2
    assert "process 'video source': got exit code 2" in done.stderr
    assert 'cut.avi' in done.stderr
