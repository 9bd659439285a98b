# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""The node and an evaluation say the same of the same frames."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from rclpy.qos import QoSProfile
from sensor_msgs.msg import CameraInfo, Image

from ros_graph import image_msg, stamped
from seg_perception.core.results import SceneStatus
from seg_perception.evaluation.evaluate import evaluate
from seg_perception.inference.answer import AnswerSettings
from seg_perception.node.parameters import build, complete
from seg_perception.options import EvaluationOptions, MountOptions
from seg_perception_msgs.msg import RoadScene
from tiny_bags import CAMERA_INFO, IMAGE, NS, START_NS, TOPIC, Make, write_bag

SIZE = (96, 128)
SKY, ROAD, CAR = (128, 128, 128), (128, 64, 128), (128, 0, 64)  # BGR of CamVid
STEP_NS = NS // 10


def pictures() -> list[np.ndarray]:
    """A free road, a car that stands in it for some frames, and the free road again; BGR."""
    free = np.full((*SIZE, 3), ROAD, np.uint8)
    free[:48] = SKY
    blocked = free.copy()
    blocked[50:70, 44:84] = CAR
    return [free, free, blocked, blocked, blocked, free, free]


def info(make: Make, focal_px: float, size: tuple[int, int]) -> Any:
    return make.info(focal_px, START_NS, size)


def evaluated(folder: Path, model: Path, size: tuple[int, int]) -> list[dict[str, Any]]:
    rows = [
        ('/camera/front/camera_info', CAMERA_INFO, START_NS - 1, lambda m: info(m, 100.0, size))
    ]
    for number, bgr in enumerate(pictures()):
        at_ns = START_NS + number * STEP_NS
        rows.append((TOPIC, IMAGE, at_ns, lambda make, b=bgr, t=at_ns: make.image(b, t)))
    bag = write_bag(folder / 'drive', rows)
    options = EvaluationOptions(
        (str(bag),),
        folder / 'out',
        model=model,
        provider='cpu',
        mount=MountOptions(height_m=1.5),
        outputs=(),
    )
    return pq.read_table(evaluate(options).out / 'frames.parquet').to_pylist()


@pytest.mark.parametrize('size', [SIZE, (100, 100)])
def test_same_frames_same_answers(graph, start_node, tiny_path, tmp_path, size) -> None:
    """With a calibration that fits, and with one of another shape."""
    camera = f'parity{size[1]}'
    name = f'/camera/{camera}'
    start_node(
        cameras=[camera],
        **{f'{camera}.image_topic': f'{name}/image_raw'},
        **{f'{camera}.camera_info_topic': f'{name}/camera_info'},
        **{f'{camera}.mount.height_m': 1.5},
        **{f'{camera}.reliable': True},
        model=str(tiny_path),
        provider='cpu',
        stale_after_s=30.0,
        warn_latency_ms=60000.0,
    )
    infos = graph.publisher(CameraInfo, f'{name}/camera_info')
    images = graph.publisher(Image, f'{name}/image_raw', QoSProfile(depth=5))
    scenes = graph.read(RoadScene, f'/seg_perception/{camera}/road_scene')
    made = info(Make(), 100.0, size)
    message = CameraInfo(
        height=size[0], width=size[1], distortion_model='plumb_bob',
        d=made.d, k=made.k, r=made.r, p=made.p,
    )  # fmt: skip

    def with_header(header):
        return next((scene for scene in scenes if scene.header == header), None)

    # Until the calibration is there; another frame_id, which the memory of the risk forgets.
    for number in range(50):
        infos.publish(message)
        header = stamped(number, 0, 'warm_up')
        picture = image_msg(pictures()[0], header)
        scene = graph.publish_until(images, picture, partial(with_header, header), 'warm-up')
        if not scene.ground_text.startswith('not calibrated'):
            break
    said = {}
    for number, bgr in enumerate(pictures()):
        at_ns = START_NS + number * STEP_NS
        header = stamped(at_ns // NS, at_ns % NS, 'front_optical')
        images.publish(image_msg(bgr[..., ::-1], header, 'bgr8'))  # once: twice is remembered
        said[at_ns] = graph.spin_until(partial(with_header, header), 'answer')
    rows = evaluated(tmp_path, tiny_path, size)
    assert len(rows) == len(said)
    for row in rows:
        scene = said[row['stamp_ns']]
        area, risk = scene.drivable_area, scene.safety_risk
        assert row['status'] == SceneStatus(scene.status).name
        assert row['status_reason'] == scene.status_text
        for ours, theirs in (
            (row['score'], risk.score),
            (row['image_share'], area.image_share),
            (row['corridor_share'], area.corridor_share),
            (row['free_distance_m'], area.free_distance_m),
        ):
            assert ours == pytest.approx(theirs, rel=1e-6, nan_ok=True)
        assert row['level'] == risk.level
        assert [row[f'factor_{factor.name}'] for factor in risk.factors] == pytest.approx(
            [factor.risk for factor in risk.factors], rel=1e-6
        )
    fits = size == SIZE
    assert {row['status'] for row in rows} == ({'OK'} if fits else {'DEGRADED'})
    assert np.isfinite(rows[0]['free_distance_m']) == fits
    scores = [row['score'] for row in rows]
    assert scores[2] < scores[0] and scores[5] < scores[0], 'the car is remembered'


def test_both_doubt_below_the_same_confidence() -> None:
    assert build(complete({})).warn_confidence == AnswerSettings().warn_confidence
