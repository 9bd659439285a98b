# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""What a bag gives to a replay: messages that rclpy reads, and reasons for what it does not."""

from __future__ import annotations

import itertools
import sys
from pathlib import Path

import numpy as np
import pytest
from rclpy.serialization import deserialize_message
from sensor_msgs.msg import CameraInfo, Image

from seg_perception.core.errors import SourceError
from seg_perception.options import ReplayOptions
from seg_perception.replay.bag_source import BagSource
from tiny_bags import CAMERA_INFO, IMAGE, NS, START_NS, TOPIC, Make, Row, street, write_bag

INFO_TOPIC = '/camera/front/camera_info'
STRING, TRANSFORMS = 'std_msgs/msg/String', 'tf2_msgs/msg/TFMessage'


def text(at_s: float, data: str, topic: str = '/said') -> Row:
    return topic, STRING, START_NS + round(at_s * NS), lambda make: make(STRING, data=data)


def picture(at_s: float, row: int) -> Row:
    at_ns = START_NS + round(at_s * NS)
    return TOPIC, IMAGE, at_ns, lambda make: make.image(street(row), at_ns)


def info(at_s: float) -> Row:
    at_ns = START_NS + round(at_s * NS)
    return INFO_TOPIC, CAMERA_INFO, at_ns, lambda make: make.info(50.0, at_ns)


def transforms(make: Make) -> object:
    return make(TRANSFORMS, transforms=[])


def said(source: BagSource) -> list[str]:
    """Texts of the String messages: they lie behind the CDR header and their length."""
    return [message.data[8:-1].decode() for message in source.read()]


@pytest.mark.parametrize('kind', ['mcap', 'sqlite3', 'ros1'])
def test_messages_are_what_rclpy_reads(tmp_path: Path, kind: str) -> None:
    rows = [info(0.0), picture(0.0, 20), info(0.5), picture(0.5, 30)]
    path = write_bag(tmp_path / ('drive.bag' if kind == 'ros1' else 'drive'), rows, kind)
    with BagSource(ReplayOptions(path)) as source:
        messages = list(source.read(turn=7))
        assert {c.topic: (c.type, c.count) for c in source.channels} == {
            INFO_TOPIC: (CameraInfo, 2),
            TOPIC: (Image, 2),
        }
        assert source.skipped == {} and source.problems == []
    assert [(m.channel.topic, m.stamp_ns - START_NS, m.turn) for m in messages] == [
        (INFO_TOPIC, 0, 7),
        (TOPIC, 0, 7),
        (INFO_TOPIC, NS // 2, 7),
        (TOPIC, NS // 2, 7),
    ]
    assert all(type(message.data) is bytes for message in messages)
    calibration = deserialize_message(messages[0].data, CameraInfo)
    assert calibration.k.tolist() == [50, 0, 32, 0, 50, 24, 0, 0, 1]
    assert (calibration.width, calibration.distortion_model) == (64, 'plumb_bob')
    image = deserialize_message(messages[3].data, Image)
    assert (image.header.stamp.sec, image.header.stamp.nanosec) == (1_700_000_000, 500_000_000)
    assert (image.header.frame_id, image.encoding, image.step) == ('front_optical', 'bgr8', 192)
    assert np.array_equal(np.frombuffer(image.data, np.uint8).reshape(48, 64, 3), street(30))


def test_start_and_duration_cut_a_part_out(tmp_path: Path) -> None:
    path = write_bag(tmp_path / 'drive', [text(i / 10, str(i)) for i in range(10)])
    with BagSource(ReplayOptions(path, start_s=0.25, duration_s=0.4)) as source:
        assert said(source) == ['3', '4', '5', '6']
        assert (source.offset_s, source.length_s) == (0.25, 0.4)
        assert source.period_ns == pytest.approx(NS // 10, rel=1e-6)


def test_what_was_latched_before_the_start_comes_first(tmp_path: Path) -> None:
    rows = [text(0.0, 'static', '/tf_static'), *(text(i / 10, str(i)) for i in range(5))]
    path = write_bag(tmp_path / 'drive', rows)
    with BagSource(ReplayOptions(path, start_s=0.3)) as source:
        assert said(source) == ['static', '3', '4']
        assert next(source.read()).stamp_ns - START_NS == 0.3 * NS


def test_topics_are_chosen_by_name(tmp_path: Path) -> None:
    path = write_bag(tmp_path / 'drive', [text(0, 'a', '/a'), text(0, 'b', '/b')])
    with BagSource(ReplayOptions(path, topics=('/b',))) as source:
        assert said(source) == ['b']
    with pytest.raises(SourceError, match=r'topics to replay .*got /c, expected some of /a, /b'):
        BagSource(ReplayOptions(path, topics=('/c', '/a')))


def test_what_cannot_be_published_is_skipped_with_its_reason(tmp_path: Path) -> None:
    marker = 'visualization_msgs/msg/Marker'
    rows = [text(0, 'a'), ('/clock', 'rosgraph_msgs/msg/Clock', START_NS, _clock)]
    path = write_bag(tmp_path / 'drive', rows)
    with BagSource(ReplayOptions(path, clock_hz=1.0)) as source:
        assert [channel.topic for channel in source.channels] == ['/said']
        assert source.skipped == {'/clock': 'replaced by the clock of this replay'}
    with BagSource(ReplayOptions(path)) as source:
        assert sorted(channel.topic for channel in source.channels) == ['/clock', '/said']
    old = write_bag(
        tmp_path / 'old.bag', [text(0, 'a'), ('/m', marker, START_NS, _marker)], 'ros1'
    )
    with BagSource(ReplayOptions(old)) as source:
        assert source.skipped == {'/m': f'{marker} is not defined as the installed one'}


def test_a_type_that_is_not_installed_is_skipped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [text(0, 'a'), ('/tf', TRANSFORMS, START_NS, transforms)]
    path = write_bag(tmp_path / 'drive', rows)
    monkeypatch.setitem(sys.modules, 'tf2_msgs.msg', None)  # as if it were not there
    with BagSource(ReplayOptions(path)) as source:
        assert source.skipped == {'/tf': 'tf2_msgs/msg/TFMessage is not installed'}
    with pytest.raises(
        SourceError, match=r'got no message to publish; /tf \(tf2_msgs/msg/TFMessage is not inst'
    ):
        BagSource(ReplayOptions(path, topics=('/tf',)))


def test_a_start_behind_the_end_is_refused(tmp_path: Path) -> None:
    path = write_bag(tmp_path / 'drive', [text(i / 10, str(i)) for i in range(10)])
    with pytest.raises(SourceError, match=r'start of the replay: got 3 s, .* the 0.90 s that bag'):
        BagSource(ReplayOptions(path, start_s=3.0))


def test_what_is_no_bag_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r'nowhere.*got nothing there'):
        BagSource(ReplayOptions(tmp_path / 'nowhere'))
    with pytest.raises(SourceError, match=r'metadata\.yaml is missing'):
        BagSource(ReplayOptions(tmp_path))
    empty = write_bag(tmp_path / 'empty', [])
    with pytest.raises(SourceError, match=r'empty.*got no message to publish'):
        BagSource(ReplayOptions(empty))


def test_of_a_truncated_bag_comes_what_can_be_read(tmp_path: Path) -> None:
    rows = [picture(i / 10, 10 + i) for i in range(200)]
    file = write_bag(tmp_path / 'drive', rows) / 'drive.mcap'
    file.write_bytes(file.read_bytes()[:-300_000])
    with BagSource(ReplayOptions(file)) as source:
        stamps = [(message.stamp_ns - START_NS) * 10 // NS for message in source.read()]
        assert stamps == list(range(len(stamps))) and 100 < len(stamps) < 200
        assert 'drive.mcap' in source.problems[0]


def test_a_loop_goes_on_with_the_next_turn(tmp_path: Path) -> None:
    rows = [text(i / 10, str(i)) for i in range(2)]
    with BagSource(ReplayOptions(write_bag(tmp_path / 'drive', rows))) as source:
        assert [message.turn for message in source.read_turns(loop=False)] == [0, 0]
        endless = itertools.islice(source.read_turns(loop=True), 5)
        assert [message.turn for message in endless] == [0, 0, 1, 1, 2]


def test_a_loop_over_nothing_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_bag(tmp_path / 'drive', [text(0, 'a'), text(0.1, 'b')])
    with BagSource(ReplayOptions(path)) as source:
        monkeypatch.setattr(source, 'read', lambda turn: iter(()))
        assert list(source.read_turns(loop=True)) == []


def _clock(make: Make) -> object:
    time = make('builtin_interfaces/msg/Time', sec=1, nanosec=0)
    return make('rosgraph_msgs/msg/Clock', clock=time)


def _marker(make: Make) -> object:
    zero = make('geometry_msgs/msg/Point', x=0.0, y=0.0, z=0.0)
    turn = make('geometry_msgs/msg/Quaternion', x=0.0, y=0.0, z=0.0, w=1.0)
    return make(
        'visualization_msgs/msg/Marker',
        header=make.header(START_NS),
        ns='',
        id=0,
        type=0,
        action=0,
        pose=make('geometry_msgs/msg/Pose', position=zero, orientation=turn),
        scale=make('geometry_msgs/msg/Vector3', x=1.0, y=1.0, z=1.0),
        color=make('std_msgs/msg/ColorRGBA', r=1.0, g=0.0, b=0.0, a=1.0),
        lifetime=make('builtin_interfaces/msg/Duration', sec=1, nanosec=0),
        frame_locked=False,
        points=[],
        colors=[],
        text='',
        mesh_resource='',
        mesh_use_embedded_materials=False,
    )
