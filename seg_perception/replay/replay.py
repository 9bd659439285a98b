# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""
Publish a bag again, each message when it is due.

    BagSource -> ReadAhead (thread) -> wait until due on the Timeline -> publish as it is

Messages are never unpacked: a bag of big images costs little more than their copies.
"""

from __future__ import annotations

import re
import sys
import time
from collections import Counter, deque
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np
import rclpy
from rclpy.duration import Duration
from rclpy.executors import SingleThreadedExecutor
from rclpy.publisher import Publisher
from rclpy.qos import QoSProfile, ReliabilityPolicy
from rclpy.signals import SignalHandlerOptions
from rclpy.time import Time
from rosgraph_msgs.msg import Clock

from seg_perception.core.errors import ParameterError
from seg_perception.io.read_ahead import ReadAhead
from seg_perception.node.processes import signals_as_exit
from seg_perception.options import ReplayOptions
from seg_perception.replay.bag_source import (
    CLOCK_TOPIC,
    HELD_BYTES,
    HELD_MESSAGES,
    BagSource,
    Message,
)
from seg_perception.replay.keyboard import HELP, PAUSE, QUIT, STEP, Keyboard
from seg_perception.replay.timeline import NS, Timeline

NODE_NAME = 'replay'
LATE_NS = 5_000_000  # what is published later than this after it was due is counted
SLIP_NS = NS  # further behind, the rest is moved instead of sent in a burst
SLICE_S = 0.05  # longest wait between two looks at the keyboard
SETTLED_S = 0.5  # no new reader for so long: who is there is found, and has found us
TAKEN_S = 0.3  # time for best-effort readers to take the last message
ERRORS_KEPT = 100_000
# Python's threads take turns every 5 ms by default: too long for one that has to be in time.
SWITCH_INTERVAL_S = 0.0005

_RULE = re.compile(r'[\w/~]+:=[\w/~]+')


@dataclass(frozen=True)
class ReplayReport:
    """Messages per topic, their delay [ms] as ``p50`` and so on, and errors."""

    published: dict[str, int]
    seconds: float
    behind_ms: dict[str, float]
    late: int
    slips: int
    problems: tuple[str, ...]

    @property
    def exit_code(self) -> int:
        return 1 if self.problems else 0

    def __str__(self) -> str:
        count = sum(self.published.values())
        behind = ', '.join(f'{name} {value:.2f}' for name, value in self.behind_ms.items())
        text = (
            f'{count} messages in {self.seconds:.1f} s; behind their time [ms]: {behind or "-"}; '
            f'{self.late} by more than {LATE_NS / 1e6:.0f}'
        )
        if self.slips:
            text += f'; stood still {self.slips} times'
        return '\n'.join([text, *(f'problem: {problem}' for problem in self.problems)])


def run_replay(options: ReplayOptions) -> ReplayReport:
    """
    Replay until the end, a key or an interrupt.

    :raises SegPerceptionError: when an option or the bag cannot be used.
    """
    _check(options)
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    with BagSource(options) as source:
        print(describe(source), flush=True)
        rules = [word for rule in options.remap for word in ('-r', rule)]
        args = ['--ros-args', *rules] if rules else []
        rclpy.init(args=args, signal_handler_options=SignalHandlerOptions.NO)
        try:
            replay = Replay(source, options)
            # Being stopped is how a replay that loops ends.
            with suppress(KeyboardInterrupt, SystemExit), signals_as_exit():
                replay.run()
            return replay.report()
        finally:
            rclpy.try_shutdown()


def describe(source: BagSource) -> str:
    """Replayed and skipped topics, as lines of text."""
    width = max(len(channel.topic) for channel in source.channels)
    lines = [f'{source.path}: {source.length_s:.2f} s from {source.offset_s:.2f} s on']
    lines += [
        f'  {channel.topic:<{width}}  {channel.type_name}, {channel.count} in the bag'
        for channel in source.channels
    ]
    lines += [f'  skipped: {topic}: {why}' for topic, why in source.skipped.items()]
    lines += [f'  problem: {problem}' for problem in source.problems]
    return '\n'.join(lines)


class Replay:
    """
    The publishers of one bag and the loop that feeds them.

    :param source: the bag.
    :param options: how to replay it.
    """

    def __init__(self, source: BagSource, options: ReplayOptions) -> None:
        self._source, self._options = source, options
        self._node = rclpy.create_node(NODE_NAME, start_parameter_services=False)
        self._executor = SingleThreadedExecutor()
        self._executor.add_node(self._node)
        self._publishers: dict[str, Publisher[Any]] = {
            channel.topic: self._node.create_publisher(channel.type, channel.topic, channel.qos)
            for channel in source.channels
        }
        self._steps_by_image = any(channel.is_image for channel in source.channels)
        self._clock = _Clock(self._node, options.clock_hz) if options.clock_hz > 0 else None
        self._timeline = Timeline(options.rate)
        self._keyboard = Keyboard()
        self._turn, self._newest_ns = -1, 0
        self._steps = 0  # still to be taken while paused
        self._quit = False
        self._published: Counter[str] = Counter()
        self._behind_ns: deque[int] = deque(maxlen=ERRORS_KEPT)
        self._late = self._slips = 0
        self._started_ns = time.monotonic_ns()

    def run(self) -> None:
        """
        Publish the bag.

        :raises SourceError: when it cannot be read to its end, after what could be.
        """
        messages = self._source.read_turns(self._options.loop)
        ahead = ReadAhead(messages, HELD_MESSAGES, HELD_BYTES, lambda message: len(message.data))
        with ahead, self._keyboard:
            if self._keyboard.is_there:
                print(HELP, flush=True)
            self._wait_for_readers(ahead)
            self._started_ns = time.monotonic_ns()
            try:
                self._play(ahead)
            finally:
                self._finish()

    def due_ns(self, stamp_ns: int) -> int:
        """Monotonic time at which a message recorded then is due in this loop."""
        return self._timeline.due_ns(stamp_ns)

    def report(self) -> ReplayReport:
        """Statistics so far."""
        behind_ms = np.array(self._behind_ns, float) / 1e6
        shares = (50, 95, 99) if behind_ms.size else ()
        return ReplayReport(
            dict(self._published),
            (time.monotonic_ns() - self._started_ns) / NS,
            {f'p{share}': float(np.percentile(behind_ms, share)) for share in shares},
            self._late,
            self._slips,
            tuple(self._source.problems),
        )

    def _play(self, ahead: ReadAhead[Message]) -> None:
        while not ahead.is_at_end:
            message = ahead.take(SLICE_S)
            if message is None:
                self._handle_keys()
            elif not self._wait_until_due(message):
                return
            else:
                self._publish(message)
            if self._quit:
                return

    def _wait_for_readers(self, ahead: ReadAhead[Message]) -> None:
        """Wait until the bag is read ahead and subscribers exist, or the limit is reached."""
        start_s = settled_s = time.monotonic()
        count = 0
        while not self._quit:
            now_s = time.monotonic()
            if (found := self._readers()) != count:
                count, settled_s = found, now_s
            if ahead.is_full and count and now_s > settled_s + SETTLED_S:
                return
            if now_s > start_s + self._options.wait_s:
                break
            self._quit = QUIT in self._keyboard.pressed()  # there is nothing to pause yet
            self._executor.spin_once(timeout_sec=0.02)
        if self._options.wait_s > 0 and not count and not self._quit:
            self._node.get_logger().warning(
                f'nobody listens after {self._options.wait_s:g} s; replaying all the same'
            )

    def _readers(self) -> int:
        """Subscribers of the images; subscribers of all topics if there are no images."""
        images = [c.topic for c in self._source.channels if c.is_image]
        topics = images or list(self._publishers)
        return sum(self._publishers[topic].get_subscription_count() for topic in topics)

    def _wait_until_due(self, message: Message) -> bool:
        """Serve callbacks, clock and keys until the message is due; False to stop."""
        if message.turn != self._turn:
            self._begin_turn(message)
        while not self._quit:
            self._handle_keys()
            now_ns = time.monotonic_ns()
            if self._clock is not None:
                self._clock.tick(self._timeline.bag_ns(now_ns), now_ns)
            if self._steps:
                self._timeline.set(message.stamp_ns, now_ns)
                return True
            left_ns = self._timeline.due_ns(message.stamp_ns) - now_ns
            if self._timeline.is_paused:
                left_ns = round(SLICE_S * NS)
            elif left_ns <= 0:
                return True
            self._spin(left_ns)
        return False

    def _begin_turn(self, message: Message) -> None:
        now_ns = time.monotonic_ns()
        if self._turn >= 0 and not self._timeline.is_paused:
            now_ns += round(self._source.period_ns / self._options.rate)
        self._timeline.set(message.stamp_ns, now_ns)
        self._turn, self._newest_ns = message.turn, message.stamp_ns

    def _spin(self, left_ns: int) -> None:
        limit_s = SLICE_S if self._clock is None else min(SLICE_S, self._clock.period_s)
        self._executor.spin_once(timeout_sec=min(left_ns / NS, limit_s))

    def _publish(self, message: Message) -> None:
        if not self._timeline.is_paused:
            self._judge(message.stamp_ns)
        self._publishers[message.channel.topic].publish(message.data)
        self._published[message.channel.topic] += 1
        if self._steps and (message.channel.is_image or not self._steps_by_image):
            self._steps -= 1
            self._say_where()

    def _judge(self, stamp_ns: int) -> None:
        """Record the delay of a message, and shift the timeline if the delay is large."""
        if stamp_ns < self._newest_ns:
            return  # out of order in the bag: due at once, and no measure of anything
        self._newest_ns = stamp_ns
        now_ns = time.monotonic_ns()
        behind_ns = now_ns - self._timeline.due_ns(stamp_ns)
        self._behind_ns.append(behind_ns)
        self._late += behind_ns > LATE_NS
        if behind_ns > SLIP_NS:
            self._slips += 1
            self._timeline.set(stamp_ns, now_ns)

    def _handle_keys(self) -> None:
        for key in self._keyboard.pressed():
            now_ns = time.monotonic_ns()
            if key == QUIT:
                self._quit = True
            elif key == PAUSE and self._timeline.is_paused:
                self._timeline.resume(now_ns)
                self._steps = 0
                print('goes on', flush=True)
            else:
                if not self._timeline.is_paused:
                    self._timeline.pause(now_ns)
                if key == STEP:
                    self._steps += 1
                else:
                    self._say_where()

    def _say_where(self) -> None:
        bag_ns = self._timeline.bag_ns(time.monotonic_ns())
        print(f'paused at {(bag_ns - self._source.begin_ns) / NS:.3f} s', flush=True)

    def _finish(self) -> None:
        """Let the last messages arrive before the publishers are destroyed."""
        heard = [item for item in self._publishers.values() if item.get_subscription_count()]
        for publisher in heard:
            publisher.wait_for_all_acked(Duration(seconds=1.0))
        # Best effort has no acknowledgement.
        end_s = time.monotonic() + (TAKEN_S if heard else 0.0)
        while (left_s := end_s - time.monotonic()) > 0:
            self._executor.spin_once(timeout_sec=left_s)


class _Clock:
    """Publishes the bag time for nodes with ``use_sim_time``, also while paused."""

    def __init__(self, node: rclpy.node.Node, rate_hz: float) -> None:
        qos = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)
        self._publisher = node.create_publisher(Clock, CLOCK_TOPIC, qos)
        self.period_s = 1.0 / rate_hz
        self._next_ns = 0

    def tick(self, bag_ns: int, now_ns: int) -> None:
        """Publish if a clock message is due."""
        if now_ns >= self._next_ns:
            self._publisher.publish(Clock(clock=Time(nanoseconds=bag_ns).to_msg()))
            self._next_ns = now_ns + round(self.period_s * NS)


def _check(options: ReplayOptions) -> None:
    for rule in options.remap:
        if not _RULE.fullmatch(rule):
            raise ParameterError('remap of the replay', repr(rule), '/from:=/to')
