# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Small bags of masks, as `evaluate` leaves them beside its numbers."""

from pathlib import Path

import numpy as np
from rosbags.rosbag2 import StoragePlugin, Writer
from rosbags.typesys import Stores, get_typestore

STORE = get_typestore(Stores.ROS2_JAZZY)
IMAGE = 'sensor_msgs/msg/Image'
MASK = '/seg_perception/front/mask'
SIZE = (72, 128)


def write_masks(folder: Path, masks: dict[int, np.ndarray], topic: str = MASK) -> None:
    """A bag of masks by their stamp [ns], recorded 5 ns later, with rows padded by 3 bytes."""
    image, stamp, header = (
        STORE.types[name] for name in (IMAGE, 'builtin_interfaces/msg/Time', 'std_msgs/msg/Header')
    )
    folder.parent.mkdir(parents=True, exist_ok=True)
    with Writer(folder, version=8, storage_plugin=StoragePlugin.MCAP) as writer:
        connection = writer.add_connection(topic, IMAGE, typestore=STORE)
        for stamp_ns, mask in masks.items():
            height, width = mask.shape
            padded = np.pad(mask, ((0, 0), (0, 3)), constant_values=stamp_ns % 100)
            head = header(stamp(stamp_ns // 10**9, stamp_ns % 10**9), 'camera')
            message = image(head, height, width, 'mono8', 0, width + 3, padded.ravel())
            writer.write(connection, stamp_ns + 5, STORE.serialize_cdr(message, IMAGE))


def mask(top: int = 0) -> np.ndarray:
    """Class 3, and class 8 in the first rows."""
    labels = np.full(SIZE, 3, np.uint8)
    labels[:top] = 8
    return labels
