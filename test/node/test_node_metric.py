# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Metres over DDS: CameraInfo, TF, steering, grid, scan and the fused scene of two cameras."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import isnan
from typing import Any

import numpy as np
import pytest
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from geometry_msgs.msg import TransformStamped
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState
from nav_msgs.msg import OccupancyGrid
from rcl_interfaces.srv import SetParametersAtomically
from rclpy.parameter import Parameter
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CameraInfo, Image, LaserScan
from std_msgs.msg import Float32
from tf2_msgs.msg import TFMessage

from ros_graph import Graph, image_msg, painted, stamped
from seg_perception_msgs.msg import CameraStatus, FusedScene, RoadScene, SafetyRisk

ROAD, SKY, WALL = 3, 0, 1  # of CamVid-11
SIZE = (120, 160)  # small enough for one datagram: what is larger may be lost on the way here
FOCAL_PX, CENTRE_ROW, CENTRE_COLUMN = 120.0, 59.5, 79.5
HEIGHT_M = 1.5
FOOT_ROW = 84
WALL_M = 7.5  # FOCAL_PX * HEIGHT_M / (FOOT_ROW - 0.5 - CENTRE_ROW)
OPTICAL = (-0.5, 0.5, -0.5, 0.5)
STATIC = QoSProfile(
    depth=1, reliability=ReliabilityPolicy.RELIABLE, durability=DurabilityPolicy.TRANSIENT_LOCAL
)


def street() -> np.ndarray:
    """Road to a wall across it WALL_M ahead of a level camera, sky above."""
    labels = np.full(SIZE, ROAD, np.uint8)
    labels[:FOOT_ROW] = WALL
    labels[:40] = SKY
    return labels


def camera_info(size: tuple[int, int] = SIZE) -> CameraInfo:
    info = CameraInfo(height=size[0], width=size[1], distortion_model='plumb_bob')
    info.k = (FOCAL_PX, 0.0, CENTRE_COLUMN, 0.0, FOCAL_PX, CENTRE_ROW, 0.0, 0.0, 1.0)
    info.p = (*info.k[:3], 0.0, *info.k[3:6], 0.0, 0.0, 0.0, 1.0, 0.0)
    info.r, info.d = np.eye(3).ravel(), [0.0] * 5
    return info


def transform(child: str, forward_m: float, stamp_s: int = 0) -> TFMessage:
    """The optical frame of a level camera that looks ahead."""
    message = TransformStamped(header=stamped(stamp_s, frame_id='base_link'), child_frame_id=child)
    at, turn = message.transform.translation, message.transform.rotation
    at.x, at.z = forward_m, HEIGHT_M
    turn.x, turn.y, turn.z, turn.w = OPTICAL
    return TFMessage(transforms=[message])


@dataclass
class Bench:
    """The running node, what it is told and what it says."""

    graph: Graph
    images: dict[str, Any]
    infos: dict[str, Any]
    bend: Any
    scenes: dict[str, list[RoadScene]]
    fused: list[FusedScene]
    diagnostics: list[DiagnosticArray]
    stamp_s: int = 1000
    curvature_per_m: float = 0.0

    def send(self, camera: str, labels: np.ndarray | None = None, info: Any = None) -> RoadScene:
        """Publish calibration and frame, and wait for what the node says of the frame."""
        self.stamp_s += 1
        header = stamped(self.stamp_s, 500, f'{camera}_optical')
        if info is not None:
            self.infos[camera].publish(info)
            self.settle(camera, f'{info.width}x{info.height}')
        scenes = self.scenes[camera]
        scenes.clear()
        labels = street() if labels is None else labels
        self.bend.publish(Float32(data=self.curvature_per_m))
        return self.graph.publish_until(
            self.images[camera],
            image_msg(painted(labels), header),
            lambda: next((scene for scene in scenes if scene.header == header), None),
            f'answer on {camera}',
        )

    def send_until(self, camera: str, wanted: Any, what: str) -> RoadScene:
        """Frames until one is answered as wanted: what comes on other topics overtakes none."""
        for _ in range(50):
            scene = self.send(camera)
            if wanted(scene):
                return scene
        raise AssertionError(f'no {what}: {scene}')

    def values(self, camera: str) -> tuple[DiagnosticStatus, dict[str, str]]:
        self.diagnostics.clear()
        array = self.graph.spin_until(lambda: self.diagnostics and self.diagnostics[-1])
        status = next(item for item in array.status if item.hardware_id == camera)
        return status, {item.key: item.value for item in status.values}

    def set_parameter(self, name: str, value: object) -> Any:
        parameter = Parameter(name, value=value).to_parameter_msg()
        request = SetParametersAtomically.Request(parameters=[parameter])
        service = '/seg_perception/set_parameters_atomically'
        return self.graph.call(SetParametersAtomically, service, request).result

    def settle(self, camera: str, text: str) -> None:
        self.graph.spin_until(
            lambda: self.values(camera)[1]['camera_info'] == text, f'camera_info of {camera}'
        )


@pytest.fixture(scope='module')
def bench(graph, start_node, tiny_path) -> Iterator[Bench]:
    start_node(
        cameras=['front', 'rear'],
        rear__mount__height_m=HEIGHT_M,
        rear__mount__yaw_rad=3.14159,
        model=str(tiny_path),
        provider='cpu',
        stale_after_s=30.0,
        warn_latency_ms=10000.0,
        diagnostics_period_s=0.1,
        curvature_topic='/bend',
        curvature_max_age_s=60.0,
        fusion__skew_s=2.5,
    )
    cameras = ('front', 'rear')
    return Bench(
        graph,
        {name: graph.publisher(Image, f'/camera/{name}/image_raw') for name in cameras},
        {name: graph.publisher(CameraInfo, f'/camera/{name}/camera_info') for name in cameras},
        graph.publisher(Float32, '/bend'),
        {name: graph.read(RoadScene, f'/seg_perception/{name}/road_scene') for name in cameras},
        graph.read(FusedScene, '/seg_perception/road_scene'),
        graph.read(DiagnosticArray, '/diagnostics'),
    )


def test_nothing_metric_without_calibration(bench):
    """Runs first: no camera_info has come."""
    scene = bench.send_until('front', lambda scene: scene.status == RoadScene.OK, 'OK')
    assert scene.ground_frame == ''
    assert scene.ground_text == 'not calibrated: no camera_info on /camera/front/camera_info'
    area = scene.drivable_area
    metric = (area.free_distance_m, area.free_distance_std_m, area.free_left_m, area.free_right_m)
    assert all(map(isnan, metric))
    assert len(area.ground_polygon) == 0
    assert isnan(scene.safety_risk.suggested_speed_mps)
    status, values = bench.values('front')
    assert status.level == DiagnosticStatus.OK
    assert values['metric'].startswith('off: not calibrated')


def test_nothing_metric_without_a_mounting(bench):
    scene = bench.send('front', info=camera_info())
    assert (scene.status, scene.ground_frame) == (RoadScene.OK, '')
    assert "transform from 'front_optical' to 'base_link'" in scene.ground_text
    assert isnan(scene.drivable_area.free_distance_m)


def test_metres_with_static_tf(bench):
    publisher = bench.graph.publisher(TFMessage, '/tf_static', STATIC)
    publisher.publish(transform('front_optical', forward_m=2.0))
    scene = bench.send_until('front', lambda scene: scene.ground_frame, 'metres')
    assert (scene.status, scene.ground_frame, scene.ground_text) == (RoadScene.OK, 'base_link', '')
    area = scene.drivable_area
    # From base_link, which is 2 m behind the camera. A pixel is 0.3 m of road at the wall.
    assert area.free_distance_m == pytest.approx(WALL_M + 2.0, abs=0.35)
    assert area.free_distance_low_m < WALL_M + 2.0 < area.free_distance_high_m
    assert 0.2 < area.free_distance_std_m < 1.0
    assert max(point.x for point in area.ground_polygon) == pytest.approx(WALL_M + 2.0, abs=0.35)
    assert 1.0 < scene.safety_risk.suggested_speed_mps < 10.0
    assert set(area.boundary_class_ids) == {WALL}
    assert bench.values('front')[1]['metric'] == 'on'


def test_metres_with_parameters(bench):
    scene = bench.send('rear', info=camera_info())
    assert (scene.status, scene.ground_frame) == (RoadScene.OK, 'base_link')
    assert scene.drivable_area.free_distance_m == pytest.approx(WALL_M, abs=0.35)
    # The same picture from twice the height shows twice the distance.
    assert bench.set_parameter('rear.extrinsics.height_m', 2 * HEIGHT_M).successful
    twice = bench.send('rear').drivable_area.free_distance_m
    assert twice == pytest.approx(2 * WALL_M, abs=0.7)
    refused = bench.set_parameter('rear.extrinsics.height_m', 0.01)
    assert not refused.successful and 'rear.extrinsics.height_m' in refused.reason
    assert bench.set_parameter('rear.extrinsics.height_m', HEIGHT_M).successful


def test_calibration_of_another_shape_is_degraded_and_not_metric(bench):
    scene = bench.send('front', info=camera_info((160, 160)))
    assert scene.status == RoadScene.DEGRADED
    assert 'calibration does not fit' in scene.status_text
    assert scene.ground_text == scene.status_text
    assert scene.ground_frame == ''
    assert isnan(scene.drivable_area.free_distance_m)
    assert scene.safety_risk.level != SafetyRisk.UNKNOWN  # the picture still tells
    status, values = bench.values('front')
    assert status.level == DiagnosticStatus.WARN
    assert '160x160 pixels with an image of 160x120' in status.message
    assert values['metric'].startswith('off: calibration does not fit')
    assert bench.send('front', info=camera_info()).ground_frame == 'base_link'


def test_calibration_that_cannot_be_is_degraded(bench):
    broken = camera_info((121, 161))  # a size of its own shows that it has come
    broken.k[0] = float('nan')
    scene = bench.send('front', info=broken)
    assert scene.status == RoadScene.DEGRADED
    assert 'calibration K' in scene.status_text
    assert isnan(scene.drivable_area.free_distance_m)
    assert bench.send('front', info=camera_info()).ground_frame == 'base_link'


def test_grid_is_where_the_road_is(bench):
    grids = bench.graph.read(OccupancyGrid, '/seg_perception/front/drivable_grid')
    scene = bench.send_until('front', lambda scene: 'grid' in scene.stage_names, 'grid')
    grid = bench.graph.spin_until(
        lambda: next((item for item in grids if item.header.stamp == scene.header.stamp), None)
    )
    assert grid.header.frame_id == 'base_link'
    info = grid.info
    assert (info.resolution, info.width, info.height) == (pytest.approx(0.2), 200, 120)
    origin = info.origin
    assert (origin.position.x, origin.position.y, origin.orientation.w) == (0.0, -12.0, 1.0)
    cells = np.array(grid.data).reshape(120, 200)  # rows from right to left, columns ahead
    ahead = cells[60]
    wall = round((WALL_M + 2.0) / 0.2)
    # The camera is 2 m ahead of base_link and sees the ground from 1.5 * 120 / 60 = 3 m on.
    assert set(ahead[:24]) == {-1}
    assert set(ahead[27 : wall - 2]) == {0}
    assert 100 in ahead[wall - 2 : wall + 4]
    assert set(ahead[wall + 6 :]) == {-1}  # behind the wall
    assert 0.0 < dict(zip(scene.stage_names, scene.stage_ms, strict=True))['grid'] < 1000.0


def test_a_frame_that_tells_nothing_leaves_no_free_ground(bench):
    """Nav2's static layer keeps the last grid for good, so an old one must not stay."""
    grids = bench.graph.read(OccupancyGrid, '/seg_perception/front/drivable_grid', STATIC)
    while not (grids and 0 in grids[-1].data):
        bench.send('front')
    header = stamped(bench.stamp_s + 1, frame_id='front_optical')
    broken = image_msg(painted(street()), header, encoding='rgb9')
    bench.images['front'].publish(broken)
    bench.graph.spin_until(lambda: grids[-1].header.stamp == header.stamp, 'grid of the bad frame')
    assert set(grids[-1].data) == {-1}
    bench.send('front')
    bench.graph.spin_until(lambda: 0 in grids[-1].data, 'grid of the next frame')


def test_scan_is_the_end_of_the_road(bench):
    scans = bench.graph.read(LaserScan, '/seg_perception/front/free_space')
    scene = bench.send_until('front', lambda scene: 'scan' in scene.stage_names, 'scan')
    scan = bench.graph.spin_until(
        lambda: next((item for item in scans if item.header.stamp == scene.header.stamp), None)
    )
    assert scan.header.frame_id == 'base_link'
    assert len(scan.ranges) == round((scan.angle_max - scan.angle_min) / scan.angle_increment) + 1
    assert not np.isnan(scan.ranges).any()
    assert scan.range_min <= min(scan.ranges)
    angles = scan.angle_min + np.arange(len(scan.ranges)) * scan.angle_increment
    ahead = np.abs(angles) < 0.2
    # The foot of a wall that runs across is at the same x for every beam.
    np.testing.assert_allclose(
        np.array(scan.ranges)[ahead] * np.cos(angles[ahead]), WALL_M + 2.0, atol=0.35
    )


def test_grid_and_scan_are_not_computed_for_nobody(bench):
    for name in [*bench.graph.node.subscriptions]:
        if name.topic_name.endswith(('front/drivable_grid', 'front/free_space')):
            bench.graph.node.destroy_subscription(name)
    scene = bench.send_until(
        'front', lambda scene: not {'grid', 'scan'} & set(scene.stage_names), 'end of grid'
    )
    assert list(scene.stage_names) == [
        'convert', 'resize', 'inference', 'drivable', 'risk', 'upscale'
    ]  # fmt: skip


def last_fused(bench: Bench, wanted: Any, what: str) -> FusedScene:
    return bench.graph.spin_until(lambda: next(filter(wanted, reversed(bench.fused)), None), what)


def test_fused_scene_of_two_cameras(bench):
    bench.send('front')
    rear = bench.send('rear')
    fused = last_fused(bench, lambda item: item.header.stamp == rear.header.stamp, 'fused scene')
    assert fused.header.frame_id == 'base_link'
    assert [(item.camera, item.status) for item in fused.cameras] == [
        ('front', CameraStatus.OK), ('rear', CameraStatus.OK)
    ]  # fmt: skip
    assert fused.complete
    assert fused.skew_s == fused.cameras[0].age_s == 1.0
    assert fused.safety_risk.level != SafetyRisk.UNKNOWN
    front = fused.cameras[0]
    # 80 pixels of a focal length of 120 to either side.
    assert (front.sector_left_rad, front.sector_right_rad) == pytest.approx(
        (0.585, -0.585), abs=0.01
    )
    assert fused.coverage_share == pytest.approx(4 * 0.585 / 6.283, abs=0.02)


def test_fused_grid_holds_both_cameras(bench):
    grids = bench.graph.read(OccupancyGrid, '/seg_perception/drivable_grid')
    bench.send_until('front', lambda scene: 'grid' in scene.stage_names, 'grid')
    rear = bench.send('rear')
    grid = bench.graph.spin_until(
        lambda: next((item for item in grids if item.header.stamp == rear.header.stamp), None)
    )
    cells = np.array(grid.data).reshape(grid.info.height, grid.info.width)
    assert grid.header.frame_id == 'base_link'
    assert 0 in cells
    # After a change of its extent the other camera's last grid no longer fits.
    assert bench.set_parameter('grid.resolution_m', 0.5).successful
    scene = bench.send('front')
    grid = bench.graph.spin_until(
        lambda: next((item for item in grids if item.header.stamp == scene.header.stamp), None)
    )
    assert (scene.status, grid.info.resolution) == (RoadScene.OK, 0.5)
    assert bench.set_parameter('grid.resolution_m', 0.2).successful


def test_fused_scene_says_which_camera_is_late_or_broken(bench):
    for _ in range(4):  # a second each, and the limit is 2.5
        scene = bench.send('front')
    fused = last_fused(bench, lambda item: item.header.stamp == scene.header.stamp, 'fused scene')
    late = fused.cameras[1]
    assert (late.camera, late.status) == ('rear', CameraStatus.TIMEOUT)
    assert 's behind the newest camera' in late.status_text
    assert not fused.complete
    assert fused.safety_risk.factors[-1].name == 'cameras_lost'
    assert fused.worst_camera == 'front'
    assert fused.safety_risk.score < scene.safety_risk.score

    broken = image_msg(painted(street()), stamped(bench.stamp_s, 700, 'rear_optical'))
    broken.encoding = 'rgb9'
    bench.fused.clear()
    fused = bench.graph.publish_until(
        bench.images['rear'],
        broken,
        lambda: next((item for item in bench.fused if item.cameras[1].status == 2), None),
        'INVALID',
    )
    assert 'image encoding' in fused.cameras[1].status_text
    assert fused.cameras[1].level == SafetyRisk.UNKNOWN


def test_curvature_bends_the_corridor(bench):
    """A wall on the left half alone: in the way of a bend to the left, not to the right."""
    labels = street()
    labels[:FOOT_ROW, 80:] = street()[-1, 0]  # road up to the horizon on the right
    labels[:62] = SKY

    def free_m(curvature_per_m: float) -> float:
        bench.curvature_per_m = curvature_per_m
        bench.bend.publish(Float32(data=curvature_per_m))
        bench.graph.spin_for(0.3)
        return bench.send('front', labels).drivable_area.free_distance_m

    left_m, right_m = free_m(0.05), free_m(-0.05)
    bench.curvature_per_m = 0.0
    assert left_m == pytest.approx(WALL_M + 2.0, abs=0.8)
    assert right_m > WALL_M + 4.0


def test_nonsense_curvature_is_degraded_and_straight(bench):
    bench.curvature_per_m = float('nan')
    scene = bench.send_until('front', lambda scene: scene.status != RoadScene.OK, 'DEGRADED')
    assert 'curvature nan 1/m on /bend' in scene.status_text
    assert scene.drivable_area.free_distance_m == pytest.approx(WALL_M + 2.0, abs=0.35)
    bench.curvature_per_m = 0.0
    bench.send_until('front', lambda scene: scene.status == RoadScene.OK, 'OK')


def test_no_road_at_all(bench):
    scene = bench.send('front', np.full(SIZE, SKY, np.uint8))
    area = scene.drivable_area
    assert (area.image_share, area.corridor_share) == (0.0, 0.0)
    assert isnan(area.free_distance_m) or area.free_distance_m < 5.1
    assert scene.safety_risk.level == SafetyRisk.CRITICAL
    assert len(area.ground_polygon) == 0


def test_an_image_of_one_row(bench):
    scene = bench.send('front', np.full((1, 160), ROAD, np.uint8))
    assert scene.status == RoadScene.DEGRADED
    assert 'calibration does not fit' in scene.status_text
    assert (scene.image_height, scene.image_width) == (1, 160)
    assert isnan(scene.drivable_area.free_distance_m)


def test_overlay_shows_the_map(bench):
    overlays = bench.graph.read(Image, '/seg_perception/front/overlay', QoSProfile(depth=5))
    scene = bench.send_until('front', lambda scene: 'grid' in scene.stage_names, 'grid')
    overlay = bench.graph.spin_until(
        lambda: next((item for item in overlays if item.header == scene.header), None), 'overlay'
    )
    assert (overlay.height, overlay.width) == SIZE


def test_stale_tf_is_degraded(bench):
    """A moving camera whose transforms have stopped; the parameters do not stand in for them."""
    publisher = bench.graph.publisher(TFMessage, '/tf', QoSProfile(depth=10))
    publisher.publish(transform('rear_optical', 0.0, stamp_s=500))
    scene = bench.send_until('rear', lambda scene: scene.status != RoadScene.OK, 'DEGRADED')
    assert scene.status == RoadScene.DEGRADED
    assert 's away from the image, expected at most 0.5 s' in scene.status_text
    assert (scene.ground_frame, isnan(scene.drivable_area.free_distance_m)) == ('', True)
    publisher.publish(transform('rear_optical', 0.0, stamp_s=bench.stamp_s + 1))
    bench.graph.spin_for(0.3)
    assert bench.send('rear').ground_frame == 'base_link'


def test_deactivated_node_forgets(bench):
    """Runs last: calibration and transforms come anew, the risk has no past."""
    for transition in (Transition.TRANSITION_DEACTIVATE, Transition.TRANSITION_ACTIVATE):
        request = ChangeState.Request(transition=Transition(id=transition))
        assert bench.graph.call(ChangeState, '/seg_perception/change_state', request).success
    bench.graph.spin_until(bench.images['front'].get_subscription_count, 'subscribing again')
    assert bench.send('front').ground_text.startswith('not calibrated')
