# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Whole evaluations of small bags with a tiny model whose labels are known."""

from __future__ import annotations

import json
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from math import degrees
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pyarrow.parquet as pq
import pytest
from rosbags.highlevel import AnyReader
from rosbags.rosbag2 import StoragePlugin, Writer

from seg_perception.core.classes import CAMVID_11
from seg_perception.core.errors import ParameterError, SourceError
from seg_perception.evaluation.evaluate import Evaluation, evaluate
from seg_perception.options import EvaluationOptions, MountOptions
from tiny_bags import (
    CAMERA_INFO,
    FIX,
    IMAGE,
    NS,
    ROAD,
    SIZE,
    SKY,
    START_NS,
    TOPIC,
    Make,
    Row,
    street,
    street_rows,
    write_bag,
)
from tiny_model import write_tiny_model

ROOT = Path(__file__).parents[2]
Spawn = Callable[..., 'subprocess.Popen[str]']
OUTPUTS = ('bag', 'video', 'thumbs')


@pytest.fixture(scope='module')
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_model(tmp_path_factory.mktemp('model') / 'm.onnx')


def options(tmp_path: Path, model: Path, *inputs: Path, **others: Any) -> EvaluationOptions:
    given = {'model': model, 'provider': 'cpu', 'outputs': OUTPUTS, 'threads': 2} | others
    return EvaluationOptions(tuple(map(str, inputs)), tmp_path / 'out', **given)


def rows_of(out: Path) -> list[dict[str, Any]]:
    return pq.read_table(out / 'frames.parquet').to_pylist()


def messages_of(bag: Path, ending: str) -> list[tuple[int, Any]]:
    with AnyReader([bag]) as reader:
        wanted = [row for row in reader.connections if row.topic.endswith(ending)]
        return [
            (at_ns, reader.deserialize(raw, row.msgtype))
            for row, at_ns, raw in reader.messages(wanted)
        ]


def true_labels(horizon: int) -> np.ndarray:
    labels = np.full(SIZE, ROAD, np.uint8)
    labels[:horizon] = SKY
    return labels


@pytest.fixture(scope='module')
def whole(tmp_path_factory: pytest.TempPathFactory, model: Path) -> Evaluation:
    """25 frames at 10 Hz in three parts, with positions."""
    folder = tmp_path_factory.mktemp('whole')
    fixes: list[Row] = [
        ('/fix', FIX, START_NS + i * NS, lambda make, i=i: make.fix(48.0 + i, 9.0, i))
        for i in range(3)
    ]
    rows = sorted([*fixes, *street_rows(25)], key=lambda row: row[2])
    bag = write_bag(folder / 'drive', rows)
    return evaluate(options(folder, model, bag, part_s=1.0))


def test_rows_in_order_with_exact_shares(whole: Evaluation) -> None:
    rows = rows_of(whole.out)
    assert [row['index'] for row in rows] == list(range(25))
    assert [row['stamp_ns'] for row in rows] == [START_NS + i * NS // 10 for i in range(25)]
    assert {(row['source'], row['topic']) for row in rows} == {('drive', TOPIC)}
    for i, row in enumerate(rows):
        assert row['share_sky'] == pytest.approx((10 + i) / 48)
        assert row['share_road'] == pytest.approx((38 - i) / 48)
        assert row['confidence'] == pytest.approx(200 / 255)
        assert np.isnan(row['strange'])  # the model does not say
        assert (row['height'], row['width']) == SIZE
        assert 0 <= row['score'] <= 100 and row['inference_ms'] > 0
        assert np.isnan(row['free_distance_m'])  # without a extrinsics
    assert [row['lat'] for row in rows] == [48.0] * 10 + [49.0] * 10 + [50.0] * 5


def test_summary(whole: Evaluation) -> None:
    summary = json.loads((whole.out / 'summary.json').read_text())
    assert summary == whole.summary
    assert (summary['frames'], summary['failures'], summary['skipped']) == (25, [], {})
    assert summary['truth'] is None
    assert summary['inputs'][0]['frames'] == 25
    assert sum(summary['levels'].values()) == 25
    # Frames 0 to 24 have 10 to 34 of 48 rows of sky.
    assert summary['class_share']['sky'] == pytest.approx(22 / 48, rel=1e-5)
    assert set(summary['stages_ms']['inference']) == {'p50', 'p95', 'p99'}
    # One row of 48 turns from road to sky in each tenth of a second, in parts of ten frames.
    assert summary['stability'] == summary['inputs'][0]['stability']
    assert summary['stability']['pairs'] == 24
    assert summary['model']['name'] == 'tiny' and len(summary['model']['sha256']) == 64
    assert whole.exit_code == 0
    assert str(whole).startswith('25 frames of 1 input in ')


def test_output_bag_holds_the_masks_on_their_stamps(whole: Evaluation) -> None:
    bag = whole.out / 'bags' / 'drive'
    masks = messages_of(bag, '/seg_perception/front/mask')
    assert [at_ns for at_ns, _ in masks] == [START_NS + i * NS // 10 for i in range(25)]
    for i, (at_ns, mask) in enumerate(masks):
        assert mask.encoding == 'mono8'
        np.testing.assert_array_equal(mask.data.reshape(SIZE), true_labels(10 + i))
        assert mask.header.stamp.sec * NS + mask.header.stamp.nanosec == at_ns
        assert mask.header.frame_id == 'front_optical'
    confidence = messages_of(bag, '/confidence')
    assert {int(value) for _, m in confidence for value in (m.data.min(), m.data.max())} == {200}
    assert len(list(bag.glob('*.mcap'))) == 3


def test_output_bag_holds_scene_and_overlay(whole: Evaluation) -> None:
    rows = rows_of(whole.out)
    scenes = messages_of(whole.out / 'bags' / 'drive', '/road_scene')
    assert [scene.safety_risk.score for _, scene in scenes] == [
        pytest.approx(row['score']) for row in rows
    ]
    assert scenes[3][1].camera == 'front' and scenes[3][1].model == 'tiny'
    assert len(scenes[3][1].drivable_area.boundary_rows) == 64
    overlays = messages_of(whole.out / 'bags' / 'drive', '/overlay/compressed')
    pictures = [cv2.imdecode(overlay.data, cv2.IMREAD_COLOR) for _, overlay in overlays]
    assert len(pictures) == 25
    assert {picture.shape for picture in pictures} == {(*SIZE, 3)}


def test_output_bag_holds_the_mask_for_the_eye(whole: Evaluation) -> None:
    """Under the topic of the node, so that one layout shows both."""
    found = messages_of(whole.out / 'bags' / 'drive', '/front/mask_color')
    assert len(found) == 25
    _, colours = found[3]
    pixels = colours.data.reshape(colours.height, colours.width, 3)
    assert colours.encoding == 'rgb8'
    np.testing.assert_array_equal(pixels, CAMVID_11.palette[true_labels(13)])


def test_video_of_all_parts_and_thumbnails(whole: Evaluation) -> None:
    capture = cv2.VideoCapture(str(whole.out / 'overlay' / 'drive.mp4'))
    frames = 0
    while capture.read()[0]:
        frames += 1
    assert frames == 25
    rows = rows_of(whole.out)
    named = [row for row in rows if row['thumbnail']]
    # One of each fifth of a second, which two frames are in, and a part ends each second.
    assert len(named) == 13
    for row in named:
        assert row['thumbnail'] == f'thumbs/drive/{row["index"]}.jpg'
        assert cv2.imread(str(whole.out / row['thumbnail'])).shape == (*SIZE, 3)


def test_finished_parts_are_not_done_again(tmp_path: Path, model: Path) -> None:
    asked = options(tmp_path, model, write_bag(tmp_path / 'drive', street_rows(25)), part_s=1.0)
    first = evaluate(asked)
    rows = rows_of(first.out)
    parts = sorted((first.out / 'parts').iterdir())
    assert [part.name for part in parts] == ['00000', '00001', '00002']
    times = [(part / 'part.json').stat().st_mtime_ns for part in parts]
    (parts[1] / 'part.json').unlink()
    parts[1].rename(first.out / 'parts' / '.00001.left.by.a.killed.run')
    again = evaluate(asked)
    after = [(part / 'part.json').stat().st_mtime_ns for part in parts]
    assert [now == before for now, before in zip(after, times, strict=True)] == [True, False, True]
    assert not list((first.out / 'parts').glob('.*'))
    assert unclocked(rows_of(again.out)) == unclocked(rows)
    assert again.summary['frames'] == 25


def unclocked(rows: list[dict[str, Any]]) -> str:
    """Everything but the times that the stages took; NaN is equal to itself here."""
    return repr([{key: x for key, x in row.items() if not key.endswith('_ms')} for row in rows])


def numbers_of(out: Path) -> tuple[str, Any, Any]:
    masks = {
        bag.name: [(at_ns, mask.data.tobytes()) for at_ns, mask in messages_of(bag, '/mask')]
        for bag in sorted((out / 'bags').iterdir())
    }
    summary = json.loads((out / 'summary.json').read_text())
    timed = ('seconds', 'fps', 'stages_ms', 'environment', 'inputs')
    return unclocked(rows_of(out)), masks, {k: x for k, x in summary.items() if k not in timed}


def two_bags(tmp_path: Path) -> list[Path]:
    return [
        write_bag(tmp_path / 'a', street_rows(45)),
        write_bag(tmp_path / 'b.bag', street_rows(25), 'ros1'),
    ]


@pytest.mark.slow
def test_same_numbers_from_several_processes(tmp_path: Path, model: Path) -> None:
    bags = two_bags(tmp_path)
    masks = tmp_path / 'masks'
    masks.mkdir()
    for i in range(45):
        mask = true_labels(12 + i % 28)
        cv2.imwrite(str(masks / f'{START_NS + i * NS // 10}.png'), mask)
    alone = options(tmp_path, model, *bags, part_s=1.0, threads=1, truth=str(masks))
    shared = replace(alone, out=tmp_path / 'shared', workers=2, threads=2)
    assert numbers_of(evaluate(shared).out) == numbers_of(evaluate(alone).out)


@pytest.mark.slow
@pytest.mark.parametrize('nodes', [0, 2])
def test_same_numbers_from_ray(
    tmp_path: Path, model: Path, nodes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By a cluster that evaluate starts for itself, and by one of two nodes with an address."""
    pytest.importorskip('ray', reason='ray is not installed')
    from ray.cluster_utils import Cluster

    monkeypatch.setenv('RAY_AUTH_MODE', 'disabled')
    bags = two_bags(tmp_path)
    alone = options(tmp_path, model, *bags, part_s=1.5, outputs=('bag',))
    with ExitStack() as stack:
        address = 'local'
        if nodes:
            cluster = Cluster()
            stack.callback(cluster.shutdown)
            for _ in range(nodes):
                cluster.add_node(num_cpus=1)
            address = cluster.address
        shared = replace(alone, out=tmp_path / 'shared', ray=address, threads=1)
        assert numbers_of(evaluate(shared).out) == numbers_of(evaluate(alone).out)


def command(asked: EvaluationOptions) -> list[str]:
    return [
        *(sys.executable, '-m', 'seg_perception', 'evaluate', *asked.inputs),
        *('--out', str(asked.out), '--model', str(asked.model), '--provider', 'cpu'),
        *('--part', str(asked.part_s), '--outputs', 'bag', '--threads', '1'),
        *('--workers', str(asked.workers)),
    ]


def start(spawn: Spawn, asked: EvaluationOptions) -> subprocess.Popen[str]:
    """The command, once its first part is finished."""
    process = spawn(command(asked), cwd=ROOT, stderr=subprocess.PIPE, text=True)
    deadline_s = time.monotonic() + 120
    while not (asked.out / 'parts' / '00000').is_dir():
        assert process.poll() is None, process.stderr
        assert time.monotonic() < deadline_s
        time.sleep(0.01)
    return process


@pytest.mark.slow
@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGKILL])
def test_goes_on_after_it_was_stopped(
    tmp_path: Path, model: Path, spawn: Spawn, number: signal.Signals
) -> None:
    """Frames of 40 s in parts of a second; the stop comes after the first."""
    bag = write_bag(tmp_path / 'drive', street_rows(400))
    asked = options(tmp_path, model, bag, part_s=1.0, outputs=('bag',))
    process = start(spawn, asked)
    process.send_signal(number)
    error = process.communicate(timeout=120)[1]
    done = [path for path in (asked.out / 'parts').iterdir() if path.name[0] != '.']
    assert 1 <= len(done) < 40
    assert not (asked.out / 'summary.json').exists()
    if number == signal.SIGINT:
        assert process.returncode == 130
        assert f'{len(done)} of 40 parts are finished' in error
        assert 'The same command resumes from there.' in error
    times = {path: (path / 'part.json').stat().st_mtime_ns for path in done}
    finished = evaluate(asked)
    assert finished.summary['frames'] == 400
    assert {path: (path / 'part.json').stat().st_mtime_ns for path in done} == times


def children_of(pid: int) -> list[int]:
    text = Path(f'/proc/{pid}/task/{pid}/children').read_text()
    return [int(word) for word in text.split()]


@pytest.mark.slow
def test_workers_end_with_their_parent(tmp_path: Path, model: Path, spawn: Spawn) -> None:
    bag = write_bag(tmp_path / 'drive', street_rows(600))
    asked = options(tmp_path, model, bag, part_s=1.0, workers=2)
    process = start(spawn, asked)
    workers = children_of(process.pid)
    assert len(workers) >= 2
    process.kill()
    process.wait()
    deadline_s = time.monotonic() + 120
    while any(Path(f'/proc/{worker}').exists() for worker in workers):
        assert time.monotonic() < deadline_s
        time.sleep(0.05)


def test_output_of_another_run_is_refused(tmp_path: Path, model: Path) -> None:
    bag = write_bag(tmp_path / 'drive', street_rows(2))
    asked = options(tmp_path, model, bag, outputs=())
    evaluate(asked)
    with pytest.raises(
        SourceError, match=r'got parameters\.part_s=60\.0, expected parameters\.part_s=30'
    ):
        evaluate(replace(asked, part_s=30.0))
    with pytest.raises(SourceError, match=r'got parameters\.mount=None, expected .*mount=\{'):
        evaluate(replace(asked, mount=MountOptions(height_m=1.5)))
    other = write_tiny_model(tmp_path / 'other.onnx', delay=0.1)
    with pytest.raises(
        SourceError, match=r"got model\.sha256='\w+\.*, expected model\.sha256='\w+"
    ):
        evaluate(replace(asked, model=other))
    more = write_bag(tmp_path / 'more', street_rows(1))
    with pytest.raises(SourceError, match='got inputs=1 entries, expected inputs=2 entries'):
        evaluate(replace(asked, inputs=(str(bag), str(more))))
    evaluate(asked)


def test_folder_with_other_files_is_refused(tmp_path: Path, model: Path) -> None:
    bag = write_bag(tmp_path / 'drive', street_rows(1))
    (tmp_path / 'out').mkdir()
    (tmp_path / 'out' / 'thesis.tex').write_text('')
    with pytest.raises(
        SourceError, match=r"got 'thesis\.tex' and no run\.json, expected an empty"
    ):
        evaluate(options(tmp_path, model, bag))


def test_two_runs_in_one_folder(tmp_path: Path, model: Path) -> None:
    import fcntl

    bag = write_bag(tmp_path / 'drive', street_rows(1))
    (tmp_path / 'out').mkdir()
    with (tmp_path / 'out' / '.lock').open('w') as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(SourceError, match='got another process'):
            evaluate(options(tmp_path, model, bag))


def test_output_below_a_file(tmp_path: Path, model: Path) -> None:
    (tmp_path / 'file').write_text('')
    asked = options(tmp_path, model, write_bag(tmp_path / 'drive', street_rows(1)))
    with pytest.raises(SourceError, match=r'got Not a directory, expected a path'):
        evaluate(replace(asked, out=tmp_path / 'file' / 'out'))


@pytest.mark.slow
def test_full_disk(tmp_path: Path, model: Path) -> None:
    """Files may not grow beyond 30 kB, which the system reports as it does a full disk."""
    bag = write_bag(tmp_path / 'drive', street_rows(300))
    asked = options(tmp_path, model, bag, part_s=3.0)
    limited = ['bash', '-c', 'ulimit -f 30; exec "$@"', 'bash', *command(asked)]
    done = subprocess.run(limited, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert 'seg-perception: error: output ' in done.stderr
    assert 'File too large' in done.stderr and 'Make room' in done.stderr
    assert [path.name for path in (asked.out / 'parts').iterdir()] == []


def test_bad_frames_are_left_out_and_counted(tmp_path: Path, model: Path) -> None:
    rows = street_rows(10)

    def broken(make):
        image = make.image(street(), START_NS)
        image.step = 7
        return image

    rows[3] = (*rows[3][:3], broken)
    rows[5] = (*rows[5][:3], lambda make: make.image(street(), START_NS, 'strange'))
    found = evaluate(options(tmp_path, model, write_bag(tmp_path / 'drive', rows), part_s=1.0))
    assert [row['index'] for row in rows_of(found.out)] == [0, 1, 2, 4, 6, 7, 8, 9]
    assert found.summary['skipped'] == {'drive': {'image step': 1, 'image encoding': 1}}
    assert [row['source'] for row in found.summary['failures']] == ['drive', 'drive']
    assert "got 'strange', expected rgb8, " in found.summary['failures'][1]['what']
    assert found.exit_code == 1
    assert '2 frames could not be used.' in str(found)


def test_mixed_resolutions(tmp_path: Path, model: Path) -> None:
    sizes = [(48, 64), (96, 64), (48, 128), (48, 64)]
    rows: list[Row] = [
        (
            TOPIC,
            IMAGE,
            START_NS + i,
            lambda make, s=s, i=i: make.image(street(size=s), START_NS + i),
        )
        for i, s in enumerate(sizes)
    ]
    found = evaluate(options(tmp_path, model, write_bag(tmp_path / 'drive', rows)))
    assert [(row['height'], row['width']) for row in rows_of(found.out)] == sizes
    masks = messages_of(found.out / 'bags' / 'drive', '/mask')
    assert [(mask.height, mask.width) for _, mask in masks] == sizes


def test_stamps_that_run_backwards(tmp_path: Path, model: Path) -> None:
    """Recorded in order, but stamped 3, 1, 2, 1 s: rows are sorted by stamp, the bag is not."""
    rows: list[Row] = [
        (TOPIC, IMAGE, START_NS + i * NS, lambda make, s=s: make.image(street(), s * NS))
        for i, s in enumerate((3, 1, 2, 1))
    ]
    found = evaluate(options(tmp_path, model, write_bag(tmp_path / 'drive', rows)))
    assert [(row['stamp_ns'] // NS, row['index']) for row in rows_of(found.out)] == [
        (1, 1),
        (1, 3),
        (2, 2),
        (3, 0),
    ]
    masks = messages_of(found.out / 'bags' / 'drive', '/mask')
    assert [mask.header.stamp.sec for _, mask in masks] == [3, 1, 2, 1]


def test_cut_bag_is_evaluated_as_far_as_it_goes(tmp_path: Path, model: Path) -> None:
    bag = write_bag(tmp_path / 'drive', street_rows(200))
    file = next(bag.glob('*.mcap'))
    file.write_bytes(file.read_bytes()[:1_300_000])
    found = evaluate(options(tmp_path, model, bag, outputs=()))
    assert 100 < found.summary['frames'] < 200
    assert found.exit_code == 1
    assert any('messages could be read' in row['what'] for row in found.summary['failures'])


def test_video_and_folder(tmp_path: Path, model: Path) -> None:
    writer = cv2.VideoWriter(
        str(tmp_path / 'clip.avi'), cv2.VideoWriter.fourcc(*'MJPG'), 10.0, SIZE[::-1]
    )
    (tmp_path / 'pictures').mkdir()
    for i in range(12):
        writer.write(street(24))
        cv2.imwrite(str(tmp_path / 'pictures' / f'{i:02d}.png'), street(10 + i))
    writer.release()
    inputs = tmp_path / 'clip.avi', tmp_path / 'pictures'
    found = evaluate(options(tmp_path, model, *inputs, part_s=1.0))
    rows = rows_of(found.out)
    assert [row['source'] for row in rows] == ['clip'] * 12 + ['pictures'] * 12
    assert [row['index'] for row in rows] == [*range(12), *range(12)]
    assert rows[20]['share_sky'] == pytest.approx(18 / 48)
    assert [np.isnan(row['label_flips_per_s']) for row in rows] == [
        True,
        *[False] * 11,
        *[True] * 12,
    ]
    clip, pictures = (one['stability'] for one in found.summary['inputs'])
    assert clip == {'pairs': 11, 'consistency': 1.0, 'flips_per_s': 0.0} and pictures is None
    assert (found.out / 'overlay' / 'clip.mp4').is_file()
    assert len(messages_of(found.out / 'bags' / 'pictures', '/mask')) == 12


def test_truth_of_a_folder_by_condition(tmp_path: Path, model: Path) -> None:
    """Sky down to row 10 + i is found exactly; the truth of the last frame is a row lower."""
    bag = write_bag(tmp_path / 'drive', street_rows(4))
    masks = tmp_path / 'masks'
    masks.mkdir()
    for i, horizon in enumerate((10, 11, 14)):
        cv2.imwrite(str(masks / f'{START_NS + i * NS // 10}.png'), true_labels(horizon))
    conditions = tmp_path / 'conditions.csv'
    start_s = START_NS // NS
    conditions.write_text(f'source,start_s,stop_s,condition\n*,{start_s + 0.15},,late\n')
    found = evaluate(
        options(tmp_path, model, bag, truth=str(masks), conditions=conditions, outputs=())
    )
    truth = found.summary['truth']
    assert (truth['frames'], truth['table']) == (3, 'camvid_11')
    # Of 144 rows 2 are road and not sky; sky is 35 rows of truth, 33 found.
    assert truth['pixel_accuracy'] == pytest.approx(142 / 144)
    assert truth['iou']['sky'] == pytest.approx(33 / 35)
    assert truth['conditions']['late']['frames'] == 1
    assert truth['conditions']['late']['iou']['sky'] == pytest.approx(12 / 14)
    rows = rows_of(found.out)
    assert [row['condition'] for row in rows] == ['', '', 'late', 'late']
    assert [row['pixel_accuracy'] for row in rows[:3]] == [1.0, 1.0, pytest.approx(46 / 48)]
    assert np.isnan(rows[3]['pixel_accuracy'])
    assert 'Truth of 3 frames: mIoU' in str(found)


def test_truth_of_a_topic(tmp_path: Path, model: Path) -> None:
    labels: list[Row] = [
        (
            '/labels',
            IMAGE,
            at_ns,
            lambda make, i=i, at_ns=at_ns: make.image(true_labels(10 + i), at_ns, 'mono8'),
        )
        for i, (_, _, at_ns, _) in enumerate(street_rows(3))
    ]
    rows = sorted([*street_rows(3), *labels], key=lambda row: row[2])
    bag = write_bag(tmp_path / 'drive', rows)
    found = evaluate(options(tmp_path, model, bag, truth='/labels', outputs=()))
    assert found.summary['truth']['miou'] == 1.0
    assert found.summary['truth']['frames'] == 3


def test_truth_that_fits_no_frame_is_said(tmp_path: Path, model: Path) -> None:
    bag = write_bag(tmp_path / 'drive', street_rows(2))
    (tmp_path / 'masks').mkdir()
    found = evaluate(options(tmp_path, model, bag, truth=str(tmp_path / 'masks'), outputs=()))
    assert found.summary['truth']['frames'] == 0
    assert (
        f"no mask for any frame, such as '{START_NS}.png'" in found.summary['failures'][0]['what']
    )
    assert found.exit_code == 1


def test_metres_with_calibration_and_mount(tmp_path: Path, model: Path) -> None:
    info = ('/camera/front/camera_info', CAMERA_INFO, START_NS, lambda make: make.info(50.0, 1))
    bag = write_bag(tmp_path / 'drive', [info, *street_rows(3)])
    found = evaluate(
        options(tmp_path, model, bag, mount=MountOptions(height_m=1.5), outputs=('bag',))
    )
    assert all(np.isfinite(row['free_distance_m']) for row in rows_of(found.out))
    scenes = messages_of(found.out / 'bags' / 'drive', '/road_scene')
    assert {scene.ground_frame for _, scene in scenes} == {'base_link'}
    assert {(row['status'], row['status_reason']) for row in rows_of(found.out)} == {('OK', '')}


def test_answers_that_are_not_to_be_trusted_say_so(tmp_path: Path, model: Path) -> None:
    """A calibration of another shape, as the node would call it."""
    topic = '/camera/front/camera_info'
    info = (topic, CAMERA_INFO, START_NS, lambda make: make.info(50.0, 1, (64, 64)))
    bag = write_bag(tmp_path / 'drive', [info, *street_rows(2)])
    extrinsics = MountOptions(height_m=1.5)
    found = evaluate(options(tmp_path, model, bag, mount=extrinsics, outputs=('bag',)))
    reason = (
        'calibration does not fit: calibration: got one for 64x64 pixels with an image of 64x48'
    )
    for row in rows_of(found.out):
        assert row['status'] == 'DEGRADED' and row['status_reason'].startswith(reason)
        assert np.isnan(row['free_distance_m'])
    for _, scene in messages_of(found.out / 'bags' / 'drive', '/road_scene'):
        assert (scene.status, scene.ground_frame) == (1, '')
        assert scene.status_text == scene.ground_text and scene.status_text.startswith(reason)
    assert reason in found.summary['failures'][0]['what']


@pytest.mark.parametrize('kind', ['mcap', 'sqlite3'])
def test_a_topic_of_a_type_that_nobody_knows_is_no_hindrance(
    tmp_path: Path, model: Path, kind: str
) -> None:
    plugin = {'mcap': StoragePlugin.MCAP, 'sqlite3': StoragePlugin.SQLITE3}[kind]
    make, bag = Make(), tmp_path / 'drive'
    with Writer(bag, version=9, storage_plugin=plugin) as writer:
        unknown = {'msgdef': '', 'rihs01': f'RIHS01_{"0" * 64}'}
        radar = writer.add_connection('/radar', 'acme_msgs/msg/Radar', **unknown)
        camera = writer.add_connection(TOPIC, IMAGE, typestore=make.store)
        for i in range(3):
            at_ns = START_NS + i * NS
            writer.write(radar, at_ns, b'\0\1\0\0whatever')
            image = make.image(street(), at_ns)
            writer.write(camera, at_ns, make.store.serialize_cdr(image, IMAGE))
    found = evaluate(options(tmp_path, model, bag, outputs=()))
    assert (found.summary['frames'], found.summary['failures']) == (3, [])


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path, model: Path) -> None:
    bag = write_bag(tmp_path / 'drive', street_rows(2))
    asked = replace(options(tmp_path, model, bag), out=Path('/proc/no_such_folder/out'))
    with pytest.raises(SourceError, match=r"output '/proc/no_such"):
        evaluate(asked)


def wedge(vanishing_row: int) -> np.ndarray:
    """A straight road between pavements that ends at a row of the picture, (144, 192, 3) BGR."""
    rgb = np.full((144, 192, 3), CAMVID_11.classes[4].rgb, np.uint8)
    corners = [(96, vanishing_row), (186, 143), (6, 143)]
    cv2.fillPoly(rgb, [np.array(corners)], CAMVID_11.classes[ROAD].rgb)
    rgb[: vanishing_row + 1] = CAMVID_11.classes[SKY].rgb
    return rgb[..., ::-1]


@pytest.mark.parametrize(('pitch_rad', 'warned'), [(0.0, True), (0.04, False)])
def test_a_mount_that_the_road_contradicts_is_told(
    tmp_path: Path, model: Path, pitch_rad: float, warned: bool
) -> None:
    # The road ends 6 rows above the middle: at a focal length of 150 it looks 0.04 rad down.
    size, picture = (144, 192), wedge(66)
    at = [START_NS + i * NS // 10 for i in range(96)]
    info = (
        '/camera/front/camera_info',
        CAMERA_INFO,
        START_NS,
        lambda make: make.info(150.0, 1, size),
    )
    frames = [
        (TOPIC, IMAGE, at_ns, lambda make, at_ns=at_ns: make.image(picture, at_ns)) for at_ns in at
    ]
    bag = write_bag(tmp_path / 'drive', [info, *frames])
    extrinsics = MountOptions(height_m=1.5, pitch_deg=degrees(pitch_rad))
    found = evaluate(options(tmp_path, model, bag, mount=extrinsics, outputs=()))
    told = [row for row in rows_of(found.out) if np.isfinite(row['pitch_off_rad'])]
    assert len(told) == 12  # every eighth
    assert all(abs(row['pitch_off_rad'] + pitch_rad - 0.04) < 0.008 for row in told)
    text = r'Warning: drive: .*front/image_raw: estimated pitch is 0\.0[34]\d rad below'
    assert bool(re.search(text, str(found))) is warned
    assert len(found.summary['warnings']) == int(warned)
    assert found.exit_code == 0


@pytest.mark.parametrize(
    ('changed', 'message'),
    [
        (
            {'outputs': ('bag', 'film')},
            r"outputs: got \('bag', 'film'\), expected one of bag, video",
        ),
        ({'workers': 0}, 'workers: got 0, expected 1 or more'),
        ({'part_s': 0.5}, 'part_s: got 0.5, expected 1 to'),
        ({'overlay_width': 7}, 'overlay_width: got 7, expected 64 to 8192, or 0'),
    ],
)
def test_options_that_cannot_be(
    tmp_path: Path, model: Path, changed: dict[str, Any], message: str
) -> None:
    with pytest.raises(ParameterError, match=message):
        evaluate(options(tmp_path, model, tmp_path, **changed))
    assert not (tmp_path / 'out').exists()


@pytest.mark.parametrize(
    'kind', ['mcap', 'sqlite3', 'ros1', 'zstd', 'png', 'truth', 'calibration']
)
def test_results_of_other_inputs_are_never_passed_off(
    tmp_path: Path, model: Path, kind: str
) -> None:
    """Other bytes under the same names and of the same size are refused; moved ones are not."""

    def make(name: str, horizon: int) -> EvaluationOptions:
        folder = tmp_path / name
        folder.mkdir()
        rows = [(*row[:3], lambda make: make.image(street(horizon), 1)) for row in street_rows(2)]
        bag = write_bag(folder / 'drive', rows if kind in KINDS else street_rows(2), *bag_kind)
        cv2.imwrite(str(folder / '0.png'), street(horizon))
        (folder / 'masks').mkdir()
        cv2.imwrite(str(folder / 'masks' / f'{START_NS}.png'), true_labels(horizon))
        (folder / 'camera.yaml').write_text(CAMERA_YAML.replace('50.0', f'{horizon}.0'))
        more: dict[str, Any] = {'truth': str(folder / 'masks')} if kind == 'truth' else {}
        if kind == 'calibration':
            more['calibration'] = folder / 'camera.yaml'
        source = folder / '0.png' if kind == 'png' else bag
        return options(tmp_path, model, source, outputs=(), **more)

    bag_kind = [kind] if kind in KINDS else []
    make('kept', 12)
    first = make('a', 12)
    evaluate(first)
    (tmp_path / 'a').rename(tmp_path / 'old')
    (tmp_path / 'kept').rename(tmp_path / 'a')
    evaluate(first)  # another copy of the same
    shutil.rmtree(tmp_path / 'a')
    with pytest.raises(SourceError, match='fingerprint='):
        evaluate(make('a', 30))


KINDS = ('mcap', 'sqlite3', 'ros1', 'zstd')
CAMERA_YAML = """
image_width: 64
image_height: 48
distortion_model: plumb_bob
distortion_coefficients: {data: [0, 0, 0, 0, 0]}
camera_matrix: {data: [50.0, 0, 32, 0, 50.0, 24, 0, 0, 1]}
rectification_matrix: {data: [1, 0, 0, 0, 1, 0, 0, 0, 1]}
projection_matrix: {data: [50.0, 0, 32, 0, 0, 50.0, 24, 0, 0, 0, 1, 0]}
"""
