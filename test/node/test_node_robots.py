# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""The node among what robots do: latched topics, stamps that stand still, a second node."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from diagnostic_msgs.msg import DiagnosticArray
from nav_msgs.msg import OccupancyGrid
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CameraInfo, CompressedImage, Image
from std_msgs.msg import Header

from ros_graph import BEST_EFFORT, Graph, image_msg, painted, pixels_of
from seg_perception.core.autoware_classes import AUTOWARE_NAMES
from seg_perception.core.classes import CAMVID_11
from seg_perception.core.masks import colourise
from seg_perception_msgs.msg import RoadScene

ROAD, SKY = 3, 0
SIZE = (60, 80)
LATCHED = QoSProfile(
    depth=1, reliability=ReliabilityPolicy.RELIABLE, durability=DurabilityPolicy.TRANSIENT_LOCAL
)


def labels() -> np.ndarray:
    found = np.full(SIZE, ROAD, np.uint8)
    found[:20] = SKY
    return found


@pytest.fixture(scope='module')
def bench(graph: Graph, tiny_path, start_node) -> SimpleNamespace:
    """Three cameras: one with a latched camera_info, one sent as JPEG alone, one raw alone."""
    info = CameraInfo(height=SIZE[0], width=SIZE[1], distortion_model='plumb_bob')
    info.k = (60.0, 0.0, 39.5, 0.0, 60.0, 29.5, 0.0, 0.0, 1.0)
    info.p = (*info.k[:3], 0.0, *info.k[3:6], 0.0, 0.0, 0.0, 1.0, 0.0)
    info.r, info.d = np.eye(3).ravel(), [0.0] * 5
    graph.node.create_publisher(CameraInfo, '/camera/front/camera_info', LATCHED).publish(info)
    jpeg = graph.node.create_publisher(CompressedImage, '/camera/jpeg/image_raw/compressed', 5)
    raw = graph.node.create_publisher(Image, '/camera/raw/image_raw', 5)
    # Strict types of message fields, as on Humble and with debugging: they change no answer.
    monkeypatch = pytest.MonkeyPatch()
    monkeypatch.setenv('ROS_PYTHON_CHECK_FIELDS', '1')
    process = start_node(
        model=str(tiny_path),
        cameras=['front', 'jpeg', 'raw'],
        front__extrinsics__height_m=1.5,
        front__extrinsics__pitch_rad=0.1,
        raw__transport='compressed',
        diagnostics_period_s=0.2,
        robot_name='r1',
    )
    monkeypatch.undo()
    return SimpleNamespace(
        graph=graph,
        process=process,
        others=(jpeg, raw),
        images=graph.publisher(Image, '/camera/front/image_raw', BEST_EFFORT),
        scenes=graph.read(RoadScene, '/seg_perception/front/road_scene'),
        diagnostics=graph.read(DiagnosticArray, '/diagnostics'),
    )


def send(bench: SimpleNamespace, header: Header, count: int = 1) -> None:
    for _ in range(count):
        answers = len(bench.scenes)
        bench.graph.publish_until(
            bench.images,
            image_msg(painted(labels()), header),
            lambda answers=answers: len(bench.scenes) > answers,
            'answer',
        )


def test_camera_info_that_was_latched_before_the_start_makes_it_metric(bench) -> None:
    bench.graph.spin_until(
        lambda: send(bench, Header()) or bench.scenes[-1].ground_frame, 'metres'
    )
    assert bench.scenes[-1].ground_frame == 'base_link'
    assert bench.scenes[-1].drivable_area.free_distance_m > 0


@pytest.mark.parametrize('name', ['front/drivable_grid', 'drivable_grid'])
def test_latched_and_volatile_readers_get_the_grids(bench, name: str) -> None:
    topic = f'/seg_perception/{name}'
    grids = [bench.graph.read(OccupancyGrid, topic, qos) for qos in (LATCHED, BEST_EFFORT)]
    bench.graph.spin_until(lambda: send(bench, Header()) or all(grids), 'grids')
    late = bench.graph.read(OccupancyGrid, topic, LATCHED)
    bench.graph.spin_until(lambda: late, 'the last grid for who comes late')


def test_stamps_that_stand_still_are_told_and_answers_keep_them(bench) -> None:
    def told() -> bool:
        send(bench, Header(frame_id='camera'))
        (front, *_) = bench.diagnostics[-1].status if bench.diagnostics else [None]
        return front is not None and 'stand still' in front.message

    bench.graph.spin_until(told, 'a warning of the stamps')
    assert (bench.scenes[-1].header.stamp.sec, bench.scenes[-1].header.stamp.nanosec) == (0, 0)


def test_mask_color_is_the_mask_for_the_eye(bench) -> None:
    colours = bench.graph.read(Image, '/seg_perception/front/mask_color')
    bench.graph.spin_until(lambda: send(bench, Header()) or colours, 'colours')
    assert colours[-1].encoding == 'rgb8'
    np.testing.assert_array_equal(pixels_of(colours[-1]), colourise(labels(), CAMVID_11))


def test_mask_for_autoware_is_run_length_encoded(bench) -> None:
    masks = bench.graph.read(Image, '/seg_perception/front/mask_autoware')
    bench.graph.spin_until(lambda: send(bench, Header()) or masks, 'mask')
    mask = masks[-1]
    runs = np.frombuffer(mask.data, [('value', 'u1'), ('length', '<i4')])
    ids = np.repeat(runs['value'], runs['length']).reshape(mask.height, mask.width)
    names = np.array(AUTOWARE_NAMES)[ids]
    own = np.array(CAMVID_11.names)[labels()]
    assert set(names[own == 'road']) == {'ROAD'}
    pairs = {'sky': 'SKY', 'road': 'ROAD', 'building': 'BUILDING', 'car': 'VEHICLE'}
    assert all(set(names[own == each]) <= {wanted} for each, wanted in pairs.items())


@pytest.mark.parametrize(
    ('camera', 'said'),
    [
        ('jpeg', 'on /camera/jpeg/image_raw/compressed: set jpeg.transport to compressed'),
        ('raw', 'on /camera/raw/image_raw: set raw.transport to raw'),
    ],
)
def test_images_in_the_other_transport_are_named(bench, camera: str, said: str) -> None:
    scenes = bench.graph.read(RoadScene, f'/seg_perception/{camera}/road_scene')
    bench.graph.spin_until(lambda: any(said in scene.status_text for scene in scenes), said)


def test_parameters_of_other_nodes_are_named(bench) -> None:
    assert 'which have no effect here: robot_name' in bench.process.log.read_text()


def test_a_second_node_of_the_name_is_told(bench, tiny_path, start_node) -> None:
    second = start_node(model=str(tiny_path))
    for process in (bench.process, second):
        bench.graph.process = process
        bench.graph.spin_until(
            lambda log=process.log: '2 nodes are called /seg_perception' in log.read_text(),
            'a warning of the other node',
        )
    bench.graph.process = bench.process
    second.stop()
