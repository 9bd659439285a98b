# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""A camera that is faster than the model: the newest frame wins, latency stays bounded."""

from __future__ import annotations

import time

import numpy as np
from diagnostic_msgs.msg import DiagnosticArray
from sensor_msgs.msg import Image

from ros_graph import image_msg, painted, stamped
from seg_perception_msgs.msg import RoadScene
from tiny_model import write_tiny_model

MODEL_MS = 100.0
PERIOD_S = 0.02
FRAMES = 150


def test_drops_are_counted_and_latency_does_not_grow(graph, start_node, tmp_path):
    model = write_tiny_model(tmp_path / 'slow.onnx', delay=MODEL_MS)
    start_node(
        model=str(model),
        provider='cpu',
        threads=1,
        warn_latency_ms=60000.0,
        stale_after_s=30.0,
        diagnostics_period_s=0.2,
    )
    scenes = graph.read(RoadScene, '/seg_perception/front/road_scene')
    diagnostics = graph.read(DiagnosticArray, '/diagnostics')
    publisher = graph.publisher(Image, '/camera/front/image_raw')
    rgb = painted(np.full((48, 64), 3))
    start_s = time.monotonic()
    for index in range(FRAMES):
        publisher.publish(image_msg(rgb, stamped(index + 1)))
        due_s = start_s + (index + 1) * PERIOD_S
        graph.spin_for(max(0.001, due_s - time.monotonic()))
    graph.spin_until(lambda: scenes[-1].header.stamp.sec == FRAMES, 'the newest frame')
    stamps = [scene.header.stamp.sec for scene in scenes]
    assert stamps == sorted(set(stamps))
    assert len(scenes) < FRAMES // 2
    inference_ms = np.array(
        [scene.stage_ms[list(scene.stage_names).index('inference')] for scene in scenes]
    )
    latency_ms = [scene.latency_ms for scene in scenes]
    # A frame waits for the run before it and has its own. The rest is a busy machine; a queue
    # would add seconds.
    waits_ms = np.array(latency_ms[1:]) - inference_ms[1:] - inference_ms[:-1]
    assert waits_ms.max() < 300

    diagnostics.clear()
    array = graph.spin_until(lambda: len(diagnostics) > 1 and diagnostics[-1])
    values = {item.key: item.value for item in array.status[0].values}
    received, segmented = int(values['frames_received']), int(values['frames_segmented'])
    assert segmented == len(scenes)
    assert int(values['frames_dropped']) == received - segmented > 0
