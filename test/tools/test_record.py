# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Videos and folders as bags: what is in them, read by rosbags alone, and what is refused."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from rosbags.highlevel import AnyReader
from rosbags.interfaces import QosDurability, QosReliability

from seg_perception.cli import main
from seg_perception.core.errors import SegPerceptionError
from seg_perception.io import bag_writer
from seg_perception.options import RecordOptions
from seg_perception.tools.record import record
from tiny_calibration import CALIBRATION

START_NS = 1_700_000_000_250_000_000
IMAGE, INFO, LABELS = '/cam/image_raw', '/cam/camera_info', '/cam/labels'


def options(source: Path, out: Path, **values: Any) -> RecordOptions:
    return RecordOptions(source, out, START_NS, IMAGE, INFO, LABELS, 'optical', **values)


def read(bag: Path) -> dict[str, list[tuple[int, Any]]]:
    """Time of recording and message, by topic; the bag defines its types itself."""
    found: dict[str, list[tuple[int, Any]]] = {}
    with AnyReader([bag]) as reader:
        for connection, at_ns, raw in reader.messages():
            message = reader.deserialize(raw, connection.msgtype)
            found.setdefault(connection.topic, []).append((at_ns, message))
    return found


def write_video(path: Path, frames: int) -> Path:
    """Frames 160x120 at 10 Hz, frame i of the grey 20 * i."""
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*'MJPG'), 10.0, (160, 120))
    for index in range(frames):
        writer.write(np.full((120, 160, 3), 20 * index % 256, np.uint8))
    writer.release()
    return path


@pytest.fixture
def video(tmp_path: Path) -> Path:
    return write_video(tmp_path / 'grey.avi', frames=8)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Four PNG images 16x12: a.png to d.png, of one colour each."""
    path = tmp_path / 'images'
    path.mkdir()
    for index, name in enumerate('abcd'):
        cv2.imwrite(str(path / f'{name}.png'), np.full((12, 16, 3), (index, 50, 200), np.uint8))
    return path


def test_a_video_becomes_jpeg_at_its_own_rate(video: Path, tmp_path: Path) -> None:
    report = record(options(video, tmp_path / 'out' / 'drive'))
    assert (report.counts, report.seconds) == ({f'{IMAGE}/compressed': 8}, 0.8)
    assert (report.exit_code, report.failures) == (0, ())

    rows = read(tmp_path / 'out' / 'drive')[f'{IMAGE}/compressed']
    assert [at_ns - START_NS for at_ns, _ in rows] == [i * 100_000_000 for i in range(8)]
    message = rows[3][1]
    assert (message.header.stamp.sec, message.header.stamp.nanosec) == (1_700_000_000, 550_000_000)
    assert (message.header.frame_id, message.format) == ('optical', 'bgr8; jpeg compressed bgr8')
    bgr = cv2.imdecode(message.data, cv2.IMREAD_COLOR)
    assert bgr.shape == (120, 160, 3)
    assert np.abs(bgr.astype(int) - 60).max() <= 4  # JPEG twice


def test_raw_pixels_are_exact_and_the_rate_can_be_said(folder: Path, tmp_path: Path) -> None:
    record(options(folder, tmp_path / 'drive', raw=True, rate_hz=4.0))
    rows = read(tmp_path / 'drive')[IMAGE]
    assert [at_ns - START_NS for at_ns, _ in rows] == [0, 250_000_000, 500_000_000, 750_000_000]
    for index, (_, image) in enumerate(rows):
        assert (image.height, image.width, image.step) == (12, 16, 48)
        assert (image.encoding, image.is_bigendian) == ('bgr8', 0)
        assert np.array_equal(image.data.reshape(12, 16, 3)[5, 7], (index, 50, 200))


def test_calibration_goes_with_every_image_at_its_size(video: Path, tmp_path: Path) -> None:
    (tmp_path / 'camera.yaml').write_text(CALIBRATION)
    record(options(video, tmp_path / 'drive', calibration=tmp_path / 'camera.yaml'))
    topics = read(tmp_path / 'drive')
    assert [at_ns for at_ns, _ in topics[INFO]] == [
        at_ns for at_ns, _ in topics[f'{IMAGE}/compressed']
    ]
    info = topics[INFO][-1][1]
    assert (info.height, info.width, info.header.frame_id) == (120, 160, 'optical')
    # Half the size: focal lengths halve, and the centre keeps its place between the edges.
    assert info.k.tolist() == [150, 0, 79.75, 0, 155, 59.75, 0, 0, 1]
    assert info.p.tolist() == [145, 0, 80.25, 0, 0, 152.5, 60.25, 0, 0, 0, 1, 0]
    assert info.d.tolist() == [0.1, -0.2, 0.001, 0.002, 0.0]
    assert (info.distortion_model, info.binning_x, info.roi.width) == ('plumb_bob', 0, 0)


def test_masks_become_a_topic_of_class_ids(folder: Path, tmp_path: Path) -> None:
    masks = tmp_path / 'masks'
    masks.mkdir()
    for index, name in enumerate(['a.png', 'b_labels.png', 'd_labelIds.png']):
        cv2.imwrite(str(masks / name), np.full((12, 16), 3 + index, np.uint8))
    report = record(options(folder, tmp_path / 'drive', labels=masks))
    assert report.counts[LABELS] == 3  # c has none, which is no failure
    assert report.exit_code == 0
    rows = read(tmp_path / 'drive')[LABELS]
    assert [at_ns - START_NS for at_ns, _ in rows] == [0, 50_000_000, 150_000_000]
    assert [(m.encoding, m.step, set(m.data.tolist())) for _, m in rows] == [
        ('mono8', 16, {3}),
        ('mono8', 16, {4}),
        ('mono8', 16, {5}),
    ]


def test_masks_of_a_video_have_its_name_and_the_number(video: Path, tmp_path: Path) -> None:
    masks = tmp_path / 'masks'
    masks.mkdir()
    cv2.imwrite(str(masks / 'grey_000002.png'), np.full((120, 160), 7, np.uint8))
    record(options(video, tmp_path / 'drive', labels=masks))
    ((at_ns, mask),) = read(tmp_path / 'drive')[LABELS]
    assert at_ns - START_NS == 200_000_000 and mask.data[0] == 7


def test_the_bag_offers_what_every_reader_takes(folder: Path, tmp_path: Path) -> None:
    record(options(folder, tmp_path / 'drive'))
    with AnyReader([tmp_path / 'drive']) as reader:
        (offer,) = reader.connections[0].ext.offered_qos_profiles
    assert offer.reliability == QosReliability.RELIABLE
    assert offer.durability == QosDurability.VOLATILE
    assert sorted(path.name for path in (tmp_path / 'drive').iterdir()) == [
        'drive.mcap',
        'metadata.yaml',
    ]


def test_a_damaged_image_is_reported_and_leaves_a_gap(folder: Path, tmp_path: Path) -> None:
    (folder / 'b.png').write_bytes((folder / 'b.png').read_bytes()[:40])
    report = record(options(folder, tmp_path / 'drive', raw=True))
    assert report.exit_code == 1 and 'b.png' in str(report)
    rows = read(tmp_path / 'drive')[IMAGE]
    assert [at_ns - START_NS for at_ns, _ in rows] == [0, 100_000_000, 150_000_000]
    assert [image.data[0] for _, image in rows] == [0, 2, 3]


def test_of_a_truncated_video_the_whole_frames_are_kept(tmp_path: Path) -> None:
    video = write_video(tmp_path / 'long.avi', frames=60)
    data = video.read_bytes()
    video.write_bytes(data[: len(data) * 2 // 3])
    report = record(options(video, tmp_path / 'drive'))
    assert report.exit_code == 1 and 'truncated' in str(report.failures[0])
    assert 10 < len(read(tmp_path / 'drive')[f'{IMAGE}/compressed']) < 50


def test_a_mask_that_cannot_be_used_costs_itself_alone(folder: Path, tmp_path: Path) -> None:
    masks = tmp_path / 'masks'
    masks.mkdir()
    cv2.imwrite(str(masks / 'a.png'), np.full((12, 16), 3, np.uint8))
    cv2.imwrite(str(masks / 'b.png'), np.full((12, 15), 3, np.uint8))
    report = record(options(folder, tmp_path / 'drive', labels=masks))
    assert report.counts == {f'{IMAGE}/compressed': 4, LABELS: 1}
    assert re.search(
        r"mask '.*b.png': got uint8 of shape \(12, 15\), expected .*\(12, 16\)", str(report)
    )


@pytest.mark.parametrize(
    ('values', 'said'),
    [
        ({'rate_hz': 2000.0}, 'rate_hz: got 2000.0'),
        ({'jpeg_quality': 0}, 'jpeg_quality: got 0, expected 1 to 100'),
        ({'start_ns': -1}, 'start_ns: got -1, expected 0 to'),
        ({'labels': Path('nowhere')}, "masks in 'nowhere': got no folder"),
        ({'calibration': Path('nowhere.yaml')}, "calibration file 'nowhere.yaml'"),
        ({'source': Path('nowhere.mp4')}, "input 'nowhere.mp4': got nothing there"),
    ],
)
def test_wrong_options_leave_nothing(
    folder: Path, tmp_path: Path, values: dict[str, Any], said: str
) -> None:
    out = tmp_path / 'out'
    given = vars(options(folder, out / 'drive')) | values
    with pytest.raises(SegPerceptionError, match=said):
        record(RecordOptions(**given))
    assert not out.exists() or list(out.iterdir()) == []


def test_no_frame_and_no_mask_are_errors_that_leave_nothing(folder: Path, tmp_path: Path) -> None:
    colours, empty = tmp_path / 'colours', tmp_path / 'empty'
    for path in (colours, empty):
        path.mkdir()
    cv2.imwrite(str(colours / 'a.png'), np.zeros((12, 16, 3), np.uint8))
    out = tmp_path / 'out' / 'drive'
    with pytest.raises(SegPerceptionError, match='none with the name of a frame'):
        record(options(folder, out, labels=empty))
    with pytest.raises(
        SegPerceptionError, match=r'PNG colour type 2.*Masks in colours have to be'
    ):
        record(options(folder, out, labels=colours))
    (tmp_path / 'camera.yaml').write_text(CALIBRATION.replace('320', '480'))
    with pytest.raises(SegPerceptionError, match='one for 480x240 pixels with an image of 16x12'):
        record(options(folder, out, calibration=tmp_path / 'camera.yaml'))
    for image in folder.iterdir():
        image.write_bytes(b'no image')
    with pytest.raises(SegPerceptionError, match=r'a\.png.*do not decode'):
        record(options(folder, out))
    assert list(out.parent.iterdir()) == []


def test_videos_are_not_mixed_with_images(video: Path, folder: Path, tmp_path: Path) -> None:
    video.rename(folder / video.name)
    with pytest.raises(SegPerceptionError, match='got 1 videos among 5 files'):
        record(options(folder, tmp_path / 'drive'))


def test_what_is_there_is_not_overwritten(folder: Path, tmp_path: Path) -> None:
    (tmp_path / 'drive').mkdir()
    with pytest.raises(SegPerceptionError, match=r'drive.*got something that is there already'):
        record(options(folder, tmp_path / 'drive'))
    assert list((tmp_path / 'drive').iterdir()) == []


def test_a_full_disk_is_one_message_and_leaves_nothing(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*arguments: object) -> None:
        raise OSError(28, 'No space left on device')

    monkeypatch.setattr(bag_writer.Writer, 'write', full)
    with pytest.raises(SegPerceptionError, match=r'drive.*No space left on device'):
        record(options(folder, tmp_path / 'out' / 'drive'))
    assert list((tmp_path / 'out').iterdir()) == []


def test_a_folder_that_cannot_be_made_is_one_message(folder: Path, tmp_path: Path) -> None:
    (tmp_path / 'file').write_text('')
    with pytest.raises(SegPerceptionError, match='path that can be written'):
        record(options(folder, tmp_path / 'file' / 'drive'))


@pytest.mark.parametrize('start', ['2023-11-14T22:13:20.25', '1700000000.25'])
def test_the_command(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], start: str
) -> None:
    out = tmp_path / 'drive'
    given = [str(folder), '--out', str(out), '--start', start, '--raw', '--topic', '/left/image']
    assert main(['record', *given, '--frame-id', 'left']) == 0
    assert '/left/image  4' in capsys.readouterr().out
    at_ns, image = read(out)['/left/image'][0]
    assert (at_ns, image.header.frame_id) == (START_NS, 'left')
    assert main(['record', *given]) == 2
    assert 'is there already' in capsys.readouterr().err


def test_the_command_refuses_a_start_that_is_no_time(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(['record', str(folder), '--out', str(tmp_path / 'drive'), '--start', 'noon']) == 2
    assert "got 'noon', expected a time such as" in capsys.readouterr().err
