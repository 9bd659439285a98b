# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Depth, LiDAR and labelled clouds over DDS: in, out, and what is said when they are lost."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from diagnostic_msgs.msg import DiagnosticArray
from geometry_msgs.msg import TransformStamped
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CameraInfo, Image, PointCloud2, PointField
from tf2_msgs.msg import TFMessage

from ros_graph import Graph, image_msg, painted, pixels_of, stamped
from seg_perception_msgs.msg import Hazard, RoadScene

ROAD, SKY, WALL = 3, 0, 1  # of CamVid-11
SIZE = (120, 160)
FOCAL_PX, CENTRE_ROW, CENTRE_COLUMN, HEIGHT_M = 120.0, 59.5, 79.5, 1.5
FOOT_ROW = 84
FLAT_M, TRUE_M = 7.5, 6.0  # where flat ground has the wall, and where it is measured
STATIC = QoSProfile(
    depth=1, reliability=ReliabilityPolicy.RELIABLE, durability=DurabilityPolicy.TRANSIENT_LOCAL
)


def street() -> np.ndarray:
    labels = np.full(SIZE, ROAD, np.uint8)
    labels[:FOOT_ROW], labels[:40] = WALL, SKY
    return labels


def camera_info() -> CameraInfo:
    info = CameraInfo(height=SIZE[0], width=SIZE[1], distortion_model='plumb_bob')
    info.k = (FOCAL_PX, 0.0, CENTRE_COLUMN, 0.0, FOCAL_PX, CENTRE_ROW, 0.0, 0.0, 1.0)
    info.p = (*info.k[:3], 0.0, *info.k[3:6], 0.0, 0.0, 0.0, 1.0, 0.0)
    info.r, info.d = np.eye(3).ravel(), [0.0] * 5
    return info


def transform(child: str, z_m: float, turn: tuple[float, ...]) -> TransformStamped:
    message = TransformStamped(header=stamped(0, frame_id='base_link'), child_frame_id=child)
    message.transform.translation.z = z_m
    rotation = message.transform.rotation
    rotation.x, rotation.y, rotation.z, rotation.w = turn
    return message


def depth_msg(header: Any, unit: float = 1000.0) -> Image:
    """The road as it is, and the wall nearer than the ground contact in the image says."""
    rows = np.arange(SIZE[0], dtype=float)[:, None]
    depth = np.where(rows < FOOT_ROW, TRUE_M, FOCAL_PX * HEIGHT_M / np.maximum(rows - 59.5, 1))
    depth = np.where(rows < 40, 0, depth) * np.ones(SIZE)
    msg = Image(header=header, encoding='16UC1', height=SIZE[0], width=SIZE[1], step=2 * SIZE[1])
    msg.data.frombytes(np.rint(depth * unit).astype('<u2').tobytes())
    return msg


def cloud_msg(header: Any) -> PointCloud2:
    """Road up to the wall, the wall, and a point behind; seen from 1.9 m above the ground."""
    x, y = (part.ravel() for part in np.meshgrid(np.arange(3, 5.8, 0.1), np.arange(-2, 2, 0.1)))
    across, up = (
        part.ravel() for part in np.meshgrid(np.arange(-2, 2, 0.1), np.arange(0.5, 2, 0.1))
    )
    road = np.column_stack([x, y, np.zeros_like(x)])
    wall = np.column_stack([np.full_like(across, TRUE_M), across, up])
    points = np.vstack([road, wall, [[-5.0, 0.0, 1.0]]]) - (0, 0, 1.9)
    msg = PointCloud2(header=header, height=1, width=len(points), point_step=12, is_dense=True)
    msg.row_step = 12 * len(points)
    msg.fields = [
        PointField(name=n, offset=4 * i, datatype=7, count=1) for i, n in enumerate('xyz')
    ]
    msg.data.frombytes(points.astype('<f4').tobytes())
    return msg


@dataclass
class Bench:
    """The running node, what it is told and what it says."""

    graph: Graph
    image: Any
    depth: Any
    cloud: Any
    scenes: list[RoadScene]
    diagnostics: list[DiagnosticArray]
    outputs: dict[str, list[Any]] = field(default_factory=dict)
    stamp_s: int = 1000

    def send(self, depth: bool = False, cloud: bool = False, unit: float = 1000.0) -> RoadScene:
        """A frame, and what is measured with it; what the node says of the frame."""
        self.stamp_s += 1
        header = stamped(self.stamp_s, 0, 'front_optical')
        if depth:
            self.depth.publish(depth_msg(stamped(self.stamp_s, 20_000_000, 'front_optical'), unit))
        if cloud:
            self.cloud.publish(cloud_msg(stamped(self.stamp_s, 30_000_000, 'lidar')))
        if depth or cloud:
            self.graph.spin_for(0.1)
        self.scenes.clear()
        return self.graph.publish_until(
            self.image,
            image_msg(painted(street()), header),
            lambda: next((scene for scene in self.scenes if scene.header == header), None),
            'answer',
        )

    def send_until(self, wanted: Any, **sent: Any) -> RoadScene:
        for _ in range(50):
            scene = self.send(**sent)
            if wanted(scene):
                return scene
        raise AssertionError(f'not as wanted: {scene}')

    def values(self) -> dict[str, str]:
        self.diagnostics.clear()
        array = self.graph.spin_until(lambda: self.diagnostics and self.diagnostics[-1])
        return {item.key: item.value for item in array.status[0].values}


@pytest.fixture(scope='module')
def bench(graph, start_node, tiny_path) -> Iterator[Bench]:
    start_node(
        model=str(tiny_path),
        provider='cpu',
        stale_after_s=30.0,
        warn_latency_ms=10000.0,
        diagnostics_period_s=0.1,
        front__depth_topic='/depth/image_raw',
        front__points_topic='/lidar/points',
        calibration__mode='off',
        calibration__folder='',
    )
    made = Bench(
        graph,
        graph.publisher(Image, '/camera/front/image_raw'),
        graph.publisher(Image, '/depth/image_raw'),
        graph.publisher(PointCloud2, '/lidar/points'),
        graph.read(RoadScene, '/seg_perception/front/road_scene'),
        graph.read(DiagnosticArray, '/diagnostics'),
    )
    frames = graph.publisher(TFMessage, '/tf_static', STATIC)
    optical = transform('front_optical', HEIGHT_M, (-0.5, 0.5, -0.5, 0.5))
    frames.publish(TFMessage(transforms=[optical, transform('lidar', 1.9, (0.0, 0.0, 0.0, 1.0))]))
    info = graph.publisher(CameraInfo, '/camera/front/camera_info')
    graph.publish_until(
        info, camera_info(), lambda: made.values()['camera_info'] == '160x120', 'camera_info'
    )
    return made


def wall_of(scene: RoadScene) -> Hazard:
    return next(each for each in scene.safety_risk.hazards if each.zone == Hazard.IN_PATH)


def test_without_range_flat_ground_tells_and_the_frame_says_so(bench):
    scene = bench.send_until(lambda scene: scene.ground_frame)
    assert scene.status == RoadScene.DEGRADED
    assert 'depth: nothing within 0.06 s of the image on /depth/image_raw' in scene.status_text
    assert 'points: nothing within 0.06 s of the image on /lidar/points' in scene.status_text
    assert scene.drivable_area.free_distance_m == pytest.approx(FLAT_M, abs=0.4)
    assert wall_of(scene).distance_source == Hazard.FLAT_GROUND


def test_depth_tells_the_distance(bench):
    scene = bench.send_until(lambda scene: 'depth' not in scene.status_text, depth=True)
    assert scene.drivable_area.free_distance_m == pytest.approx(TRUE_M, rel=0.02)
    wall = wall_of(scene)
    assert wall.distance_source == Hazard.DEPTH
    assert wall.distance_m == pytest.approx(TRUE_M, rel=0.02)
    values = bench.values()
    assert float(values['depth_matched_percent']) > 0 and values['depth_fault'] == ''
    assert float(values['depth_age_s']) < 30 and 'm and' in values['depth_ground_off']


def test_lidar_tells_the_distance(bench):
    scene = bench.send_until(lambda scene: 'points' not in scene.status_text, cloud=True)
    assert 'depth: nothing within' in scene.status_text  # its loss is said
    wall = wall_of(scene)
    assert wall.distance_source == Hazard.LIDAR
    assert wall.distance_m == pytest.approx(TRUE_M, rel=0.03)
    assert float(bench.values()['points_matched_percent']) > 0


def test_depth_of_the_wrong_unit_is_left_out(bench):
    scene = bench.send_until(lambda scene: 'ground off' in scene.status_text, depth=True, unit=100)
    assert 'check unit, frame_id and TF' in scene.status_text
    assert wall_of(scene).distance_source == Hazard.FLAT_GROUND
    assert scene.drivable_area.free_distance_m == pytest.approx(FLAT_M, abs=0.4)


def test_a_labelled_cloud_of_one_stamp_and_size(bench):
    """What Nav2's semantic segmentation layer reads."""
    base, best_effort = (
        '/seg_perception/front/',
        QoSProfile(depth=50, reliability=ReliabilityPolicy.BEST_EFFORT),
    )
    kinds = {
        'points': PointCloud2, 'mask_small': Image, 'confidence_small': Image,
        'mask_small/camera_info': CameraInfo,
    }  # fmt: skip
    read = {name: bench.graph.read(kind, base + name, best_effort) for name, kind in kinds.items()}

    def together() -> dict[str, Any] | None:
        stamps = [{msg.header.stamp.sec for msg in messages} for messages in read.values()]
        common = set.intersection(*stamps)
        return {
            name: next(msg for msg in messages if msg.header.stamp.sec == max(common))
            for name, messages in read.items()
        } if common else None  # fmt: skip

    bench.send_until(lambda scene: 'depth' not in scene.status_text and together(), depth=True)
    found = together()
    cloud, mask = found['points'], found['mask_small']
    assert (cloud.height, cloud.width) == (mask.height, mask.width) == SIZE
    assert found['mask_small/camera_info'].k[0] == pytest.approx(FOCAL_PX)
    assert cloud.header.frame_id == 'base_link' and mask.header.frame_id == 'front_optical'
    assert mask.step == mask.width and found['confidence_small'].step == mask.width
    points = structured(cloud).reshape(SIZE)
    labels = pixels_of(mask)
    np.testing.assert_array_equal(points['class_id'], labels)
    assert np.isnan(points['z'][labels == SKY]).all()
    np.testing.assert_allclose(points['x'][labels == WALL], TRUE_M, atol=0.01)
    np.testing.assert_allclose(points['z'][90:], 0.0, atol=0.02)
    assert points['confidence'][0, 0] == pytest.approx(200 / 255, abs=0.01)


def structured(cloud: PointCloud2) -> np.ndarray:
    kinds = {7: '<f4', 2: 'u1'}
    record = np.dtype({
        'names': [each.name for each in cloud.fields],
        'formats': [kinds[each.datatype] for each in cloud.fields],
        'offsets': [each.offset for each in cloud.fields], 'itemsize': cloud.point_step,
    })  # fmt: skip
    return np.frombuffer(cloud.data, record)


def test_labelled_and_filtered_lidar_points(bench):
    base = '/seg_perception/'
    labelled = bench.graph.read(PointCloud2, base + 'points_labelled')
    filtered = bench.graph.read(PointCloud2, base + 'points_filtered')
    bench.send_until(lambda scene: labelled and filtered, cloud=True)
    sent = structured(cloud_msg(stamped(0)))
    points = structured(labelled[-1])
    assert labelled[-1].header.frame_id == 'lidar' and len(points) == len(sent)
    np.testing.assert_array_equal(points['x'], sent['x'])
    wall, road = points['x'] == np.float32(TRUE_M), (points['x'] > 0) & (points['x'] < 5.8)
    seen = points['class_id'] != 255
    assert (points['class_id'][wall & seen] == WALL).mean() > 0.95
    assert (points['class_id'][road & seen] == ROAD).all() and (road & seen).sum() > 500
    assert not seen[-1] and points['probability'][-1] == 0.0
    kept = structured(filtered[-1])
    assert not (kept['class_id'] == ROAD).any() and (kept['class_id'] == WALL).any()
    assert len(kept) == len(points) - (points['class_id'] == ROAD).sum()
