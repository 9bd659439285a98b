# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Write a bag without ROS."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from rosbags.interfaces import Connection, Qos
from rosbags.rosbag2 import CompressionFormat, CompressionMode, StoragePlugin, Writer

from seg_perception.io.cdr_messages import typestore

BAG_VERSION: Final = 8  # of rosbag2's metadata: what Humble, Jazzy and later read


class BagWriter:
    """
    A new bag of MCAP; ``counts`` has the messages so far by topic.

    :param folder: of the bag; nothing is there yet.
    :param compressed: in chunks of zstd: masks shrink to a hundredth, and readers of MCAP know it.
    :param offered_qos: quality of service that the bag states for each topic.
    """

    def __init__(
        self, folder: Path, compressed: bool = False, offered_qos: Sequence[Qos] = ()
    ) -> None:
        self.counts: Counter[str] = Counter()
        self._offered_qos = offered_qos
        self._connections: dict[str, Connection] = {}
        self._writer = Writer(folder, version=BAG_VERSION, storage_plugin=StoragePlugin.MCAP)
        if compressed:
            self._writer.set_compression(CompressionMode.STORAGE, CompressionFormat.ZSTD)
        self._writer.open()

    def write(self, topic: str, kind: str, log_ns: int, raw: memoryview) -> None:
        """Write a serialised message of a type such as ``sensor_msgs/msg/Image``."""
        if topic not in self._connections:
            self._connections[topic] = self._writer.add_connection(
                topic, kind, typestore=typestore(), offered_qos_profiles=self._offered_qos
            )
        self._writer.write(self._connections[topic], log_ns, raw)
        self.counts[topic] += 1

    def close(self) -> None:
        self._writer.close()

    def abort(self) -> None:
        """Let go of the files, which are no bag."""
        self._writer.abort()
