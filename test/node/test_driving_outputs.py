# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Speed limit, stop signal and their diagnostics over DDS, as Nav2 and Autoware take them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState
from rclpy.duration import Duration
from rclpy.event_handler import SubscriptionEventCallbacks
from rclpy.qos import QoSProfile
from sensor_msgs.msg import CameraInfo, Image
from std_msgs.msg import Bool, Header

from ros_graph import Graph, image_msg, painted, stamped
from seg_perception.core.results import RiskLevel, SafetyRisk
from seg_perception.core.speed_limit import SpeedLimitParams
from seg_perception.node import driving_outputs
from seg_perception.node.parameters import NodeParams
from seg_perception_msgs.msg import FusedScene, RoadScene

ROAD, SKY, WALL, PERSON = 3, 0, 1, 9  # of CamVid-11
SIZE = (120, 160)
FOCAL_PX, CENTRE_ROW = 120.0, 59.5
HEIGHT_M = 1.0
NOISE = np.random.default_rng(0).integers(0, 16, (*SIZE, 3), np.uint8)  # else it is blurred
FAR_ROW, CLOSE_ROW = 65, 119  # 24 m and 2 m ahead
MAXIMUM_MPS, MINIMUM_MPS, STALE_AFTER_S = 20.0, 0.3, 1.5
DEADLINE_S = 0.4
NODE = '/seg_perception'


def street(foot_row: int) -> np.ndarray:
    """Road to a wall across it, FOCAL_PX * HEIGHT_M / (foot_row - 60) metres ahead."""
    labels = np.full(SIZE, ROAD, np.uint8)
    labels[:foot_row] = WALL
    labels[:40] = SKY
    return labels


def camera_info() -> CameraInfo:
    info = CameraInfo(height=SIZE[0], width=SIZE[1], distortion_model='plumb_bob', d=[0.0] * 5)
    info.k = (FOCAL_PX, 0.0, 79.5, 0.0, FOCAL_PX, CENTRE_ROW, 0.0, 0.0, 1.0)
    info.p = (*info.k[:3], 0.0, *info.k[3:6], 0.0, 0.0, 0.0, 1.0, 0.0)
    info.r = np.eye(3).ravel()
    return info


@dataclass
class Bench:
    graph: Graph
    images: Any
    infos: Any
    scenes: list[RoadScene]
    stops: list[Bool]
    diagnostics: list[DiagnosticArray]
    stamp_s: int = 1000

    def send(self, labels: np.ndarray) -> RoadScene:
        self.stamp_s += 1
        header = stamped(self.stamp_s, frame_id='front_optical')
        return self.graph.publish_until(
            self.images,
            image_msg(painted(labels) ^ NOISE, header),
            lambda: next((scene for scene in self.scenes if scene.header == header), None),
            'answer',
        )

    def statuses(self) -> dict[str, DiagnosticStatus]:
        """By name, of the next message."""
        self.diagnostics.clear()
        array = self.graph.spin_until(lambda: self.diagnostics and self.diagnostics[-1])
        return {status.name: status for status in array.status}


@pytest.fixture(scope='module')
def bench(graph, start_node, tiny_path) -> Iterator[Bench]:
    start_node(
        front__extrinsics__height_m=HEIGHT_M,
        model=str(tiny_path),
        provider='cpu',
        stale_after_s=STALE_AFTER_S,
        warn_latency_ms=10000.0,
        diagnostics_period_s=0.5,
        speed_limit__maximum_mps=MAXIMUM_MPS,
        speed_limit__minimum_mps=MINIMUM_MPS,
        deadline_s=DEADLINE_S,
        heartbeat_period_s=0.2,
    )
    bench = Bench(
        graph,
        graph.publisher(Image, '/camera/front/image_raw'),
        graph.publisher(CameraInfo, '/camera/front/camera_info'),
        graph.read(RoadScene, '/seg_perception/front/road_scene'),
        graph.read(Bool, '/seg_perception/stop'),
        graph.read(DiagnosticArray, '/diagnostics'),
    )
    while not bench.send(street(FAR_ROW)).ground_frame:
        bench.infos.publish(camera_info())
    return bench


def test_a_free_road_gives_a_limit_and_no_stop(bench):
    bench.graph.spin_until(lambda: bench.send(street(FAR_ROW)) and not bench.stops[-1].data, 'go')
    speed_mps = bench.send(street(FAR_ROW)).safety_risk.suggested_speed_mps
    assert 1.0 < speed_mps < 15.0
    bench.statuses()  # of before
    statuses = bench.statuses()
    emergency = statuses['/seg_perception: emergency']
    limit = statuses['/seg_perception: velocity_limit']
    assert (emergency.level, emergency.message) == (DiagnosticStatus.OK, 'no emergency')
    assert (limit.level, limit.message) == (DiagnosticStatus.OK, f'{speed_mps:.2f} m/s')
    values = {item.key: item.value for item in limit.values}
    assert values['velocity_limit_mps'] == values['suggested_speed_mps'] == f'{speed_mps:.2f}'


def test_a_wall_close_by_stops_at_once(bench):
    """The diagnostics say so without waiting for their period."""
    bench.graph.spin_until(lambda: bench.send(street(FAR_ROW)) and not bench.stops[-1].data, 'go')
    bench.diagnostics.clear()
    bench.graph.spin_until(lambda: bench.send(street(CLOSE_ROW)) and bench.stops[-1].data, 'stop')
    arrays = bench.graph.spin_until(lambda: list(bench.diagnostics), 'diagnostics', 2.0)
    levels = {row.name: row.level for array in arrays for row in array.status}
    assert levels['/seg_perception: emergency'] == DiagnosticStatus.ERROR


def test_a_silent_camera_stops(bench):
    bench.graph.spin_until(lambda: bench.send(street(FAR_ROW)) and not bench.stops[-1].data, 'go')
    bench.graph.spin_until(lambda: bench.stops[-1].data, 'stop', 3 * STALE_AFTER_S)
    statuses = bench.statuses()
    emergency = statuses['/seg_perception: emergency']
    assert (emergency.level, emergency.message) == (DiagnosticStatus.ERROR, 'stop: risk UNKNOWN')
    assert statuses['/seg_perception: velocity_limit'].level == DiagnosticStatus.WARN
    assert statuses['/seg_perception: camera front'].level == DiagnosticStatus.ERROR


def test_readers_hear_when_a_message_is_late(bench):
    """They ask for a deadline and for signs of life; the node has to offer both."""
    within, lost = Duration(seconds=1.0), []
    qos = QoSProfile(depth=1, deadline=within, liveliness_lease_duration=Duration(seconds=20.0))
    events = SubscriptionEventCallbacks(
        deadline=lambda _: lost.append('late'), incompatible_qos=lambda _: lost.append('unmatched')
    )
    node, ignore = bench.graph.node, lambda message: None
    subscriptions = [
        node.create_subscription(kind, f'{NODE}/{name}', ignore, qos, event_callbacks=events)
        for kind, name in (
            (Bool, 'stop'), (FusedScene, 'road_scene'), (RoadScene, 'front/road_scene'),
            (Image, 'front/mask'),
        )
    ]  # fmt: skip
    for subscription in subscriptions:
        bench.graph.spin_until(subscription.get_publisher_count, subscription.topic_name)
    bench.send(street(FAR_ROW))
    bench.graph.spin_until(lambda: lost, 'a missed deadline')
    assert set(lost) == {'late'}
    for subscription in subscriptions:
        node.destroy_subscription(subscription)


def test_heartbeat(bench):
    beats = bench.graph.read(Header, '/seg_perception/heartbeat')
    bench.graph.spin_until(lambda: len(beats) > 3, 'beats', 5.0)
    assert beats[-1].frame_id == '/seg_perception'


def test_speed_limit_as_nav2_takes_it(bench):
    msgs = pytest.importorskip('nav2_msgs.msg', reason='nav2_msgs is not installed')
    limits = bench.graph.read(msgs.SpeedLimit, '/seg_perception/speed_limit')
    bench.graph.spin_until(lambda: bench.send(street(FAR_ROW)) and limits, 'limit')
    assert (limits[-1].header.frame_id, limits[-1].percentage) == ('base_link', False)
    bench.graph.spin_until(lambda: bench.send(street(FAR_ROW)) and limits[-1].speed_limit > 1.0)
    bench.graph.spin_until(
        lambda: bench.send(street(CLOSE_ROW)) and limits[-1].speed_limit == MINIMUM_MPS, 'minimum'
    )
    assert min(limit.speed_limit for limit in limits) == MINIMUM_MPS  # never 0: no limit


def test_nothing_is_known_while_the_node_is_inactive(bench):
    """Runs last."""
    request = ChangeState.Request(transition=Transition(id=Transition.TRANSITION_DEACTIVATE))
    assert bench.graph.call(ChangeState, '/seg_perception/change_state', request).success
    wanted = '/seg_perception: emergency'
    bench.graph.spin_until(lambda: bench.statuses()[wanted].level == DiagnosticStatus.STALE)


def test_the_limit_of_a_message_is_never_zero(monkeypatch):
    """With a stand-in for nav2_msgs, which is not installed everywhere."""
    kinds: dict[str, list[Any]] = {}

    def publisher(kind: Any, topic: str, qos: Any) -> Any:
        return SimpleNamespace(publish=kinds.setdefault(topic, []).append)

    node = SimpleNamespace(create_lifecycle_publisher=publisher)
    now = replace(NodeParams(), speed_limit=SpeedLimitParams(1.0, 0.25))
    params = SimpleNamespace(now=now)
    monkeypatch.setattr(driving_outputs, 'SPEED_LIMIT', SimpleNamespace)
    changes: list[int] = []
    outputs = driving_outputs.DrivingOutputs(node, params, lambda: changes.append(1))
    for speed_mps in (0.5, 0.0, float('nan'), 9.0):
        risk = SafetyRisk(80.0, RiskLevel.LOW, (), suggested_speed_mps=speed_mps)
        outputs.publish(risk, Header())
    assert [limit.speed_limit for limit in kinds['~/speed_limit']] == [0.5, 0.25, 0.25, 1.0]
    assert [stop.data for stop in kinds['~/stop']] == [False, True, False, False]
    assert len(changes) == 3  # go, stop, go
