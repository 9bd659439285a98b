# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""What is found in inputs, and the frames that come out of them."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from seg_perception.core.camera import Calibration
from seg_perception.core.camera_geometry import Missing
from seg_perception.core.errors import SourceError
from seg_perception.evaluation.inputs import find_sources, read_span
from seg_perception.evaluation.streams import STAMPS_STAND, RawFrame, Source, Wanted
from tiny_bags import (
    CAMERA_INFO,
    COMPRESSED,
    FIX,
    IMAGE,
    NS,
    SIZE,
    START_NS,
    TOPIC,
    Row,
    street,
    street_rows,
    write_bag,
)

LABELS = '/camera/front/labels'


def jpeg_rows(count: int, topic: str) -> list[Row]:
    return [
        (topic, COMPRESSED, START_NS + i * NS, lambda make, i=i: make.jpeg(street(), START_NS + i))
        for i in range(count)
    ]


def label_row(value: int, at_ns: int, stamp_ns: int) -> Row:
    ids = np.full(SIZE, value, np.uint8)
    return LABELS, IMAGE, at_ns, lambda make: make.image(ids, stamp_ns, 'mono8')


def only(path: Path, wanted: Wanted | None = None) -> Source:
    (source,), failures = find_sources([path], wanted or Wanted())
    assert failures == []
    return source


def frames_of(source: Source, start_s: float = 0.0, stop_s: float = 1e6) -> list[RawFrame]:
    problems: list[str] = []
    start_ns, stop_ns = (source.start_ns + round(s * NS) for s in (start_s, stop_s))
    frames = list(read_span(source, start_ns, stop_ns, problems))
    assert problems == []
    return frames


def write_video(path: Path, count: int = 12) -> Path:
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*'mp4v'), 4.0, (64, 48))
    for i in range(count):
        writer.write(np.full((48, 64, 3), 20 * i, np.uint8))
    writer.release()
    return path


def test_bag_of_one_camera(tmp_path: Path) -> None:
    info = (
        '/camera/front/camera_info',
        CAMERA_INFO,
        START_NS,
        lambda make: make.info(50.0, START_NS),
    )
    source = only(write_bag(tmp_path / 'drive one', [info, *street_rows(11)]))
    (stream,) = source.streams
    assert (source.name, source.kind) == ('drive_one', 'bag')
    assert (stream.topic, stream.camera, stream.frames) == (TOPIC, 'front', 11)
    assert (stream.size, stream.fps) == ((48, 64), pytest.approx(11.0))
    assert isinstance(stream.calibration, Calibration)
    assert stream.calibration.k.tolist() == [[50, 0, 32], [0, 50, 24], [0, 0, 1]]
    frames = frames_of(source, 0.2, 0.4)
    assert [frame.stamp_ns - START_NS for frame in frames] == [NS // 5, 3 * NS // 10]
    assert frames[0].frame_id == 'front_optical'
    np.testing.assert_array_equal(frames[0].decode().array, street(12))


@pytest.mark.parametrize('kind', ['sqlite3', 'ros1'])
def test_other_kinds_of_bags_give_the_same(tmp_path: Path, kind: str) -> None:
    info = ('/camera_info', CAMERA_INFO, START_NS, lambda make: make.info(50.0, START_NS))
    source = only(write_bag(tmp_path / 'x.bag', [info, *street_rows(3)], kind))
    calibration = source.streams[0].calibration
    assert isinstance(calibration, Calibration)  # of another name, but the only one
    assert calibration.k[0, 0] == 50
    frames = frames_of(source)
    assert [frame.name for frame in frames] == [str(START_NS + i * NS // 10) for i in range(3)]
    np.testing.assert_array_equal(frames[2].decode().array, street(12))


def test_calibration_of_zeros_is_none(tmp_path: Path) -> None:
    info = ('/camera/front/camera_info', CAMERA_INFO, START_NS, lambda make: make.info(0.0, 1))
    rows = [info, *street_rows(2)]

    def blank(make):
        message = make.info(0.0, 1)
        message.k[:] = 0.0
        return message

    rows[0] = (*info[:3], blank)
    (stream,) = only(write_bag(tmp_path / 'bag', rows)).streams
    assert stream.calibration == Missing('not calibrated: the K of camera_info is zero')


def test_every_camera_info_counts_with_its_region_and_binning(tmp_path: Path) -> None:
    def cropped(make):
        message = make.info(50.0, 1, (96, 64))
        message.roi.y_offset, message.roi.height, message.roi.width = 48, 48, 64
        return message

    def binned(make):
        message = make.info(100.0, 1, (96, 128))
        message.binning_x = message.binning_y = 2
        return message

    topic, images = '/camera/front/camera_info', street_rows(4)
    rows = [
        (topic, CAMERA_INFO, START_NS, cropped),
        *images[:2],
        (topic, CAMERA_INFO, images[2][2] - 1, binned),
        *images[2:],
    ]
    frames = frames_of(only(write_bag(tmp_path / 'bag', rows)))
    calibrations = [frame.calibration for frame in frames]
    assert all(isinstance(each, Calibration) and each.size == SIZE for each in calibrations)
    # The lower half of the image: its rows begin 48 lower. Halved: edges stay edges.
    assert [each.k[1, 2] for each in calibrations] == [0, 0, 23.75, 23.75]
    assert [each.k[0, 0] for each in calibrations] == [50, 50, 50, 50]


def test_compressed_beside_raw_is_the_same_camera(tmp_path: Path) -> None:
    rows = [
        *street_rows(2),
        *jpeg_rows(2, f'{TOPIC}/compressed'),
        *jpeg_rows(2, '/rear/compressed'),
    ]
    source = only(write_bag(tmp_path / 'bag', rows))
    assert [(s.topic, s.camera) for s in source.streams] == [
        (TOPIC, 'front'),
        ('/rear/compressed', 'rear'),
    ]


def test_answers_of_a_node_are_no_cameras(tmp_path: Path) -> None:
    rows = street_rows(2)
    for name in ('mask', 'mask_small', 'ego_mask', 'confidence', 'overlay', 'overlay/compressed'):
        rows += jpeg_rows(1, f'/seg_perception/front/{name}')
    source = only(write_bag(tmp_path / 'bag', rows))
    assert [stream.topic for stream in source.streams] == [TOPIC]


def test_asked_for_topic_is_taken_whatever_its_name(tmp_path: Path) -> None:
    path = write_bag(tmp_path / 'bag', [*street_rows(2), *jpeg_rows(3, '/depth/compressed')])
    source = only(path, Wanted(topics=('/depth/compressed',)))
    assert [(s.topic, s.frames) for s in source.streams] == [('/depth/compressed', 3)]


def test_cameras_of_one_name_are_told_apart(tmp_path: Path) -> None:
    rows = [
        *street_rows(1, topic='/a/front/image_raw'),
        *street_rows(1, topic='/b/front/image_raw'),
    ]
    source = only(write_bag(tmp_path / 'bag', rows))
    assert [s.camera for s in source.streams] == ['a_front_image_raw', 'b_front_image_raw']


def test_video_by_spans(tmp_path: Path) -> None:
    source = only(write_video(tmp_path / 'clip.mp4'))
    assert (source.kind, source.streams[0].fps, source.stop_ns) == ('video', 4.0, 3 * NS)
    frames = frames_of(source, 1.0, 2.0)
    assert [frame.name for frame in frames] == [f'clip_00000{i}' for i in (4, 5, 6, 7)]
    assert [frame.stamp_ns for frame in frames] == [NS, 5 * NS // 4, 3 * NS // 2, 7 * NS // 4]
    assert frames[3].decode().array.mean() == pytest.approx(140, abs=4)
    assert len(frames_of(source)) == 12


def test_folder_of_images_is_one_input(tmp_path: Path) -> None:
    for name in ('b', 'a', 'c'):
        cv2.imwrite(str(tmp_path / f'{name}.png'), street())
    source = only(tmp_path, Wanted(fps=2.0))
    assert (source.kind, source.streams[0].frames, source.stop_ns) == ('images', 3, 3 * NS // 2)
    assert [(f.name, f.stamp_ns) for f in frames_of(source, 0.5)] == [('b', NS // 2), ('c', NS)]


def test_damaged_image_fails_when_it_is_decoded(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / 'a.png'), street())
    (tmp_path / 'b.png').write_bytes(b'no picture')
    frames = frames_of(only(tmp_path))
    with pytest.raises(SourceError.__base__, match='image file: got 10 bytes that do not decode'):
        frames[1].decode()


def test_globs_and_names(tmp_path: Path) -> None:
    for folder in ('x', 'y'):
        (tmp_path / folder).mkdir()
        write_bag(tmp_path / folder / 'drive', street_rows(1))
    sources, failures = find_sources([str(tmp_path / '*' / 'drive')])
    assert [source.name for source in sources] == ['drive', 'drive_2']
    assert failures == []


def test_fix_of_the_last_second(tmp_path: Path) -> None:
    def fix(at_s: float, latitude: float, status: int = 0) -> Row:
        at_ns = START_NS + round(at_s * NS)
        return '/fix', FIX, at_ns, lambda make: make.fix(latitude, 9.0, at_ns, status)

    rows = [*street_rows(5, fps=1.0), fix(0.5, 48.0), fix(1.9, 49.0), fix(1.95, 1.0, status=-1)]
    source = only(write_bag(tmp_path / 'bag', sorted(rows, key=lambda row: row[2])))
    assert [frame.fix for frame in frames_of(source)] == [
        None,
        (48.0, 9.0),
        (49.0, 9.0),
        None,
        None,
    ]


def test_labels_by_stamp_before_and_after_their_frame(tmp_path: Path) -> None:
    rows = [
        label_row(3, START_NS + NS // 20, START_NS + NS // 10),
        *street_rows(3),
        label_row(8, START_NS + NS // 4, START_NS),
        label_row(9, START_NS + NS // 3, START_NS + 12345),
    ]
    path = write_bag(tmp_path / 'bag', sorted(rows, key=lambda row: row[2]))
    source = only(path, Wanted(truth_topic=LABELS))
    assert [stream.topic for stream in source.streams] == [TOPIC]
    masks = [frame.ground_truth() if frame.ground_truth else None for frame in frames_of(source)]
    assert [None if mask is None else int(mask[5, 5]) for mask in masks] == [8, 3, None]
    assert masks[0].shape == SIZE


def test_two_inputs_of_which_one_is_bad(tmp_path: Path) -> None:
    good = write_bag(tmp_path / 'good', street_rows(1))
    (tmp_path / 'bad.mcap').write_bytes(b'')
    sources, failures = find_sources([good, tmp_path / 'bad.mcap'])
    assert [source.name for source in sources] == ['good']
    assert failures[0].source == str(tmp_path / 'bad.mcap')
    assert 'got another beginning' in failures[0].what


def test_inputs_of_which_all_are_bad(tmp_path: Path) -> None:
    for name in ('a.mcap', 'b.mcap'):
        (tmp_path / name).write_bytes(b'')
    with pytest.raises(SourceError, match=r'2 inputs: got .*a\.mcap.*b\.mcap'):
        find_sources([tmp_path / 'a.mcap', tmp_path / 'b.mcap'])


def test_missing_topic_lists_those_there(tmp_path: Path) -> None:
    path = write_bag(tmp_path / 'bag', street_rows(2))
    expected = (
        r"topic '/no' of bag .*: got no such topic, expected messages of sensor_msgs/msg/Image or "
        r'.*In the bag: /camera/front/image_raw \(sensor_msgs/msg/Image, 2\)\.'
    )
    with pytest.raises(SourceError, match=expected):
        find_sources([path], Wanted(topics=('/no',)))


def test_topic_of_another_type(tmp_path: Path) -> None:
    fix = ('/fix', FIX, START_NS, lambda make: make.fix(1.0, 2.0, 3))
    path = write_bag(tmp_path / 'bag', [fix, *street_rows(1)])
    with pytest.raises(SourceError, match='got 1 messages of sensor_msgs/msg/NavSatFix, expected'):
        find_sources([path], Wanted(topics=('/fix',)))


def test_no_image_topic(tmp_path: Path) -> None:
    fix = ('/fix', FIX, START_NS, lambda make: make.fix(1.0, 2.0, 3))
    path = write_bag(tmp_path / 'bag', [fix])
    expected = r'got no image topic, expected a topic of .*In the bag: /fix \(sensor_msgs/msg/Nav'
    with pytest.raises(SourceError, match=expected):
        find_sources([path])


def test_bag_without_messages(tmp_path: Path) -> None:
    path = write_bag(tmp_path / 'bag', [])
    with pytest.raises(SourceError, match=r'got no image topic, .*In the bag: nothing\.'):
        find_sources([path])


def test_nothing_there(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"no\*': got nothing"):
        find_sources([tmp_path / 'no*'])


def test_topic_of_which_nothing_decodes(tmp_path: Path) -> None:
    rows = [
        (TOPIC, IMAGE, START_NS + i, lambda make: make.image(street(), 1, '32FC1'))
        for i in range(2)
    ]
    with pytest.raises(SourceError, match=r'topic /camera/front/image_raw: got .*32FC1'):
        find_sources([write_bag(tmp_path / 'bag', rows)])


def stamped_rows(stamps: list[int]) -> list[Row]:
    """Ten images a second with these stamps."""
    return [
        (TOPIC, IMAGE, START_NS + i * NS // 10, lambda make, at=at: make.image(street(), at))
        for i, at in enumerate(stamps)
    ]


@pytest.mark.parametrize('stamp', [0, 1000 * NS])
def test_stamps_that_stand_still_give_way_to_the_times_of_recording(
    tmp_path: Path, stamp: int
) -> None:
    source = only(write_bag(tmp_path / 'bag', stamped_rows([stamp] * 12)))
    assert source.warnings == (f'{TOPIC}: {STAMPS_STAND}',)
    expected = [START_NS + i * NS // 10 for i in range(12)]
    assert [frame.stamp_ns for frame in frames_of(source)] == expected
    assert [frame.stamp_ns for frame in frames_of(source, 0.5)] == expected[5:]


def test_stamps_that_stop_are_noticed_on_the_way(tmp_path: Path) -> None:
    stamps = [START_NS + min(i, 8) * NS // 10 for i in range(30)]
    source = only(write_bag(tmp_path / 'bag', stamped_rows(stamps)))
    frames = frames_of(source)
    assert source.warnings == ()
    assert [frame.stamps_stand for frame in frames] == [False] * 13 + [True] * 17
    assert [frame.stamp_ns - START_NS for frame in frames[13:]] == [
        i * NS // 10 for i in range(13, 30)
    ]


def other_row(kind: str, i: int) -> Row:
    """A message of something that is no picture, on a topic called as pictures are."""
    at_ns = START_NS + i * NS // 10
    depth = np.full(SIZE, 2000, np.uint16)

    def compressed(make, format: str, data: bytes):
        values = {'header': make.header(at_ns), 'format': format}
        return make(COMPRESSED, data=np.frombuffer(data, np.uint8), **values)

    def raw(make):
        return make.image(depth, at_ns, '16UC1')

    png = bytes(12) + cv2.imencode('.png', depth)[1].tobytes()
    made = {
        'raw': (IMAGE, raw),
        'png': (COMPRESSED, lambda make: compressed(make, '16UC1; png compressed ', png[12:])),
        'packed': (COMPRESSED, lambda make: compressed(make, '16UC1; compressedDepth png', png)),
        'video': (COMPRESSED, lambda make: compressed(make, 'h264', b'\0\0\1\x67' + bytes(99))),
        'nonsense': (IMAGE, lambda make: make.image(street(), at_ns, 'rgb9')),
    }  # fmt: skip
    type_name, make = made[kind]
    return '/other/image', type_name, at_ns, make


@pytest.mark.parametrize('kind', ['raw', 'png', 'packed', 'video', 'nonsense'])
def test_what_is_no_picture_hinders_no_other_topic(tmp_path: Path, kind: str) -> None:
    rows = [*street_rows(3), *(other_row(kind, i) for i in range(3))]
    source = only(write_bag(tmp_path / 'bag', rows))
    assert [stream.topic for stream in source.streams] == [TOPIC]
    is_depth = kind in ('raw', 'png', 'packed')
    (told,) = source.warnings if is_depth else source.problems
    assert not (source.problems if is_depth else source.warnings)
    assert told.startswith('/other/image is left out: ')
    assert {'video': 'video stream', 'nonsense': "'rgb9'"}.get(kind, 'depth (16UC1') in told
    with pytest.raises(SourceError, match='/other/image'):
        find_sources([tmp_path / 'bag'], Wanted(topics=('/other/image',)))


def test_bag_of_depth_alone(tmp_path: Path) -> None:
    bag = write_bag(tmp_path / 'bag', [other_row('raw', i) for i in range(3)])
    with pytest.raises(SourceError, match=r'got depth \(16UC1\)'):
        find_sources([bag])


@pytest.mark.parametrize(
    ('topic', 'asked', 'focal_px'),
    [
        ('/cam/image_rect', 'auto', 40),
        ('/cam/image_rect', 'no', 50),
        ('/cam/image_raw', 'auto', 50),
        ('/cam/image_raw', 'yes', 40),
    ],
)
def test_rectified_images_have_the_focal_length_of_p(
    tmp_path: Path, topic: str, asked: str, focal_px: float
) -> None:
    def info(make, scale: float = 0.8):
        message = make.info(50.0, 1)
        message.p[[0, 5]] = 50.0 * scale
        return message

    rows = [('/cam/camera_info', CAMERA_INFO, START_NS, info), *street_rows(2, topic=topic)]
    source = only(write_bag(tmp_path / 'bag', rows), Wanted(rectified=asked))
    for row in (*source.streams, *frames_of(source)):
        assert isinstance(row.calibration, Calibration)
        assert row.calibration.k[0, 0] == pytest.approx(focal_px)


@pytest.mark.parametrize('encoding', ['mono16', '16UC1', 'png'])
def test_labels_of_16_bits_and_of_a_palette(tmp_path: Path, encoding: str) -> None:
    ids = np.full(SIZE, 8, np.uint16)
    ids[:10] = 255

    def label(make):
        if encoding == 'png':
            return make.jpeg(ids, START_NS, '.png')
        return make.image(ids, START_NS, encoding)

    kind = COMPRESSED if encoding == 'png' else IMAGE
    rows = [*street_rows(1), (LABELS, kind, START_NS, label)]
    (frame,) = frames_of(only(write_bag(tmp_path / 'bag', rows), Wanted(truth_topic=LABELS)))
    assert frame.ground_truth is not None
    np.testing.assert_array_equal(frame.ground_truth(), ids)


def test_cameras_have_names_of_their_own_that_files_can_bear(tmp_path: Path) -> None:
    long = '/x' + 300 * 'long'
    topics = ['/a/b_c/image_raw', '/a_b/c/image_raw', '/a/c/image_raw', '/d/c/image_raw']
    topics += [f'{long}/image_raw', '/a/b/c', '/a_b/d/image_raw', '/e/a/b_c/image_raw']
    rows = [row for topic in topics for row in street_rows(1, topic=topic)]
    source = only(write_bag(tmp_path / 'bag', rows))
    names = [stream.camera for stream in source.streams]
    assert len(set(names)) == len(topics)
    assert max(map(len, names)) < 100 and 'd' in names
