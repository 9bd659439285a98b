# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""What cannot be seen from outside: a node in this process."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from rclpy.executors import SingleThreadedExecutor
from rclpy.parameter import Parameter
from sensor_msgs.msg import Image

from ros_graph import BEST_EFFORT, Graph, image_msg, painted, stamped
from seg_perception.core.classes import ClassTable, Role, SegClass
from seg_perception.inference.model_file import OodCalibration
from seg_perception.node import camera_outputs, decoding
from seg_perception.node.diagnostics import State
from seg_perception.node.node import SegPerceptionNode
from seg_perception_msgs.msg import RoadScene, SafetyRisk
from tiny_model import write_tiny_model

NODE = '/inside'
IMAGE = f'{NODE}/image'
ROAD = painted(np.full((16, 16), 3))


@contextmanager
def running(graph: Graph, model: Path, name: str, **others: object) -> Iterator[SegPerceptionNode]:
    overrides = {'model': str(model), 'provider': 'cpu', 'front.image_topic': f'{name}/image'}
    overrides |= others
    # A name of its own: rclpy's lifecycle services stay until the garbage is collected.
    node = SegPerceptionNode(
        context=graph.context,
        cli_args=['--ros-args', '-r', f'__node:={name[1:]}'],
        parameter_overrides=[Parameter(name, value=value) for name, value in overrides.items()],
    )
    executor = SingleThreadedExecutor(context=graph.context)
    executor.add_node(node)
    thread = threading.Thread(target=executor.spin)
    thread.start()
    yield node
    executor.shutdown()
    thread.join()
    node.close()


@pytest.fixture(scope='module')
def node(graph: Graph, tiny_path) -> Iterator[SegPerceptionNode]:
    with running(graph, tiny_path, NODE) as node:
        yield node


@pytest.fixture(scope='module')
def scenes(graph, node) -> list[RoadScene]:
    return graph.read(RoadScene, f'{NODE}/front/road_scene')


@pytest.fixture(scope='module')
def publisher(graph, node):
    return graph.publisher(Image, IMAGE)


def send(graph, publisher, scenes, stamp_s: int, rgb: np.ndarray = ROAD) -> RoadScene:
    return graph.publish_until(
        publisher,
        image_msg(rgb, stamped(stamp_s)),
        lambda: next((s for s in scenes if s.header.stamp.sec == stamp_s), None),
        'answer',
    )


def test_a_failure_in_processing_is_told_and_the_next_frame_works(
    graph, node, publisher, scenes, monkeypatch
):
    def fail(*arguments):
        raise RuntimeError('boom')

    assert send(graph, publisher, scenes, 1).status == RoadScene.OK
    with monkeypatch.context() as patch:
        patch.setattr(node._answerer, 'answer', fail)
        scene = send(graph, publisher, scenes, 2)
    assert (scene.status, scene.status_text) == (RoadScene.INVALID, 'RuntimeError: boom')
    assert scene.safety_risk.level == SafetyRisk.UNKNOWN
    assert send(graph, publisher, scenes, 3).status == RoadScene.OK


def test_a_slow_decode_holds_up_no_other_camera(graph, tiny_path, monkeypatch):
    """The other one is answered while it lasts, and the slow one when it is over."""
    released, decode = threading.Event(), decoding.to_pixels

    def to_pixels(msg, max_megapixels):
        if msg.header.frame_id == 'slow':
            released.wait(120)
        return decode(msg, max_megapixels)

    monkeypatch.setattr(decoding, 'to_pixels', to_pixels)
    with running(graph, tiny_path, '/slowed', cameras=['front', 'rear']):
        scenes = graph.read(RoadScene, '/slowed/front/road_scene')
        slow = graph.read(RoadScene, '/slowed/rear/road_scene')
        front = graph.publisher(Image, '/slowed/image')
        rear = graph.publisher(Image, '/camera/rear/image_raw')
        rear.publish(image_msg(ROAD, stamped(1, frame_id='slow')))
        for i in (1, 2, 3):
            send(graph, front, scenes, i)
            rear.publish(image_msg(ROAD, stamped(1 + i, frame_id='slow')))
        answered = RoadScene.OK, RoadScene.DEGRADED  # it took too long
        assert not any(scene.status in answered for scene in slow)
        released.set()
        graph.spin_until(lambda: any(scene.status in answered for scene in slow), 'slow one')


def test_a_silent_camera_is_told_while_callbacks_block(graph, node, publisher, scenes):
    """What blocks the executor, which callbacks and timers share, keeps no watchdog from it."""
    send(graph, publisher, scenes, 5)
    scenes.clear()
    blocked = threading.Event()
    ended: list[float] = []

    def block() -> None:
        timer.cancel()
        blocked.wait(10.0)
        ended.append(time.monotonic())

    timer = node.create_timer(0.0, block)
    try:
        stale = graph.spin_until(lambda: scenes and scenes[-1], 'STALE', 5.0)
        assert stale.status == RoadScene.STALE and not ended
    finally:
        blocked.set()
    node.destroy_timer(timer)


def test_a_worker_that_hangs_is_no_silent_camera(graph, node, publisher, scenes, monkeypatch):
    assert send(graph, publisher, scenes, 6).status == RoadScene.OK
    answer, goes_on = node._answerer.answer, threading.Event()

    def hang(*arguments):
        goes_on.wait(20.0)
        return answer(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(node._answerer, 'answer', hang)
        told: list[RoadScene] = []

        def sent() -> bool:  # the camera goes on
            publisher.publish(image_msg(ROAD, stamped(7)))
            told.extend(scene for scene in scenes if scene.status == RoadScene.STALE)
            return any('the worker has been at a frame of front' in s.status_text for s in told)

        graph.spin_until(sent, 'a hung worker', 10.0)
        (report, hint) = node._cameras[0].report(1.0, True)
        assert 'the worker has been at a frame of front for' in hint
        assert report.state is State.STALE
        goes_on.set()
    graph.spin_until(lambda: send(graph, publisher, scenes, 8).status == RoadScene.OK)


def test_overlay_is_drawn_only_while_someone_listens(graph, node, publisher, scenes, monkeypatch):
    drawn: list[int] = []
    draw_scene = camera_outputs.draw_scene

    def count(*arguments, **options):
        drawn.append(1)
        return draw_scene(*arguments, **options)

    monkeypatch.setattr(camera_outputs, 'draw_scene', count)
    send(graph, publisher, scenes, 10)
    send(graph, publisher, scenes, 11)
    assert drawn == []
    overlays: list[Image] = []
    topic = f'{NODE}/front/overlay'
    subscription = graph.node.create_subscription(Image, topic, overlays.append, BEST_EFFORT)
    graph.spin_until(lambda: node.count_subscribers(topic), 'match')
    graph.spin_until(subscription.get_publisher_count, 'match')
    send(graph, publisher, scenes, 12)
    graph.spin_until(lambda: overlays, 'overlay')
    assert drawn == [1]
    graph.node.destroy_subscription(subscription)
    graph.spin_until(lambda: node.count_subscribers(topic) == 0, 'end of the match')
    send(graph, publisher, scenes, 13)
    send(graph, publisher, scenes, 14)
    assert drawn == [1]


def test_a_model_without_road_says_so(graph, tmp_path):
    table = ClassTable('walls', (SegClass(0, 'wall', (128, 0, 0), Role.OBSTACLE),))
    model = write_tiny_model(tmp_path / 'walls.onnx', table)
    with running(graph, model, '/walls'):
        scenes = graph.read(RoadScene, '/walls/front/road_scene')
        publisher = graph.publisher(Image, '/walls/image')
        scene = send(graph, publisher, scenes, 1)
    assert scene.status == RoadScene.DEGRADED
    assert scene.status_text == 'no class of walls is drivable: no road is ever found'
    assert scene.safety_risk.level == SafetyRisk.CRITICAL


def test_a_frame_unlike_what_was_learned_is_degraded(graph, tmp_path):
    """Pixels 9 off in each channel: 243, of which 81 would be at the threshold."""
    scale = OodCalibration('distance', 0.0, 81.0)
    model = write_tiny_model(tmp_path / 'scaled.onnx', ood_calibration=scale)
    with running(graph, model, '/doubting') as node:
        scenes = graph.read(RoadScene, '/doubting/front/road_scene')
        publisher = graph.publisher(Image, '/doubting/image')
        known = send(graph, publisher, scenes, 1)
        ood_score = send(graph, publisher, scenes, 2, ROAD + np.uint8(9))
        values = node._cameras[0].health.report(time.monotonic(), 1.0)
    assert (known.status, known.status_text) == (RoadScene.OK, '')
    assert ood_score.status == RoadScene.DEGRADED
    # The confidence of 0.78 is believed to 30 %.
    assert ood_score.status_text.startswith(
        'unlike what the model has learned: 0.75 of 1; mean conf'
    )
    assert ood_score.safety_risk.score < known.safety_risk.score
    assert values.ood_score == pytest.approx(0.375)  # the median of both
