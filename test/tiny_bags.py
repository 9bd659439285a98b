# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Small bags whose frames are known, written with rosbags."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from mcap.writer import CompressionType
from mcap.writer import Writer as McapWriter
from rosbags.rosbag1 import Writer as Bag1Writer
from rosbags.rosbag2 import CompressionFormat, CompressionMode, StoragePlugin
from rosbags.rosbag2 import Writer as Bag2Writer
from rosbags.typesys import Stores, get_typestore

NS = 1_000_000_000
START_NS = 1_700_000_000 * NS
IMAGE, COMPRESSED = 'sensor_msgs/msg/Image', 'sensor_msgs/msg/CompressedImage'
CAMERA_INFO, FIX = 'sensor_msgs/msg/CameraInfo', 'sensor_msgs/msg/NavSatFix'
TOPIC = '/camera/front/image_raw'
SIZE = (48, 64)  # height, width
ROAD_BGR, SKY_BGR = (128, 64, 128), (128, 128, 128)
ROAD, SKY, CAR = 3, 0, 8

Row = tuple[str, str, int, Callable[['Make'], Any]]
"""Topic, type, time of recording, and how the message is made."""


class Make:
    """Messages of one generation of ROS."""

    def __init__(self, ros1: bool = False) -> None:
        self.ros1 = ros1
        self.store = get_typestore(Stores.ROS1_NOETIC if ros1 else Stores.ROS2_JAZZY)

    def __call__(self, kind: str, **values: Any) -> Any:
        return self.store.types[kind](**values)

    def header(self, stamp_ns: int, frame_id: str = 'front_optical') -> Any:
        stamp = self('builtin_interfaces/msg/Time', sec=stamp_ns // NS, nanosec=stamp_ns % NS)
        seq = {'seq': 0} if self.ros1 else {}
        return self('std_msgs/msg/Header', stamp=stamp, frame_id=frame_id, **seq)

    def image(self, pixels: np.ndarray, stamp_ns: int, encoding: str = 'bgr8') -> Any:
        data = np.ascontiguousarray(pixels).view(np.uint8)
        return self(
            IMAGE,
            header=self.header(stamp_ns),
            height=pixels.shape[0],
            width=pixels.shape[1],
            encoding=encoding,
            is_bigendian=0,
            step=data[0].size,
            data=data.ravel(),
        )

    def jpeg(self, bgr: np.ndarray, stamp_ns: int, suffix: str = '.jpg') -> Any:
        data = cv2.imencode(suffix, bgr)[1].ravel()
        return self(COMPRESSED, header=self.header(stamp_ns), format=suffix[1:], data=data)

    def info(self, focal_px: float, stamp_ns: int, size: tuple[int, int] = SIZE) -> Any:
        k = np.array([focal_px, 0, size[1] / 2, 0, focal_px, size[0] / 2, 0, 0, 1.0])
        p = np.insert(k, [3, 6, 9], 0.0)
        values = {'d': np.zeros(5), 'k': k, 'r': np.eye(3).ravel(), 'p': p}
        region = self(
            'sensor_msgs/msg/RegionOfInterest',
            x_offset=0,
            y_offset=0,
            height=0,
            width=0,
            do_rectify=False,
        )
        return self(
            CAMERA_INFO,
            header=self.header(stamp_ns),
            height=size[0],
            width=size[1],
            distortion_model='plumb_bob',
            binning_x=0,
            binning_y=0,
            roi=region,
            **{name.upper() if self.ros1 else name: value for name, value in values.items()},
        )

    def fix(self, latitude: float, longitude: float, stamp_ns: int, status: int = 0) -> Any:
        return self(
            FIX,
            header=self.header(stamp_ns),
            status=self('sensor_msgs/msg/NavSatStatus', status=status, service=1),
            latitude=latitude,
            longitude=longitude,
            altitude=0.0,
            position_covariance=np.zeros(9),
            position_covariance_type=0,
        )


def street(horizon: int = 24, size: tuple[int, int] = SIZE) -> np.ndarray:
    """Sky above a row, road below, in the colours of CamVid, (H, W, 3) BGR."""
    bgr = np.full((*size, 3), ROAD_BGR, np.uint8)
    bgr[:horizon] = SKY_BGR
    return bgr


def street_rows(count: int, fps: float = 10.0, topic: str = TOPIC, first: int = 0) -> list[Row]:
    """Raw images whose horizon sinks by a row from frame to frame, again from row 10 after 28."""
    return [image_row(i, fps, topic) for i in range(first, first + count)]


def image_row(i: int, fps: float, topic: str) -> Row:
    at_ns = START_NS + round(i * NS / fps)
    return topic, IMAGE, at_ns, lambda make: make.image(street(10 + i % 28), at_ns)


def write_bag(path: Path, rows: Sequence[Row], kind: str = 'mcap') -> Path:
    """
    A bag of messages in their order; its path.

    :param kind: mcap, sqlite3 or ros1; zstd is sqlite3, packed as a file.
    """
    make = Make(ros1=kind == 'ros1')
    plugin = StoragePlugin.MCAP if kind == 'mcap' else StoragePlugin.SQLITE3
    writer = Bag1Writer(path) if make.ros1 else Bag2Writer(path, version=8, storage_plugin=plugin)
    if kind == 'zstd':
        writer.set_compression(CompressionMode.FILE, CompressionFormat.ZSTD)
    serialise = make.store.serialize_ros1 if make.ros1 else make.store.serialize_cdr
    with writer:
        connections: dict[str, Any] = {}
        for topic, type_name, at_ns, made in rows:
            if topic not in connections:
                connections[topic] = writer.add_connection(topic, type_name, typestore=make.store)
            writer.write(connections[topic], at_ns, serialise(made(make), type_name))
    return path


def foreign_mcap(encoding: str, profile: str = '', compression: str | None = None) -> bytes:
    """Three images in an MCAP as other recorders write it: chunks, or messages one by one."""
    make = Make(ros1=encoding == 'ros1')
    serialise = make.store.serialize_ros1 if make.ros1 else make.store.serialize_cdr
    name = IMAGE.replace('/msg', '') if make.ros1 else IMAGE
    text = make.store.generate_msgdef(IMAGE, ros_version=1 if make.ros1 else 2)[0]
    out = BytesIO()
    writer = McapWriter(
        out,
        compression=CompressionType[compression or 'NONE'],
        use_chunking=compression is not None,
    )
    writer.start(profile)
    schema = writer.register_schema(name, 'ros1msg' if make.ros1 else 'ros2msg', text.encode())
    channel = writer.register_channel(TOPIC, encoding, schema)
    for i in range(3):
        at_ns = START_NS + i * NS // 10
        data = bytes(serialise(make.image(street(), at_ns), IMAGE))
        writer.add_message(channel, at_ns, data, at_ns)
    writer.finish()
    return out.getvalue()
