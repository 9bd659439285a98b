# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Lifecycle transitions from outside, and the end by SIGTERM."""

from __future__ import annotations

import os
import signal

import numpy as np
import pytest
from diagnostic_msgs.msg import DiagnosticArray
from lifecycle_msgs.msg import State, Transition
from lifecycle_msgs.srv import ChangeState, GetState
from sensor_msgs.msg import Image

from ros_graph import image_msg, painted, stamped
from seg_perception_msgs.msg import RoadScene

MASK, SCENE = '/seg_perception/front/mask', '/seg_perception/front/road_scene'


@pytest.fixture(scope='module')
def process(start_node, tiny_path):
    return start_node(
        model=str(tiny_path),
        provider='cpu',
        autostart=False,
        diagnostics_period_s=0.2,
        use_sim_time=True,  # and nobody publishes /clock: nothing may hang on it
    )


def state(graph) -> int:
    answer = graph.call(GetState, '/seg_perception/get_state', GetState.Request())
    return answer.current_state.id


def change(graph, transition: int) -> bool:
    request = ChangeState.Request(transition=Transition(id=transition))
    return graph.call(ChangeState, '/seg_perception/change_state', request).success


def answer(graph, publisher, scenes, stamp_s: int) -> RoadScene:
    return graph.publish_until(
        publisher,
        image_msg(painted(np.full((16, 16), 3)), stamped(stamp_s)),
        lambda: next((s for s in scenes if s.header.stamp.sec == stamp_s), None),
        'answer',
    )


def diagnosed_state(graph, diagnostics) -> str:
    diagnostics.clear()
    array = graph.spin_until(lambda: diagnostics and diagnostics[-1], 'diagnostics')
    return next(item.value for item in array.status[0].values if item.key == 'state')


def test_transitions(graph, process):
    assert state(graph) == State.PRIMARY_STATE_UNCONFIGURED
    assert graph.node.count_publishers(MASK) == 0

    assert change(graph, Transition.TRANSITION_CONFIGURE)
    assert state(graph) == State.PRIMARY_STATE_INACTIVE
    scenes = graph.read(RoadScene, SCENE)
    diagnostics = graph.read(DiagnosticArray, '/diagnostics')
    assert diagnosed_state(graph, diagnostics) == 'inactive'
    assert graph.node.count_subscribers('/camera/front/image_raw') == 0

    assert change(graph, Transition.TRANSITION_ACTIVATE)
    assert state(graph) == State.PRIMARY_STATE_ACTIVE
    publisher = graph.publisher(Image, '/camera/front/image_raw')
    assert answer(graph, publisher, scenes, 10).status == RoadScene.OK
    assert diagnosed_state(graph, diagnostics) == 'active'

    assert change(graph, Transition.TRANSITION_DEACTIVATE)
    graph.spin_until(lambda: publisher.get_subscription_count() == 0, 'unsubscribing')
    assert diagnosed_state(graph, diagnostics) == 'inactive'

    assert change(graph, Transition.TRANSITION_ACTIVATE)
    graph.spin_until(publisher.get_subscription_count, 'subscribing again')
    assert answer(graph, publisher, scenes, 11).status == RoadScene.OK

    assert change(graph, Transition.TRANSITION_DEACTIVATE)
    assert change(graph, Transition.TRANSITION_CLEANUP)
    assert state(graph) == State.PRIMARY_STATE_UNCONFIGURED
    graph.spin_until(lambda: graph.node.count_publishers(MASK) == 0, 'mask to go')

    assert change(graph, Transition.TRANSITION_CONFIGURE)
    assert change(graph, Transition.TRANSITION_ACTIVATE)
    graph.spin_until(publisher.get_subscription_count, 'subscribing again')
    graph.spin_until(lambda: graph.node.count_publishers(MASK) == 1, 'mask to come back')
    scenes = graph.read(RoadScene, SCENE)
    assert answer(graph, publisher, scenes, 12).status == RoadScene.OK


def test_shutdown_from_active(graph, process):
    assert change(graph, Transition.TRANSITION_ACTIVE_SHUTDOWN)
    assert state(graph) == State.PRIMARY_STATE_FINALIZED
    graph.spin_until(lambda: graph.node.count_publishers(MASK) == 0, 'mask to go')


def test_sigterm_ends_it_cleanly(graph, process):
    graph.process = None
    os.kill(process.pid, signal.SIGTERM)
    graph.spin_until(lambda: process.exit_code is not None, 'end of the node')
    assert process.exit_code == 0
    assert 'Traceback' not in process.log.read_text()
