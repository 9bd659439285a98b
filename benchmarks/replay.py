# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""
Timing of the replay: 1280x720 at 30 Hz, as JPEG and raw, with a reader in another process.

    python benchmarks/replay.py [--seconds 5] [--rounds 3] [--out replay.json]

The delay of a message against its due time is measured when rclpy receives it (`published`) and
when the callback of the reader receives it (`arrived`), which includes the transport.
"""

from __future__ import annotations

import argparse
import json
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.qos import QoSProfile, ReliabilityPolicy
from rclpy.signals import SignalHandlerOptions
from sensor_msgs.msg import CompressedImage, Image

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.record import spread, write_record
from seg_perception.node.transport import ensure_transport
from seg_perception.options import RecordOptions, ReplayOptions
from seg_perception.replay.bag_source import BagSource
from seg_perception.replay.replay import SWITCH_INTERVAL_S, Replay
from seg_perception.synthetic.street import Street
from seg_perception.tools.demo_graph import private_graph
from seg_perception.tools.record import record

SIZE, RATE_HZ = (720, 1280), 30.0
VIEWS = 4  # different frames in a bag; more would only take longer to draw
LIMIT_MS = 5.0  # asked for, of 95 % of the messages
QUIET_NS = 10**9  # after so long without an image the replay is over
TOPIC = '/camera/image_raw'


def main() -> None:
    """Measure both kinds of bag and print the record."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--seconds', type=float, default=5.0, help='length of a bag')
    parser.add_argument('--rounds', type=int, default=3)
    parser.add_argument('--out', type=Path)
    parser.add_argument('--listen', metavar='raw|jpeg', help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.listen:
        _listen(options.listen == 'raw')
        return
    ensure_transport(sys.argv)
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    with tempfile.TemporaryDirectory() as name:
        frames = _draw(Path(name), round(options.seconds * RATE_HZ))
        kinds = {kind: _make_bag(frames, kind == 'raw') for kind in ('jpeg', 'raw')}
        figures = {
            'stream': f'{SIZE[1]}x{SIZE[0]} at {RATE_HZ:g} Hz, {options.seconds:g} s',
            'rounds': options.rounds,
            **{kind: _measure(bag, kind, options.rounds) for kind, bag in kinds.items()},
        }
    write_record('replay', figures, options.out)


def _draw(folder: Path, count: int) -> Path:
    frames = folder / 'frames'
    frames.mkdir()
    street = Street(seed=1, size=SIZE)
    for index in range(VIEWS):
        bgr = cv2.cvtColor(street.frame(index).rgb, cv2.COLOR_RGB2BGR)
        cv2.imwrite(str(folder / f'{index}.bmp'), bgr)
    for index in range(count):
        (frames / f'{index:06d}.bmp').symlink_to(folder / f'{index % VIEWS}.bmp')
    return frames


def _make_bag(frames: Path, raw: bool) -> Path:
    bag = frames.with_name('raw' if raw else 'jpeg')
    record(
        RecordOptions(
            frames,
            bag,
            start_ns=1_700_000_000 * 10**9,
            image_topic=TOPIC,
            camera_info_topic='',
            label_topic='',
            frame_id='camera',
            rate_hz=RATE_HZ,
            raw=raw,
            jpeg_quality=90,
        )
    )
    return bag


def _measure(bag: Path, kind: str, rounds: int) -> dict[str, Any]:
    parts = [_round(bag, kind) for _ in range(rounds)]
    return {name: spread([part[name] for part in parts]) for name in parts[0]}


def _round(bag: Path, kind: str) -> dict[str, float]:
    options = ReplayOptions(bag, wait_s=30.0)
    with private_graph(), BagSource(options) as source:
        command = [sys.executable, __file__, '--listen', kind]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as reader:
            replay = Replay(source, options)
            replay.run()
            report = replay.report()
            heard = json.loads(reader.communicate()[0])
    arrived_ms = [(at_ns - replay.due_ns(stamp_ns)) / 1e6 for stamp_ns, at_ns in heard]
    sent = sum(report.published.values())
    return {
        **{f'published_ms_{share}': value for share, value in report.behind_ms.items()},
        'published_in_time': 100.0 * (1 - report.late / sent),
        **{f'arrived_ms_p{p}': float(np.percentile(arrived_ms, p)) for p in (50, 95, 99)},
        'arrived_in_time': 100.0 * float(np.mean(np.abs(arrived_ms) <= LIMIT_MS)),
        'arrived': 100.0 * len(heard) / sent,
    }


def _listen(raw: bool) -> None:
    """Print stamp and arrival time of every image, until no more images arrive."""
    rclpy.init(signal_handler_options=SignalHandlerOptions.NO)
    node = rclpy.create_node('listener')
    executor = SingleThreadedExecutor()
    executor.add_node(node)
    heard: list[tuple[int, int]] = []

    def on_data(data: bytes) -> None:
        seconds, nanosec = struct.unpack_from('<iI', data, 4)  # behind the header of CDR
        heard.append((seconds * 10**9 + nanosec, time.monotonic_ns()))

    qos = QoSProfile(depth=5, reliability=ReliabilityPolicy.BEST_EFFORT)
    kind, topic = (Image, TOPIC) if raw else (CompressedImage, f'{TOPIC}/compressed')
    node.create_subscription(kind, topic, on_data, qos, raw=True)
    while not heard or time.monotonic_ns() < heard[-1][1] + QUIET_NS:
        executor.spin_once(timeout_sec=0.1)
    print(json.dumps(heard))


if __name__ == '__main__':
    main()
