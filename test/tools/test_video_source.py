# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""The video source as a process: what arrives from it over DDS, and what it refuses."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CameraInfo, CompressedImage, Image

from ros_graph import Graph, pixels_of
from seg_perception.node.processes import RosProcess
from seg_perception.synthetic.street import Street
from seg_perception.tools.video_source import main
from tiny_calibration import CALIBRATION

ALL = QoSProfile(depth=100, reliability=ReliabilityPolicy.BEST_EFFORT)
FPS = 10.0
FRAMES = 12
LEVEL = 20  # grey of frame i is 20 * i: far enough apart for a lossy codec


@pytest.fixture(scope='module')
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve frames 160x120 at 10 Hz, each of one grey."""
    path = tmp_path_factory.mktemp('video') / 'grey.avi'
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*'MJPG'), FPS, (160, 120))
    for index in range(FRAMES):
        writer.write(np.full((120, 160, 3), LEVEL * index, np.uint8))
    writer.release()
    return path


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., RosProcess]]:
    """Start the source with parameters; it waits for one reader of its images."""
    started: list[RosProcess] = []

    def start_source(**parameters: object) -> RosProcess:
        wanted = {'wait_for_subscribers': 1, **parameters}
        log = tmp_path / 'source.log'
        started.append(RosProcess('source', 'seg_perception.tools.video_source', wanted, log))
        return started[0]

    yield start_source
    for process in started:
        process.stop()
        print(process.log.read_text())


def greys(images: list[Image]) -> list[int]:
    return [round(float(pixels_of(image).mean()) / LEVEL) for image in images]


def stamps_s(images: list[Image]) -> np.ndarray:
    return np.array([msg.header.stamp.sec + msg.header.stamp.nanosec / 1e9 for msg in images])


def test_who_comes_after_the_last_image_still_hears_the_report(
    graph: Graph, start: Callable[..., RosProcess], video: Path
) -> None:
    images = graph.read(Image, '/late/image', ALL, wait=False)
    source = start(source=str(video), image_topic='/late/image', rate=100.0)
    graph.spin_until(lambda: len(images) == FRAMES, 'the last image')
    reports = graph.read(DiagnosticArray, '/diagnostics', wait=False)
    graph.spin_until(lambda: source.exit_code is not None, 'end of the source')

    said = {item.key: item.value for item in reports[-1].status[0].values}
    assert (said['state'], said['frames_published']) == ('finished', str(FRAMES))


def test_video_is_published_whole_in_order_and_at_its_own_pace(
    graph: Graph, start: Callable[..., RosProcess], video: Path
) -> None:
    images = graph.read(Image, '/pace/image', ALL, wait=False)
    reports = graph.read(DiagnosticArray, '/diagnostics', wait=False)
    before_s = graph.node.get_clock().now().nanoseconds / 1e9
    source = start(source=str(video), image_topic='/pace/image', frame_id='eye')
    graph.spin_until(lambda: source.exit_code is not None, 'end of the source')

    assert source.exit_code == 0
    assert greys(images) == list(range(FRAMES))
    first = images[0]
    assert (first.height, first.width, first.encoding, first.step) == (120, 160, 'bgr8', 480)
    assert first.header.frame_id == 'eye'
    stamps = stamps_s(images)
    assert before_s < stamps[0] < graph.node.get_clock().now().nanoseconds / 1e9
    assert stamps[-1] - stamps[0] == pytest.approx((FRAMES - 1) / FPS, abs=0.15)
    assert np.diff(stamps).min() > 0
    values = {item.key: item.value for item in reports[-1].status[0].values}
    assert (values['state'], values['frames_published']) == ('finished', '12')


def test_loop_size_rate_order_and_calibration(
    graph: Graph, start: Callable[..., RosProcess], video: Path, tmp_path: Path
) -> None:
    calibration = tmp_path / 'camera.yaml'
    calibration.write_text(CALIBRATION)
    images = graph.read(Image, '/loop/image', ALL, wait=False)
    infos = graph.read(CameraInfo, '/loop/info', ALL, wait=False)
    source = start(
        source=str(video),
        image_topic='/loop/image',
        camera_info_topic='/loop/info',
        loop=True,
        max_frames=30,
        rate=50,
        height=480,
        width=640,
        encoding='rgb8',
        calibration=str(calibration),
    )
    graph.spin_until(lambda: source.exit_code is not None, 'end of the source')

    assert source.exit_code == 0
    assert greys(images) == [*range(12), *range(12), *range(6)]
    assert (images[0].height, images[0].width, images[0].encoding) == (480, 640, 'rgb8')
    assert np.diff(stamps_s(images)).mean() == pytest.approx(0.02, abs=0.01)
    info = infos[0]
    assert (info.height, info.width, info.distortion_model) == (480, 640, 'plumb_bob')
    # Twice the size: focal lengths double, and the centre keeps its place between the edges.
    assert info.k.tolist() == pytest.approx([600, 0, 320.5, 0, 620, 240.5, 0, 0, 1])
    assert info.p.tolist() == pytest.approx([580, 0, 322.5, 0, 0, 610, 242.5, 0, 0, 0, 1, 0])
    assert list(info.d) == [0.1, -0.2, 0.001, 0.002, 0.0]
    stamps = {(msg.header.stamp.sec, msg.header.stamp.nanosec) for msg in images}
    assert (info.header.stamp.sec, info.header.stamp.nanosec) in stamps


def test_synthetic_street_as_jpeg_with_its_exact_camera(
    graph: Graph, start: Callable[..., RosProcess]
) -> None:
    images = graph.read(CompressedImage, '/street/image/compressed', ALL, wait=False)
    infos = graph.read(CameraInfo, '/street/info', ALL, wait=False)
    source = start(
        image_topic='/street/image',
        camera_info_topic='/street/info',
        transport='compressed',
        max_frames=3,
        height=180,
        width=320,
        seed=4,
    )
    graph.spin_until(lambda: source.exit_code is not None, 'end of the source')

    assert source.exit_code == 0
    assert [image.format for image in images] == ['bgr8; jpeg compressed bgr8'] * 3
    bgr = cv2.imdecode(np.frombuffer(images[0].data, np.uint8), cv2.IMREAD_COLOR)
    street = Street(seed=4, size=(180, 320))
    difference = np.abs(bgr[..., ::-1].astype(int) - street.frame(0).rgb)
    assert difference.mean() < 6  # twice JPEG; another frame or swapped colours are far off
    assert infos[0].k.tolist() == street.camera(0).K.ravel().tolist()
    assert (infos[0].k[2], infos[0].k[5]) == (159.5, 89.5)
    assert (infos[0].height, infos[0].width, set(infos[0].d)) == (180, 320, {0.0})


@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM])
def test_signal_ends_a_looping_source_well(
    graph: Graph, start: Callable[..., RosProcess], video: Path, number: signal.Signals
) -> None:
    images = graph.read(Image, '/forever/image', ALL, wait=False)
    source = start(source=str(video), image_topic='/forever/image', loop=True, rate=50)
    graph.spin_until(lambda: len(images) > FRAMES, 'second round')
    os.kill(source.pid, number)
    graph.spin_until(lambda: source.exit_code is not None, 'end of the source')
    assert source.exit_code == 0


def test_interrupt_ends_a_source_that_draws(
    graph: Graph, start: Callable[..., RosProcess]
) -> None:
    """The thread that draws is not to be within OpenCV when Python ends."""
    reports = graph.read(DiagnosticArray, '/diagnostics', wait=False)
    source = start(image_topic='/drawn/image', max_frames=10_000)
    graph.spin_until(lambda: len(reports) > 0, 'first report')
    source.stop()
    assert source.exit_code == 0
    said = {item.key: item.value for item in reports[-1].status[0].values}
    assert said['state'] == 'preparing'


@pytest.fixture(scope='module')
def bad(tmp_path_factory: pytest.TempPathFactory, video: Path) -> dict[str, Path]:
    """Sources and calibrations that cannot be used."""
    folder = tmp_path_factory.mktemp('bad')
    paths = {
        'missing': folder / 'missing.mp4',
        'corrupt': folder / 'corrupt.mp4',
        'empty': folder / 'empty',
        'yaml': folder / 'half.yaml',
    }
    paths['corrupt'].write_bytes(b'no video at all' * 100)
    paths['empty'].mkdir()
    paths['yaml'].write_text('image_width: 3\n')
    return paths | {'video': video}


@pytest.mark.parametrize(
    ('arguments', 'said'),
    [
        ('source:={missing}', 'missing.mp4.*got nothing there'),
        ('source:={corrupt}', 'corrupt.mp4.*got 0 frames'),
        ('source:={empty}', 'empty.*no image or video'),
        ('source:=/dev/video99', "camera '/dev/video99'.*got no image"),
        ('source:={video} -p calibration:={missing}', 'calibration file.*missing.mp4'),
        ('source:={video} -p calibration:={yaml}', "half.yaml.*KeyError: 'image_height'"),
        ('source:={video} -p height:=120', "'height' and 'width'.*got 120 and 0"),
        ('source:={video} -p rate:=-1.0', "parameter 'rate'.*got -1.0, expected a number from 0"),
        ('source:={video} -p encoding:=mono8', "parameter 'encoding'.*one of bgr8, rgb8"),
        ('sauce:={video}', "'sauce': got an unknown name, expected source, image_topic"),
        ('weather:=snow', "parameter 'weather'.*one of clear, fog"),
    ],
)
def test_what_cannot_be_used_is_one_message_and_exit_code_2(
    capfd: pytest.CaptureFixture[str], bad: dict[str, Path], arguments: str, said: str
) -> None:
    given = arguments.format(**bad).split()
    assert main(['video_source', '--ros-args', '-p', *given]) == 2
    fatal = [line for line in ''.join(capfd.readouterr()).splitlines() if 'FATAL' in line]
    assert len(fatal) == 1
    assert re.search(said, fatal[0]), fatal[0]
