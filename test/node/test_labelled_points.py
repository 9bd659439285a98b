# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""One LiDAR and two cameras: when a cloud goes out, and with whose labels. Without a graph."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from sensor_msgs.msg import PointCloud2, PointField

from benchmarks.range_truth import ROAD, camera_geometry
from ros_graph import stamped
from seg_perception.core.autoware_classes import AUTOWARE_NAMES
from seg_perception.core.camera_geometry import CameraGeometry, CameraView
from seg_perception.core.classes import CAMVID_11
from seg_perception.node.extrinsics import FrameTree
from seg_perception.node.labelled_points import LabelledPoints
from seg_perception.node.parameters import build, complete

FRONT = camera_geometry()
REAR = CameraGeometry(
    FRONT.camera.calibration, FRONT.camera.extrinsics.from_transform(
        (0.0, 0.0, 1.5), (0.5, 0.5, -0.5, -0.5)
    )
)  # fmt: skip
CAR = CAMVID_11.names.index('car')
PLACES = np.array([[10, 0, 0], [-10, 0, 0.5], [0, 10, 0.5]], '<f4')  # ahead, behind, to the left


class Topic:
    """A publisher that someone listens to."""

    def __init__(self) -> None:
        self.sent: list[Any] = []
        self.readers = 1

    def get_subscription_count(self) -> int:
        return self.readers

    def publish(self, message: Any) -> None:
        self.sent.append(message)


class Bench:
    def __init__(self, **given: Any) -> None:
        self.params = build(complete({
            'cameras': ['front', 'rear'], 'front.points_topic': '/points',
            'rear.points_topic': '/points', **given,
        }))  # fmt: skip
        self.topics: dict[str, Topic] = {}

        def publisher(kind: Any, name: str, qos: Any) -> Topic:
            return self.topics.setdefault(name, Topic())

        node = SimpleNamespace(create_lifecycle_publisher=publisher)
        self.points = LabelledPoints(node, CAMVID_11, FrameTree())
        callbacks: dict[str, Any] = {}
        self.points.inputs.topic(
            '/points', PointCloud2, lambda _, t, c, q: callbacks.update({t: c})
        )
        self.heard = callbacks['/points']
        self.labelled = self.topics['~/points_labelled']
        self.filtered = self.topics['~/points_filtered']

    def cloud(self, stamp_s: float) -> None:
        header = stamped(int(stamp_s), round(stamp_s % 1 * 1e9), 'base_link')
        msg = PointCloud2(header=header, height=1, width=3, point_step=12, row_step=36)
        msg.fields = [
            PointField(name=name, offset=4 * i, datatype=7, count=1)
            for i, name in enumerate('xyz')
        ]
        msg.data.frombytes(PLACES.tobytes())
        self.heard(msg)

    def answer(self, camera: str, stamp_s: float) -> None:
        geometry, label = (FRONT, ROAD) if camera == 'front' else (REAR, CAR)
        record = SimpleNamespace(
            labels=np.full((360, 640), label, np.uint8),
            confidence=np.full((360, 640), 255, np.uint8),
        )
        answered: Any = SimpleNamespace(
            params=self.params, record=record, context=SimpleNamespace(view=CameraView(geometry))
        )
        header = stamped(int(stamp_s), round(stamp_s % 1 * 1e9), camera)
        self.points.answered(camera, header, answered)

    def classes(self, topic: Topic) -> list[int]:
        cloud = topic.sent[-1]
        offset = next(each.offset for each in cloud.fields if each.name == 'class_id')
        data = np.frombuffer(cloud.data, np.uint8).reshape(-1, cloud.point_step)
        return data[:, offset].tolist()


def test_a_cloud_waits_for_all_its_cameras():
    bench = Bench()
    bench.cloud(10.0)
    bench.answer('front', 10.01)
    assert not bench.labelled.sent
    bench.answer('rear', 10.02)
    assert bench.classes(bench.labelled) == [ROAD, CAR, 255]
    assert bench.classes(bench.filtered) == [CAR, 255]
    bench.answer('front', 10.04)  # the same cloud is not said twice
    assert len(bench.labelled.sent) == 1


def test_a_camera_that_is_silent_holds_nothing_up():
    bench = Bench()
    bench.cloud(10.0)
    bench.answer('front', 10.01)
    bench.answer('front', 10.11)
    assert bench.classes(bench.labelled) == [ROAD, 255, 255]


def test_frames_far_from_a_cloud_in_time_label_nothing():
    bench = Bench()
    bench.cloud(10.0)
    for camera in ('front', 'rear'):
        bench.answer(camera, 10.2)
    assert not bench.labelled.sent


def test_nothing_is_made_while_nobody_listens():
    bench = Bench()
    for topic in bench.topics.values():
        topic.readers = 0
    bench.cloud(10.0)
    for camera in ('front', 'rear'):
        bench.answer(camera, 10.0)
    assert not bench.labelled.sent and not bench.filtered.sent


@pytest.mark.parametrize(
    ('roles', 'kept'), [(['vehicle'], [ROAD, 255]), (['sky'], [ROAD, CAR, 255])]
)
def test_the_roles_left_out_are_a_parameter(roles, kept):
    bench = Bench(filter_roles=roles)
    bench.cloud(10.0)
    bench.answer('front', 10.0)
    bench.answer('rear', 10.0)
    assert bench.classes(bench.filtered) == kept


def test_ids_of_autoware():
    bench = Bench(class_ids='autoware')
    bench.cloud(10.0)
    bench.answer('front', 10.0)
    bench.answer('rear', 10.0)
    names = [AUTOWARE_NAMES[id] for id in bench.classes(bench.labelled)]
    assert names == ['ROAD', 'VEHICLE', 'UNKNOWN']
