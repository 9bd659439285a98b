# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Depth images (REP 118) of a graph or of a bag: a view of the message's bytes and its unit."""

from __future__ import annotations

from typing import Any

import numpy as np

from seg_perception.core.errors import ImageError
from seg_perception.core.range_image import DepthImage

_ENCODINGS = {'16uc1': ('u2', 0.001), 'mono16': ('u2', 0.001), '32fc1': ('f4', 1.0)}


def read_depth(msg: Any) -> DepthImage:
    """
    The depth of a sensor_msgs/Image: 16UC1 in millimetres or 32FC1 in metres, of either order.

    :raises ImageError: when encoding, size, step or data cannot be.
    """
    known = _ENCODINGS.get(msg.encoding.strip().lower())
    if known is None:
        fix = 'Use the raw depth topic, registered to the colour image.'
        raise ImageError('depth encoding', repr(msg.encoding), '16UC1 (mm) or 32FC1 (m)', fix)
    (code, unit_m), (height, width) = known, (msg.height, msg.width)
    kind = np.dtype(('>' if msg.is_bigendian else '<') + code)
    if not height or not width:
        raise ImageError('depth size', f'{width} x {height}', 'at least 1 x 1')
    if msg.step < width * kind.itemsize:
        expected = f'{width * kind.itemsize} or more for {width} pixels of {msg.encoding}'
        raise ImageError('depth step', f'{msg.step} bytes a row', expected)
    if len(msg.data) < msg.step * height:
        expected = f'step * height = {msg.step} * {height}'
        raise ImageError('depth data length', f'{len(msg.data)} bytes', expected)
    strides = msg.step, kind.itemsize
    return DepthImage(np.ndarray((height, width), kind, msg.data, strides=strides), unit_m)
