# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""A camera that calibrates itself, over DDS: topics, file, service, wrong extrinsics."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import isnan
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from rcl_interfaces.srv import SetParametersAtomically
from rclpy.parameter import Parameter
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CameraInfo, CompressedImage
from std_srvs.srv import Trigger

import painted_canyon
from painted_canyon import LENS, POSE
from ros_graph import RELIABLE, Graph, stamped
from seg_perception.io.calibration_file import read_calibration_file
from seg_perception.node.camera_info import to_camera_info
from seg_perception.node.processes import RosProcess
from seg_perception_msgs.msg import CameraCalibration, RoadScene

LATCHED = QoSProfile(
    depth=1, reliability=ReliabilityPolicy.RELIABLE, durability=DurabilityPolicy.TRANSIENT_LOCAL
)
NAME = 'front_320x180.yaml'


def jpeg_msg(rgb: np.ndarray, stamp_s: float) -> CompressedImage:
    """Small enough for one datagram: what is larger may be lost on the way."""
    header = stamped(int(stamp_s), round(stamp_s % 1 * 1e9), 'front_optical')
    data = cv2.imencode('.jpg', np.ascontiguousarray(rgb[..., ::-1]))[1]
    return CompressedImage(header=header, format='bgr8; jpeg compressed bgr8', data=data.tobytes())


@dataclass
class Bench:
    """A running node, what it is told and what it says."""

    graph: Graph
    process: RosProcess
    images: Any
    infos: Any
    scenes: list[RoadScene]
    calibrations: list[CameraCalibration]
    diagnostics: list[DiagnosticArray]

    def send(self, rgb: np.ndarray, stamp_s: float) -> RoadScene:
        message = jpeg_msg(rgb, stamp_s)
        self.scenes.clear()
        return self.graph.publish_until(
            self.images,
            message,
            lambda: next((s for s in self.scenes if s.header == message.header), None),
            'answer',
        )

    def drive(self, seconds: float, start_s: float, until: Callable[[], bool]) -> None:
        """Drive until a condition holds."""
        for rgb, stamp_s in painted_canyon.drive(seconds, start_s=start_s):
            self.send(rgb, stamp_s)
            if until():
                return
        raise AssertionError(f'after {seconds} s: {self.calibrations[-1]}')

    @property
    def state(self) -> int:
        return self.calibrations[-1].state if self.calibrations else 0

    def status(self) -> tuple[DiagnosticStatus, dict[str, str]]:
        self.diagnostics.clear()

        def own() -> list[DiagnosticStatus]:
            told = [status for array in self.diagnostics for status in array.status]
            return [status for status in told if status.hardware_id == 'front']

        status = self.graph.spin_until(own)[-1]
        return status, {item.key: item.value for item in status.values}

    def set(self, **changes: object) -> Any:
        named = {name.replace('__', '.'): value for name, value in changes.items()}
        parameters = [
            Parameter(name, value=value).to_parameter_msg() for name, value in named.items()
        ]
        request = SetParametersAtomically.Request(parameters=parameters)
        service = '/seg_perception/set_parameters_atomically'
        return self.graph.call(SetParametersAtomically, service, request).result


@pytest.fixture(scope='module')
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp('home') / 'kept'  # which the node has to make


Start = Callable[..., Bench]


@pytest.fixture(scope='module')
def start(graph, start_node, tiny_path, folder) -> Start:
    def started(**parameters: object) -> Bench:
        process = start_node(
            front__transport='compressed',
            front__reliable=True,
            model=str(tiny_path),
            provider='cpu',
            stale_after_s=30.0,
            diagnostics_period_s=0.1,
            warn_latency_ms=60000.0,  # a busy machine is not the subject
            **{'calibration__folder': str(folder)} | parameters,
        )
        bench = Bench(
            graph,
            process,
            graph.publisher(CompressedImage, '/camera/front/image_raw/compressed', RELIABLE),
            graph.publisher(CameraInfo, '/camera/front/camera_info', RELIABLE),
            graph.read(RoadScene, '/seg_perception/front/road_scene'),
            graph.read(CameraCalibration, '/seg_perception/front/calibration', LATCHED),
            graph.read(DiagnosticArray, '/diagnostics'),
        )
        graph.publish_until(
            bench.infos,
            to_camera_info(LENS, stamped(1000, 0, 'front_optical')),
            lambda: bench.status()[1]['camera_info'] == '320x180',
            'camera_info',
        )
        return bench

    return started


@pytest.fixture(scope='module')
def learned(start) -> Iterator[Bench]:
    """A node whose camera has calibrated itself."""
    bench = start()
    bench.drive(30.0, 1000.0, lambda: bench.state == CameraCalibration.CALIBRATED)
    yield bench
    bench.process.stop()


@pytest.fixture(scope='module')
def kept(learned, folder) -> Path:
    """The file of a camera that has calibrated itself, and whose node has ended."""
    path = folder / NAME
    learned.graph.spin_until(path.is_file, 'file')
    learned.process.stop()
    return path


def test_the_pose_is_published_with_its_uncertainty(learned):
    first, last = learned.calibrations[0], learned.calibrations[-1]
    assert (first.state, first.percent) == (CameraCalibration.UNCALIBRATED, 0)
    assert first.reason and isnan(first.pitch_rad)
    assert CameraCalibration.CALIBRATING in {message.state for message in learned.calibrations}
    percents = [message.percent for message in learned.calibrations]
    assert percents[-1] == 100 and len(set(percents)) > 5
    assert (last.camera, last.reason, last.applied) == ('front', '', True)
    assert (last.image_width, last.image_height) == (320, 180)
    assert last.header.frame_id == 'front_optical' and last.header.stamp.sec >= 1005
    assert last.pitch_rad == pytest.approx(POSE.pitch_rad, abs=0.012)
    assert last.yaw_rad == pytest.approx(POSE.yaw_rad, abs=0.015)
    assert 0.0 < last.pitch_std_rad < 0.01 and 0.0 < last.yaw_std_rad < 0.01
    # The direction of travel, by hand: focal length 256 px about the middle of the image.
    assert last.vanishing_row == pytest.approx(89.5 - 256 * POSE.pitch_rad, abs=3)
    assert last.vanishing_column == pytest.approx(159.5 + 256 * POSE.yaw_rad, abs=4)
    assert 0.0 < last.vanishing_row_std < 3.0


def test_who_comes_late_is_told(learned):
    late = learned.graph.read(CameraCalibration, '/seg_perception/front/calibration', LATCHED)
    learned.graph.spin_until(lambda: late, 'last calibration')
    assert late[-1].state == CameraCalibration.CALIBRATED


def test_diagnostics_tell_state_and_angles(learned):
    learned.graph.spin_until(
        lambda: learned.status()[1]['calibration'] == 'calibrated 100 %', 'calibrated'
    )
    status, values = learned.status()
    assert status.level == DiagnosticStatus.OK
    assert float(values['calibration_pitch_rad']) == pytest.approx(POSE.pitch_rad, abs=0.012)
    assert values['calibration_reason'] == ''


def test_what_was_learned_is_kept_and_verified_after_a_restart(start, kept):
    file = read_calibration_file(kept)
    assert (file.size, file.lens) == ((180, 320), LENS)
    again = start()
    again.drive(2.0, 2000.0, lambda: again.state == CameraCalibration.CALIBRATED)
    assert again.calibrations[-1].pitch_rad == pytest.approx(POSE.pitch_rad, abs=0.012)
    again.process.stop()


def test_given_extrinsics_are_observed_and_a_wrong_pitch_is_told(start, kept):
    bench = start(front__extrinsics__height_m=1.5, front__extrinsics__yaw_rad=POSE.yaw_rad)
    bench.drive(2.0, 3000.0, lambda: bench.state == CameraCalibration.CALIBRATED)
    bench.graph.spin_until(lambda: bench.status()[0].level == DiagnosticStatus.WARN, 'warning')
    message = bench.status()[0].message
    assert 'observed pitch is 0.0' in message and 'rad below the given pitch' in message
    assert 'yaw' not in message and message.endswith('check the extrinsics and TF')
    assert not bench.calibrations[-1].applied
    assert bench.calibrations[-1].height_source == 'parameter'
    assert bench.calibrations[-1].height_m == pytest.approx(1.5)
    scene = bench.scenes[-1]
    assert scene.ground_frame == 'base_link'  # metres follow the given extrinsics
    assert bench.set(front__extrinsics__pitch_rad=POSE.pitch_rad).successful
    bench.drive(1.0, 3010.0, lambda: bench.status()[0].level == DiagnosticStatus.OK)
    bench.process.stop()


def test_recalibrate_forgets_and_begins_anew(start, kept):
    bench = start()
    bench.drive(2.0, 4000.0, lambda: bench.state == CameraCalibration.CALIBRATED)
    answer = bench.graph.call(Trigger, '/seg_perception/front/recalibrate', Trigger.Request())
    assert answer.success and 'front' in answer.message
    assert not kept.exists()
    bench.drive(4.0, 4002.0, lambda: bench.state == CameraCalibration.CALIBRATING)
    assert bench.calibrations[-1].percent < 60
    # Switched off, it learns nothing and says so.
    assert bench.set(calibration__mode='off').successful
    bench.drive(2.0, 4010.0, lambda: bench.state == CameraCalibration.UNCALIBRATED)
    assert bench.calibrations[-1].reason == 'calibration.mode is off'
    assert not bench.calibrations[-1].applied
    refused = bench.set(calibration__mode='on')
    assert not refused.successful and 'off, observe, apply' in refused.reason
    bench.process.stop()


def test_a_damaged_file_is_told_ignored_and_written_anew(start, folder):
    folder.mkdir(exist_ok=True)
    (folder / NAME).write_text('image_width: 320\nself_calibration: {format: 1')
    bench = start()
    bench.drive(30.0, 5000.0, lambda: bench.state == CameraCalibration.CALIBRATED)
    assert bench.calibrations[0].state == CameraCalibration.UNCALIBRATED
    bench.graph.spin_until(
        lambda: (folder / NAME).read_text().splitlines()[-1].strip() == 'format: 1', 'new file'
    )
    assert read_calibration_file(folder / NAME).lens == LENS
    bench.process.stop()
    log = bench.process.log.read_text()
    assert 'the calibration starts anew' in log and NAME in log
