# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""`seg-perception run`: node and camera without `ros2 launch`."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from sensor_msgs.msg import Image

from ros_graph import Graph

COMMAND = [sys.executable, '-m', 'seg_perception', 'run']
IMAGE_TOPIC = '/run_test/image'


@pytest.fixture
def running(tiny_path: Path, spawn: Callable[..., subprocess.Popen]) -> subprocess.Popen[str]:
    options = ['--video', 'synthetic', '--model', tiny_path, '--image-topic', IMAGE_TOPIC]
    return spawn(
        [*COMMAND, *map(str, options)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


def test_brings_up_node_and_camera_under_the_transport_settings(
    graph: Graph, running: subprocess.Popen[str]
) -> None:
    graph.read(Image, '/seg_perception/front/mask')  # waits for the node
    children = Path(f'/proc/{running.pid}/task/{running.pid}/children').read_text().split()
    assert len(children) == 2
    for child in children:
        environ = Path(f'/proc/{child}/environ').read_bytes().split(b'\0')
        assert b'MALLOC_MMAP_THRESHOLD_=268435456' in environ
    graph.spin_until(lambda: graph.node.count_publishers(IMAGE_TOPIC), 'camera')
    graph.spin_until(lambda: graph.node.count_subscribers(IMAGE_TOPIC), 'node on the topic')

    running.send_signal(signal.SIGINT)
    said, _ = running.communicate(timeout=120)
    assert running.returncode == 130
    assert 'Traceback' not in said
    assert [child for child in children if Path(f'/proc/{child}').exists()] == []


def test_killed_it_leaves_nothing_behind(graph: Graph, running: subprocess.Popen[str]) -> None:
    """A second start would double every answer otherwise."""
    graph.read(Image, '/seg_perception/front/mask')
    children = Path(f'/proc/{running.pid}/task/{running.pid}/children').read_text().split()
    assert len(children) == 2
    running.kill()

    def are_gone() -> bool:
        return not any(Path(f'/proc/{child}/cmdline').exists() for child in children)

    graph.spin_until(are_gone, 'end of the children', 30.0)


def test_a_node_that_cannot_start_ends_it(tmp_path: Path) -> None:
    params = tmp_path / 'params.yaml'
    params.write_text('/**:\n  ros__parameters:\n    modle: x\n')
    done = subprocess.run(
        [*COMMAND, '--params-file', str(params)], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 2
    assert 'Did you mean model?' in done.stdout + done.stderr
