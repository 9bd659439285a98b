# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""The node over DDS: two cameras, answers whose content is known, every bad input."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from math import isnan

import numpy as np
import pytest
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from rcl_interfaces.srv import DescribeParameters, GetParameters, SetParametersAtomically
from rclpy.parameter import Parameter
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CompressedImage, Image

from ros_graph import BEST_EFFORT, Graph, image_msg, painted, pixels_of, png_msg, stamped
from seg_perception.node.parameters import table
from seg_perception.node.processes import RosProcess
from seg_perception_msgs.msg import CameraStatus, FusedScene, RoadScene, SafetyRisk

ROAD, SKY, CAR = 3, 0, 8  # of CamVid-11
SIZE = (96, 160)
STALE_AFTER_S = 0.8


def street(size: tuple[int, int] = SIZE) -> np.ndarray:
    """Labels: sky above, road below, a car on the left."""
    height, width = size
    labels = np.full(size, SKY, np.uint8)
    labels[height // 2 :] = ROAD
    labels[height // 2 : height * 3 // 4, : width // 4] = CAR
    return labels


@dataclass
class Camera:
    """Publisher and readers of one camera."""

    publisher: object
    masks: list[Image]
    confidences: list[Image]
    scenes: list[RoadScene]


@dataclass
class Bench:
    """The running node with what it says."""

    graph: Graph
    process: RosProcess
    cameras: dict[str, Camera]
    diagnostics: list[DiagnosticArray]
    stamp_s: int = field(default=1000)

    def next_stamp(self) -> int:
        self.stamp_s += 1
        return self.stamp_s

    def send(self, msg: Image | CompressedImage, camera: str = 'front') -> RoadScene:
        """Publish a frame and wait for what the node says of it."""
        header = msg.header
        scenes = self.cameras[camera].scenes
        scenes.clear()
        return self.graph.publish_until(
            self.cameras[camera].publisher,
            msg,
            lambda: next((s for s in scenes if s.header == header), None),
            f'answer on {camera}',
        )

    def send_street(self, size: tuple[int, int] = SIZE) -> RoadScene:
        return self.send(image_msg(painted(street(size)), stamped(self.next_stamp())))

    def mask_of(self, scene: RoadScene, camera: str = 'front') -> Image:
        return self._of(scene, self.cameras[camera].masks)

    def confidence_of(self, scene: RoadScene, camera: str = 'front') -> Image:
        return self._of(scene, self.cameras[camera].confidences)

    def _of(self, scene: RoadScene, messages: list[Image]) -> Image:
        return self.graph.spin_until(
            lambda: next((m for m in messages if m.header == scene.header), None), 'image'
        )

    def status(self, camera: str = 'front') -> tuple[DiagnosticStatus, dict[str, str]]:
        """The next diagnostics of the camera."""
        self.diagnostics.clear()
        array = self.graph.spin_until(lambda: self.diagnostics and self.diagnostics[-1])
        status = next(s for s in array.status if s.hardware_id == camera)
        return status, {item.key: item.value for item in status.values}

    def set_parameters(self, **changes: object) -> object:
        parameters = [Parameter(k.replace('__', '.'), value=v) for k, v in changes.items()]
        request = SetParametersAtomically.Request(
            parameters=[parameter.to_parameter_msg() for parameter in parameters]
        )
        service = '/seg_perception/set_parameters_atomically'
        return self.graph.call(SetParametersAtomically, service, request).result


@pytest.fixture(scope='module')
def bench(graph, start_node, tiny_path) -> Iterator[Bench]:
    process = start_node(
        cameras=['front', 'rear'],
        rear__transport='compressed',
        model=str(tiny_path),
        provider='cpu',
        stale_after_s=STALE_AFTER_S,
        diagnostics_period_s=0.2,
        scan__clearance_m=0.07,  # a name of version 0.1
        risk__time__gap_s=1.0,  # one that is in the risk profile now
    )
    diagnostics = graph.read(DiagnosticArray, '/diagnostics')
    cameras = {}
    for name, kind, suffix in (('front', Image, ''), ('rear', CompressedImage, '/compressed')):
        cameras[name] = Camera(
            graph.publisher(kind, f'/camera/{name}/image_raw{suffix}'),
            graph.read(Image, f'/seg_perception/{name}/mask'),
            graph.read(Image, f'/seg_perception/{name}/confidence', BEST_EFFORT),
            graph.read(RoadScene, f'/seg_perception/{name}/road_scene'),
        )
    return Bench(graph, process, cameras, diagnostics)


def test_waiting_cameras_say_so(bench):
    """Runs first: no frame has come yet."""
    bench.graph.spin_until(
        lambda: '1 publishing on /camera/front/image_raw' in bench.status()[0].message, 'match'
    )
    assert bench.status()[1]['state'] == 'waiting'
    scene = bench.graph.spin_until(
        lambda: bench.cameras['front'].scenes and bench.cameras['front'].scenes[-1]
    )
    assert scene.status == RoadScene.STALE
    assert (scene.header.stamp.sec, scene.header.frame_id) == (0, '')
    assert scene.safety_risk.level == SafetyRisk.UNKNOWN


@pytest.mark.parametrize('seconds', [-1, -(2**31)])
def test_a_stamp_before_1970_is_answered(bench, seconds):
    """rclpy's own Time refuses it, and would end the node with all its cameras."""
    scene = bench.send(image_msg(painted(street()), stamped(seconds, 5)))
    assert scene.header.stamp.sec == seconds
    assert scene.status in (RoadScene.OK, RoadScene.DEGRADED)
    assert bench.send_street().status in (RoadScene.OK, RoadScene.DEGRADED)


@pytest.mark.parametrize('encoding', ['rgb8', 'bgr8'])
def test_mask_is_the_picture_in_size_and_header_of_the_image(bench, encoding):
    labels = street()
    header = stamped(12, 345, 'front_optical')
    scene = bench.send(image_msg(painted(labels), header, encoding))
    mask, confidence = bench.mask_of(scene), bench.confidence_of(scene)
    assert mask.header == confidence.header == header
    assert mask.encoding == confidence.encoding == 'mono8'
    np.testing.assert_array_equal(pixels_of(mask), labels)
    np.testing.assert_array_equal(pixels_of(confidence), np.full(SIZE, 200))


def test_road_scene(bench):
    scene = bench.send_street()
    assert (scene.camera, scene.model, scene.status) == ('front', 'tiny', RoadScene.OK)
    assert scene.status_text == ''
    assert (scene.image_height, scene.image_width) == SIZE
    area = scene.drivable_area
    # Road is the lower half but for the car's half by quarter of it.
    assert area.image_share == pytest.approx(0.5 * (1 - 0.5 * 0.25), abs=0.01)
    assert area.confidence == pytest.approx(200 / 255, abs=0.01)
    assert area.boundary_rows[len(area.boundary_rows) // 2] == SIZE[0] // 2
    assert area.boundary_rows[0] == SIZE[0] * 3 // 4
    assert list(area.boundary_columns) == sorted(area.boundary_columns)
    assert isnan(area.free_distance_m)
    assert len(area.ground_polygon) == 0
    assert 0 < scene.safety_risk.score <= 100
    assert scene.safety_risk.level != SafetyRisk.UNKNOWN
    names = [factor.name for factor in scene.safety_risk.factors]
    assert names == [
        'road_visibility',
        'vulnerable_road_users',
        'vehicles',
        'obstacles',
        'clear_path',
        'lane_clarity',
        'perception_trust',
    ]
    assert list(scene.stage_names) == [
        'convert',
        'resize',
        'inference',
        'drivable',
        'risk',
        'upscale',
    ]
    assert 0 < sum(scene.stage_ms) <= scene.latency_ms * 1.01


def test_active_camera_in_diagnostics(bench):
    for _ in range(3):
        bench.send_street()
    status, values = bench.status()
    assert values['state'] == 'active'
    assert status.level == DiagnosticStatus.OK
    assert status.name == '/seg_perception: camera front'
    assert (values['provider'], values['provider_fallback']) == ('cpu', '')
    assert values['model'] == 'tiny'
    assert values['image_size'] == '160x96'
    assert float(values['latency_ms_p50']) > 0


def test_two_cameras_at_once(bench):
    front, rear = street(), street((64, 128))
    bench.send(png_msg(painted(rear), stamped(bench.next_stamp())), 'rear')
    for _ in range(5):
        header = stamped(bench.next_stamp(), frame_id='rear_optical')
        seen = bench.cameras['rear'].scenes
        seen.clear()
        bench.cameras['rear'].publisher.publish(png_msg(painted(rear), header))
        front_scene = bench.send_street()
        rear_scene = bench.graph.spin_until(
            lambda: next((s for s in seen if s.header == header), None)  # noqa: B023
        )
        assert (front_scene.camera, rear_scene.camera) == ('front', 'rear')
        np.testing.assert_array_equal(pixels_of(bench.mask_of(front_scene)), front)
        np.testing.assert_array_equal(pixels_of(bench.mask_of(rear_scene, 'rear')), rear)


def test_size_may_change_between_frames(bench):
    for size in ((64, 96), (200, 120), (97, 131), SIZE):
        scene = bench.send_street(size)
        mask = bench.mask_of(scene)
        assert (mask.height, mask.width) == size
        assert (scene.image_height, scene.image_width) == size
        assert scene.status == RoadScene.OK


def test_qos(bench):
    node = bench.graph.node
    (mask,) = node.get_publishers_info_by_topic('/seg_perception/front/mask')
    assert mask.qos_profile.reliability == ReliabilityPolicy.RELIABLE
    assert mask.qos_profile.durability == DurabilityPolicy.VOLATILE
    (image,) = node.get_subscriptions_info_by_topic('/camera/front/image_raw')
    assert image.qos_profile.reliability == ReliabilityPolicy.BEST_EFFORT
    # The confidences of this module are read best effort, the masks reliably: both match.


def test_label_info_names_the_classes(bench):
    msgs = pytest.importorskip('vision_msgs.msg', reason='vision_msgs is not installed')
    qos = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
    infos = bench.graph.read(msgs.LabelInfo, '/seg_perception/front/label_info', qos)
    info = bench.graph.spin_until(lambda: infos and infos[0])
    assert [(row.class_id, row.class_name) for row in info.class_map][3] == (3, 'road')


def broken(name: str, header) -> Image:
    msg = image_msg(painted(street()), header)
    data = bytes(msg.data)
    if name == 'encoding':
        msg.encoding = 'rgb9'
    elif name == 'shorter':
        msg.data = data[:-1]
    elif name == 'longer':
        msg.data = data + b'\0'
    elif name == 'zero':
        msg.height, msg.width, msg.step, msg.data = 0, 0, 0, b''
    elif name == 'step':
        msg.step -= 1
        msg.data = data[: msg.step * msg.height]
    elif name == 'big-endian':
        msg.encoding, msg.is_bigendian, msg.step = 'mono16', 1, 2 * msg.width
        msg.data = data[: msg.step * msg.height]
    return msg


@pytest.mark.parametrize(
    ('name', 'thing'),
    [
        ('encoding', 'image encoding'),
        ('shorter', 'image data length'),
        ('longer', 'image data length'),
        ('zero', 'image size'),
        ('step', 'image step'),
        ('big-endian', 'image byte order'),
    ],
)
def test_bad_image_is_counted_and_the_next_one_works(bench, name, thing):
    before = int(bench.status()[1].get(f'rejected: {thing}', 0))
    scene = bench.send(broken(name, stamped(bench.next_stamp())))
    assert scene.status == RoadScene.INVALID
    assert thing in scene.status_text
    assert scene.safety_risk.level == SafetyRisk.UNKNOWN
    assert isnan(scene.safety_risk.score)
    assert isnan(scene.drivable_area.corridor_share)
    status, values = bench.status()
    assert values['state'] == 'rejected'
    assert status.level == DiagnosticStatus.ERROR
    assert thing in status.message
    assert int(values[f'rejected: {thing}']) > before
    assert bench.send_street().status == RoadScene.OK


def test_corrupt_jpeg_is_counted_and_the_next_one_works(bench):
    good = png_msg(painted(street()), stamped(bench.next_stamp()))
    bad = png_msg(painted(street()), stamped(bench.next_stamp()))
    bad.format, bad.data = 'jpeg', b'\xff\xd8\xff' + bytes(200)
    scene = bench.send(bad, 'rear')
    assert scene.status == RoadScene.INVALID
    assert 'compressed image data' in scene.status_text
    _, values = bench.status('rear')
    assert int(values['rejected: compressed image data']) > 0
    assert bench.send(good, 'rear').status == RoadScene.OK


def test_stamps_that_jump_back_are_noted_and_trip_nothing(bench):
    before = int(bench.status()[1]['stamps_back'])
    rgb = painted(street())
    assert bench.send(image_msg(rgb, stamped(900_000))).status == RoadScene.OK
    assert bench.send(image_msg(rgb, stamped(5))).status == RoadScene.OK
    assert bench.send(image_msg(rgb, stamped(6))).status == RoadScene.OK
    _, values = bench.status()
    assert int(values['stamps_back']) == before + 1


def test_live_parameter_takes_effect_and_back(bench):
    assert bench.set_parameters(warn_confidence=0.9).successful
    scene = bench.send_street()
    assert scene.status == RoadScene.DEGRADED
    assert scene.status_text == 'mean confidence 0.78, below 0.9'
    assert scene.safety_risk.level != SafetyRisk.UNKNOWN
    assert bench.set_parameters(warn_confidence=0.4).successful
    assert bench.send_street().status == RoadScene.OK


def test_risk_remembers_and_forgets_with_the_stamps(bench):
    """It falls slowly after a wall of sky; a stamp from before, a gap, another camera end that."""
    road, wall = painted(street()), painted(np.full(SIZE, SKY, np.uint8))

    def score(rgb: np.ndarray, seconds: int, nanosec: int = 0, frame_id: str = 'camera') -> float:
        return bench.send(image_msg(rgb, stamped(seconds, nanosec, frame_id))).safety_risk.score

    calm = score(road, 700)
    for later in (
        {'seconds': 700, 'nanosec': 500_000_000},
        {'seconds': 600},
        {'seconds': 720},
        {'seconds': 710, 'nanosec': 400_000_000, 'frame_id': 'other'},
    ):
        for tenth in range(4):
            assert score(wall, 710, tenth * 100_000_000) < 20
        assert score(road, 710, 350_000_000) < calm - 10
        assert score(road, **later) == pytest.approx(calm, abs=0.01)


@pytest.mark.parametrize(
    ('changes', 'reason'),
    [
        ({'model': '/other.onnx'}, 'read-only'),
        ({'warn_confidence': 0.9, 'provider': 'cuda'}, 'read-only'),
        ({'warn_confidence': 0.9, 'stale_after_s': -1.0}, 'stale_after_s'),
        ({'warn_confidence': 0.9, 'risk_profile': 'slow_robbot'}, 'Did you mean slow_robot?'),
        ({'warn_confidence': 0.9, 'nonsense': 1}, ''),
    ],
)
def test_refused_change_changes_nothing(bench, changes, reason):
    result = bench.set_parameters(**changes)
    assert not result.successful
    assert reason in result.reason
    assert bench.send_street().status == RoadScene.OK
    request = GetParameters.Request(names=['warn_confidence', 'model'])
    answer = bench.graph.call(GetParameters, '/seg_perception/get_parameters', request)
    assert answer.values[0].double_value == 0.4
    assert answer.values[1].string_value.endswith('tiny.onnx')


def test_ranges_as_other_processes_read_them(bench):
    """Whole numbers in a FloatingPointRange would arrive as garbage."""
    rows = table(['front', 'rear'])
    request = DescribeParameters.Request(names=list(rows))
    answer = bench.graph.call(DescribeParameters, '/seg_perception/describe_parameters', request)
    ranges = 0
    for row, seen in zip(rows.values(), answer.descriptors, strict=True):
        assert seen.name == row.path and seen.description.startswith(row.setting.description)
        for limits in (*seen.floating_point_range, *seen.integer_range):
            ends = limits.from_value, limits.to_value
            assert ends == (row.setting.low, row.setting.high), row.path
            ranges += 1
    assert ranges == sum(row.setting.bounded for row in rows.values()) > 30


def test_one_warning_for_old_parameter_names(bench):
    log = bench.graph.process.log.read_text()
    assert log.count('deprecated parameters') == 1
    assert 'scan.clearance_m is now clearance_m' in log
    assert 'risk.time.gap_s is now risk.time.gap_s of a risk_profile file' in log
    request = GetParameters.Request(names=['clearance_m'])
    answer = bench.graph.call(GetParameters, '/seg_perception/get_parameters', request)
    assert answer.values[0].double_value == 0.07


def test_risk_profile_changes_while_the_node_runs(bench, tmp_path):
    def score() -> float:
        """Of a frame with a memory of its own."""
        rgb = painted(street(SIZE))
        frame = f'camera_{bench.next_stamp()}'
        return bench.send(image_msg(rgb, stamped(bench.next_stamp(), 0, frame))).safety_risk.score

    own = tmp_path / 'own.yaml'
    own.write_text('risk: {spread: 0.0}')
    before = score()
    assert bench.set_parameters(risk_profile=str(own)).successful
    milder = score()
    assert milder > before + 0.5
    own.write_text('risk: {near_m: 0.1}')
    refused = bench.set_parameters(risk_profile=str(own))
    assert not refused.successful and 'expected a number from 0.5 to 50' in refused.reason
    assert score() == pytest.approx(milder, abs=0.01)
    assert bench.set_parameters(risk_profile='default').successful
    assert score() == pytest.approx(before, abs=0.01)


def test_overlay(bench):
    bench.send_street()
    overlays = bench.graph.read(Image, '/seg_perception/front/overlay', BEST_EFFORT)
    packed = bench.graph.read(CompressedImage, '/seg_perception/front/overlay/compressed')
    assert bench.set_parameters(overlay_opacity=1.0).successful
    msg = image_msg(painted(street(SIZE)), stamped(bench.next_stamp()))
    overlay, compressed = bench.graph.publish_until(
        bench.cameras['front'].publisher,
        msg,
        lambda: next(
            ((o, c) for o in overlays for c in packed if o.header == c.header == msg.header), None
        ),
        'overlay and compressed overlay of one frame',
    )
    assert overlay.encoding == 'bgr8'
    # Nothing is drawn near the lower left corner: it is road in the colour of the table.
    assert tuple(pixels_of(overlay)[-2, 1]) == (128, 64, 128)
    assert tuple(pixels_of(overlay)[60, 2]) == (128, 0, 64)  # car: (64, 0, 128) RGB
    assert compressed.format == 'bgr8; jpeg compressed bgr8'
    assert bytes(compressed.data[:3]) == b'\xff\xd8\xff'


def test_silent_camera_is_stale_and_comes_back(bench):
    header = stamped(bench.next_stamp(), 7, 'front_optical')
    bench.send(image_msg(painted(street()), header))
    scenes = bench.cameras['front'].scenes
    scenes.clear()
    scene = bench.graph.spin_until(lambda: scenes and scenes[0], 'STALE', 5.0)
    assert scene.status == RoadScene.STALE
    assert scene.header == header
    assert (scene.safety_risk.level, isnan(scene.safety_risk.score)) == (SafetyRisk.UNKNOWN, True)
    assert len(scene.safety_risk.factors) == 0
    assert isnan(scene.drivable_area.image_share)
    assert len(scene.drivable_area.boundary_rows) == 0
    assert '1 publishing on /camera/front/image_raw' in scene.status_text
    status, values = bench.status()
    assert (status.level, values['state']) == (DiagnosticStatus.ERROR, 'stale')
    assert bench.send_street().status == RoadScene.OK
    status, values = bench.status()
    assert (status.level, values['state']) == (DiagnosticStatus.OK, 'active')


def test_fused_scene_when_every_camera_is_silent(bench):
    fused = bench.graph.read(FusedScene, '/seg_perception/road_scene')
    bench.send_street()
    scene = bench.graph.spin_until(
        lambda: next((item for item in fused if item.worst_camera == ''), None), 'silence'
    )
    assert [item.status for item in scene.cameras] == [CameraStatus.TIMEOUT] * 2
    assert 'no answer for' in scene.cameras[0].status_text
    assert (scene.header.stamp.sec, scene.header.frame_id) == (0, 'base_link')
    assert (scene.safety_risk.level, isnan(scene.safety_risk.score)) == (SafetyRisk.UNKNOWN, True)
    assert not scene.complete
    assert isnan(scene.skew_s) and isnan(scene.coverage_share)


def test_interrupt_ends_it_cleanly(bench):
    """Runs last: ends the node."""
    bench.graph.process = None
    bench.process.stop()
    assert bench.process.exit_code == 0
    log = bench.process.log.read_text()
    assert 'Traceback' not in log
    assert log.count('model tiny (11 classes of camvid_11) on cpu') == 1
