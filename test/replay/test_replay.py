# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""A bag over real DDS: what readers get, from the command's options to its keys."""

from __future__ import annotations

import fcntl
import itertools
import os
import pty
import re
import select
import signal
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import Image
from std_msgs.msg import String

from ros_graph import Graph, pixels_of
from seg_perception.cli import main
from seg_perception.core.errors import ParameterError
from seg_perception.node.processes import RosProcess
from seg_perception.options import ReplayOptions
from seg_perception.replay.bag_source import BagSource, Message
from seg_perception.replay.replay import run_replay
from seg_perception_msgs.msg import RoadScene
from tiny_bags import IMAGE, NS, START_NS, TOPIC, Row, street, write_bag

ALL = QoSProfile(depth=200, reliability=ReliabilityPolicy.RELIABLE)
LATCHED = QoSProfile(depth=5, durability=DurabilityPolicy.TRANSIENT_LOCAL)
BEST_EFFORT = QoSProfile(depth=200, reliability=ReliabilityPolicy.BEST_EFFORT)
ANSWERED = (RoadScene.OK, RoadScene.DEGRADED)
STRING = 'std_msgs/msg/String'


def text(at_s: float, data: str, topic: str = '/said') -> Row:
    return topic, STRING, START_NS + round(at_s * NS), lambda make: make(STRING, data=data)


def picture(index: int, period_s: float) -> Row:
    at_ns = START_NS + round(index * period_s * NS)
    return TOPIC, IMAGE, at_ns, lambda make: make.image(street(10 + index % 28), at_ns)


@pytest.fixture(scope='module')
def drive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten pictures and ten words in 0.9 s, and one word that is latched."""
    rows = [text(0.0, 'latched', '/tf_static')]
    for index in range(10):
        rows += [picture(index, 0.1), text(index / 10, str(index))]
    return write_bag(tmp_path_factory.mktemp('bags') / 'drive', rows)


def horizons(images: list[Image]) -> list[int]:
    """The first row of road, which tells the pictures apart."""
    return [int(np.argmax(pixels_of(image)[:, 0, 1] == 64)) for image in images]


def _in_bag_s(clocks: list[Clock]) -> np.ndarray:
    return np.array([m.clock.sec - 1_700_000_000 + m.clock.nanosec / 1e9 for m in clocks])


def words(messages: list[String]) -> list[str]:
    return [message.data for message in messages]


def test_readers_get_everything_as_it_was(graph: Graph, drive: Path) -> None:
    images = graph.read(Image, TOPIC, ALL, wait=False)
    said = graph.read(String, '/said', ALL, wait=False)
    report = run_replay(ReplayOptions(drive, wait_s=20.0))
    graph.spin_until(lambda: len(images) == len(said) == 10, 'all messages')

    assert horizons(images) == list(range(10, 20))
    stamps = [(image.header.stamp.sec, image.header.stamp.nanosec) for image in images]
    assert stamps == [(1_700_000_000, i * 100_000_000) for i in range(10)]
    assert words(said) == [str(index) for index in range(10)]
    assert report.published == {TOPIC: 10, '/said': 10, '/tf_static': 1}
    assert report.seconds >= 0.9
    assert (report.problems, report.exit_code) == ((), 0)
    assert sorted(report.behind_ms) == ['p50', 'p95', 'p99']


def test_rate_part_topics_and_other_names(graph: Graph, drive: Path) -> None:
    said = graph.read(String, '/elsewhere', ALL, wait=False)
    silent = graph.read(Image, TOPIC, ALL, wait=False)
    options = ReplayOptions(
        drive,
        rate=0.25,
        start_s=0.35,
        duration_s=0.4,
        topics=('/said',),
        remap=('/said:=/elsewhere',),
        wait_s=20.0,
    )
    report = run_replay(options)
    graph.spin_until(lambda: len(said) == 4, 'the part')
    assert words(said) == ['4', '5', '6', '7']
    assert report.seconds >= 0.3 / 0.25
    assert silent == []


def test_a_late_reader_gets_what_is_latched(
    graph: Graph, drive: Path, command: Callable[..., subprocess.Popen]
) -> None:
    command(drive, '--loop', '--wait', '0')
    said = graph.read(String, '/said', BEST_EFFORT)
    graph.spin_until(lambda: said, 'the replay')
    late = graph.read(String, '/tf_static', LATCHED)
    graph.spin_until(lambda: late, 'the latched message')
    assert late[0].data == 'latched'


def test_the_clock_is_that_of_the_bag(graph: Graph, drive: Path) -> None:
    clocks = graph.read(Clock, '/clock', BEST_EFFORT, wait=False)
    said = graph.read(String, '/said', ALL, wait=False)
    run_replay(ReplayOptions(drive, clock_hz=200.0, wait_s=20.0))
    graph.spin_until(lambda: len(said) == 10, 'all messages')
    graph.spin_until(lambda: _in_bag_s(clocks)[-1] > 0.7, 'the last times')
    times_s = _in_bag_s(clocks)
    assert np.diff(times_s).min() > 0
    assert 0.0 <= times_s[0] < 0.3 and times_s[-1] < 0.95


def test_nobody_listens(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    bag = write_bag(tmp_path / 'lonely', [text(i / 10, str(i), '/lonely') for i in range(3)])
    report = run_replay(ReplayOptions(bag, rate=20.0, wait_s=0.2))
    assert report.published == {'/lonely': 3}
    assert 'nobody listens after 0.2 s' in ''.join(capfd.readouterr())


def test_backward_jumps_of_a_loop_are_not_stale(
    graph: Graph,
    start_node: Callable[..., RosProcess],
    command: Callable[..., subprocess.Popen],
    tiny_path: Path,
    tmp_path: Path,
) -> None:
    # Stamps 2 s apart and 38 s back at each turn, far more than stale_after_s; 0.1 s on the clock.
    bag = write_bag(tmp_path / 'long', [picture(index, 2.0) for index in range(20)])
    start_node(
        model=str(tiny_path),
        front__image_topic='/camera/front/image_raw',
        front__camera_info_topic='',
        stale_after_s=4.0,
        use_sim_time=True,
    )
    scenes = graph.read(RoadScene, '/seg_perception/front/road_scene')
    replay = command(bag, '--loop', '--clock', '--rate', '20', '--wait', '30')
    seconds: list[int] = []

    def turns() -> int:
        seconds[:] = [m.header.stamp.sec for m in scenes if m.status in ANSWERED]
        return sum(after < before for before, after in itertools.pairwise(seconds))

    graph.spin_until(lambda: turns() >= 2, 'third turn')
    replay.send_signal(signal.SIGINT)
    assert replay.wait(60) == 0
    first = next(i for i, scene in enumerate(scenes) if scene.status in ANSWERED)
    assert RoadScene.STALE not in {scene.status for scene in scenes[first:]}
    jumps = [after - before for before, after in itertools.pairwise(seconds)]
    assert min(jumps) < -20


@pytest.fixture
def command(spawn: Callable[..., subprocess.Popen]) -> Callable[..., subprocess.Popen]:
    """`seg-perception replay` as a process."""

    def start(bag: Path, *words: str, **how: object) -> subprocess.Popen:
        return spawn([sys.executable, '-m', 'seg_perception', 'replay', str(bag), *words], **how)

    return start


class Terminal:
    """A terminal with a process in it: keys go in, what it says comes out."""

    def __init__(self) -> None:
        self._ours, self._theirs = pty.openpty()
        self.ends = dict.fromkeys(('stdin', 'stdout', 'stderr'), self._theirs)
        self.said = ''

    def settings(self) -> list:
        return termios.tcgetattr(self._theirs)

    def become(self) -> None:
        """Called in the child: the terminal is its own, as in a shell."""
        os.setsid()
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)

    def press(self, keys: str) -> None:
        os.write(self._ours, keys.encode())

    def wait_for(self, pattern: str, timeout_s: float = 120.0) -> str:
        """What it said up to a pattern that comes after all that was waited for before."""
        end_s = time.monotonic() + timeout_s
        while not (found := re.search(pattern, self.said)):
            assert time.monotonic() < end_s, f'no {pattern!r} in {self.said!r}'
            if select.select([self._ours], [], [], 0.1)[0]:
                self.said += os.read(self._ours, 4096).decode()
        self.said = self.said[found.end() :]
        return found.group()

    def close(self) -> None:
        os.close(self._ours)
        os.close(self._theirs)


@pytest.fixture
def terminal() -> Iterator[Terminal]:
    terminal = Terminal()
    yield terminal
    terminal.close()


def test_keys_pause_step_and_quit(
    graph: Graph, drive: Path, terminal: Terminal, command: Callable[..., subprocess.Popen]
) -> None:
    images = graph.read(Image, TOPIC, ALL, wait=False)
    before = terminal.settings()
    process = command(
        drive, '--rate', '0.2', '--wait', '20', preexec_fn=terminal.become, **terminal.ends
    )
    terminal.wait_for('space: pause')
    graph.spin_until(lambda: images, 'the first picture')
    terminal.press(' ')
    terminal.wait_for(r'paused at 0\.\d+ s')
    assert terminal.settings() != before  # keys come one by one, unseen
    graph.spin_for(0.8)  # longer than between two messages
    count = len(images)

    terminal.press('s\x1b[C')  # two steps, each to the next picture
    terminal.wait_for('paused at')
    terminal.wait_for('paused at')
    graph.spin_until(lambda: len(images) == count + 2, 'two pictures')
    graph.spin_for(0.8)
    rows = horizons(images)  # the first may be lost: readers find publishers later than they them
    assert rows == list(range(rows[0], rows[0] + count + 2))

    terminal.press('x ')  # x means nothing
    terminal.wait_for('goes on')
    graph.spin_until(lambda: len(images) > count + 2, 'more pictures')
    terminal.press('q')
    terminal.wait_for('messages in')
    assert process.wait(60) == 0
    assert len(images) < 10
    assert terminal.settings() == before


def test_the_terminal_is_restored_after_a_kill(
    drive: Path, terminal: Terminal, command: Callable[..., subprocess.Popen]
) -> None:
    before = terminal.settings()
    process = command(drive, '--loop', '--wait', '0', preexec_fn=terminal.become, **terminal.ends)
    terminal.wait_for('space: pause')
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 0
    assert terminal.settings() == before


def test_what_is_out_of_order_holds_nobody_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bag = write_bag(tmp_path / 'mixed', [text(at_s, 'x', '/mixed') for at_s in (0, 60, 60.1)])
    in_order = BagSource.read

    def mixed(self: BagSource, turn: int) -> Iterator[Message]:
        first, second, third = in_order(self, turn)
        yield from (second, first, third)

    monkeypatch.setattr(BagSource, 'read', mixed)
    report = run_replay(ReplayOptions(bag, wait_s=0.0))
    assert report.published == {'/mixed': 3}
    assert report.slips == 0
    assert report.seconds < 30  # a minute, were the timeline moved back


def test_a_damaged_bag_is_played_as_far_as_it_can_be_read(
    graph: Graph, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    rows = [picture(index, 0.01) for index in range(200)]
    file = write_bag(tmp_path / 'cut', rows) / 'cut.mcap'
    file.write_bytes(file.read_bytes()[:-300_000])
    report = run_replay(ReplayOptions(file, rate=10.0, wait_s=0.0))
    assert 100 < report.published[TOPIC] < 200
    assert report.exit_code == 1
    assert 'problem: cut.mcap' in str(report)
    assert 'problem: cut.mcap' in capfd.readouterr().out


@pytest.mark.parametrize(
    ('words', 'said'),
    [
        ('{nowhere}', "nowhere': got nothing there"),
        ('{folder}', 'metadata.yaml is missing'),
        ('{drive} --topics /x', 'got /x, expected some of /camera/front/image_raw, /said'),
        ('{drive} --start 5', r'start of the replay: got 5 s, expected less than the 0.90 s'),
    ],
)
def test_what_cannot_be_replayed_is_one_message(
    drive: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch, words, said
) -> None:
    monkeypatch.setattr('seg_perception.node.transport.ensure_transport', lambda arguments: None)
    given = words.format(drive=drive, nowhere=tmp_path / 'nowhere', folder=tmp_path).split()
    assert main(['replay', *given]) == 2
    assert re.search(said, capfd.readouterr().err)


@pytest.mark.parametrize(
    ('words', 'said'),
    [
        ('--rate 0', '--rate: got 0, expected 0.001 to 1000'),
        ('--rate -1', '--rate: got -1, expected 0.001 to 1000'),
        ('--start -1', '--start: got -1, expected 0 to 1e+09'),
        ('--duration 0', '--duration: got 0, expected 0.001 to 1e+09'),
        ('--wait nan', '--wait: got nan, expected 0 to 1e+06'),
    ],
)
def test_wrong_numbers_are_refused(
    drive: Path, capfd: pytest.CaptureFixture[str], words: str, said: str
) -> None:
    assert main(['replay', str(drive), *words.split()]) == 2
    assert said in capfd.readouterr().err


@pytest.mark.parametrize(
    ('options', 'said'),
    [
        ({'rate': 0.0}, 'rate: got 0.0, expected 0.001 to 1000'),
        ({'rate': float('nan')}, 'rate: got nan'),
        ({'remap': ('/a=/b',)}, "remap of the replay: got '/a=/b', expected /from:=/to"),
        ({'clock_hz': -1.0}, 'clock_hz: got -1.0'),
        ({'wait_s': float('inf')}, 'wait_s: got inf'),
        ({'start_s': -1.0}, 'start_s: got -1.0'),
        ({'duration_s': 0.0}, 'duration_s: got 0.0'),
    ],
)
def test_wrong_options_are_refused(drive: Path, options: dict, said: str) -> None:
    with pytest.raises(ParameterError, match=said):
        run_replay(ReplayOptions(drive, **options))
