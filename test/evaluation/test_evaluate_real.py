# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Real recordings with the embedded model; skipped where they are not at hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pyarrow.parquet as pq
import pytest
from rosbags.convert import converter
from rosbags.typesys import Stores, get_typestore

from data_trees import SHARED
from seg_perception.evaluation.evaluate import Evaluation, evaluate
from seg_perception.options import EvaluationOptions, MountOptions
from tiny_bags import IMAGE, NS, START_NS, Row, write_bag
from tiny_model import write_tiny_model

BAG = SHARED / 'bags/udacity_compressed_640x360_mcap'
VIDEO = SHARED / 'videos/udacity_solidWhiteRight_960x540_25fps.mp4'
CAMVID = SHARED / 'camvid'
KINDS = {'sqlite3': 'other', 'ros1': 'other.bag'}

pytestmark = pytest.mark.slow


def evaluated(tmp_path: Path, path: Path, **others: Any) -> Evaluation:
    given = {'provider': 'cpu', 'outputs': (), **others}
    return evaluate(EvaluationOptions((str(path),), tmp_path / f'out_{path.stem}', **given))


def rows_of(found: Evaluation) -> list[dict[str, Any]]:
    return pq.read_table(found.out / 'frames.parquet').to_pylist()


def converted(source: Path, target: Path, kind: str) -> Path:
    """The bag as another kind, by rosbags' own converter."""
    stores = get_typestore(Stores.ROS2_JAZZY), get_typestore(Stores.ROS1_NOETIC)
    is_ros1 = kind == 'ros1'
    target.parent.mkdir()
    converter.convert(
        srcs=[source],
        dst=target,
        dst_storage='sqlite3',
        dst_version=8,
        compress=None,
        compress_mode='file',
        default_typestore=stores[0],
        typestore=stores[1] if is_ros1 else stores[0],
        exclude_topics=(),
        include_topics=(),
        exclude_msgtypes=(),
        include_msgtypes=(),
    )
    return target


@pytest.mark.skipif(not BAG.is_dir(), reason='no real bag in ../shared/data')
def test_real_bag(tmp_path: Path) -> None:
    found = evaluated(
        tmp_path, BAG, mount=MountOptions(height_m=1.3), outputs=('bag', 'video', 'thumbs')
    )
    rows = rows_of(found)
    assert (len(rows), found.summary['failures']) == (38, [])
    assert [row['stamp_ns'] for row in rows] == [START_NS + i * NS // 25 for i in range(38)]
    # A motorway: road in front, sky above, and no person on foot.
    shares = {
        name: np.mean([row[f'share_{name}'] for row in rows])
        for name in ('road', 'sky', 'pedestrian')
    }
    assert shares['road'] > 0.15 and shares['sky'] > 0.15 and shares['pedestrian'] < 0.01
    assert all(np.isfinite(row['free_distance_m']) for row in rows)


@pytest.mark.skipif(not BAG.is_dir(), reason='no real bag in ../shared/data')
def test_real_bag_of_three_kinds_gives_the_same(tmp_path: Path) -> None:
    model = write_tiny_model(tmp_path / 'm.onnx')
    rows = rows_of(evaluated(tmp_path, BAG, model=model, mount=MountOptions(height_m=1.3)))
    assert len(rows) == 38
    for kind, name in KINDS.items():
        other = converted(BAG, tmp_path / kind / name, kind)
        again = rows_of(
            evaluated(tmp_path / kind, other, model=model, mount=MountOptions(height_m=1.3))
        )
        for column in ('stamp_ns', 'score', 'share_road', 'reason'):
            assert [row[column] for row in again] == [row[column] for row in rows]


@pytest.mark.skipif(not VIDEO.is_file(), reason='no real video in ../shared/data')
def test_real_video_in_parts(tmp_path: Path) -> None:
    """The first 30 frames, cut by us, in parts of one second: every frame once."""
    capture = cv2.VideoCapture(str(VIDEO))
    clip = tmp_path / 'clip.mp4'
    writer = cv2.VideoWriter(str(clip), cv2.VideoWriter.fourcc(*'mp4v'), 25.0, (960, 540))
    for _ in range(30):
        writer.write(capture.read()[1])
    writer.release()
    found = evaluated(tmp_path, clip, part_s=1.0, outputs=('thumbs',))
    rows = rows_of(found)
    assert [row['index'] for row in rows] == list(range(30))
    assert np.mean([row['share_road'] for row in rows]) > 0.15
    assert (found.out / 'thumbs' / 'clip').is_dir()


@pytest.mark.skipif(not CAMVID.is_dir(), reason='no CamVid in ../shared/data')
def test_camvid_as_a_labelled_bag(tmp_path: Path) -> None:
    """Ten frames of a sequence that the embedded model knows: it learned all of CamVid's train."""
    names = sorted(path.name for path in (CAMVID / 'train').glob('0001TP*'))[::6][:10]
    rows: list[Row] = []
    for i, name in enumerate(names):
        at_ns = START_NS + i * NS
        bgr = cv2.imread(str(CAMVID / 'train' / name))
        ids = cv2.imread(str(CAMVID / 'trainannot' / name), cv2.IMREAD_UNCHANGED)
        rows.append(
            ('/cam/image_raw', IMAGE, at_ns, lambda make, a=bgr, t=at_ns: make.image(a, t))
        )
        rows.append(
            ('/cam/labels', IMAGE, at_ns, lambda make, a=ids, t=at_ns: make.image(a, t, 'mono8'))
        )
    bag = write_bag(tmp_path / 'camvid', rows)
    found = evaluated(tmp_path, bag, truth='/cam/labels', truth_classes='camvid_11')
    truth = found.summary['truth']
    assert (truth['frames'], found.summary['failures']) == (10, [])
    # The run of the card, which was not, has 0.651 and 0.909 on all 62 frames of the sequence.
    assert truth['miou'] == pytest.approx(0.768, abs=0.08)
    assert truth['pixel_accuracy'] == pytest.approx(0.943, abs=0.04)
    assert truth['drivable_iou'] > 0.85
    assert truth['ece'] < 0.05
