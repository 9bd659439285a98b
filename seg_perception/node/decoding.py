# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Image messages become pixels in threads of their own, so that no camera waits for another's."""

from __future__ import annotations

import time
from concurrent.futures import Future
from dataclasses import dataclass
from threading import Thread

from sensor_msgs.msg import CompressedImage, Image

from seg_perception.io.encodings import Pixels
from seg_perception.node.image_conversions import to_pixels


@dataclass(frozen=True)
class Decoded:
    """The pixels of a message, and how long they took."""

    pixels: Pixels
    convert_ms: float


def decode_aside(msg: Image | CompressedImage, max_megapixels: float) -> Future[Decoded]:
    """
    Decode a message in a thread, which the end of the process does not wait for.

    The future raises what ``to_pixels`` raises.
    """
    future: Future[Decoded] = Future()
    Thread(target=_decode, args=(future, msg, max_megapixels), daemon=True).start()
    return future


def _decode(future: Future[Decoded], msg: Image | CompressedImage, max_megapixels: float) -> None:
    start_s = time.perf_counter()
    try:
        pixels = to_pixels(msg, max_megapixels)
    except Exception as error:
        future.set_exception(error)
    else:
        future.set_result(Decoded(pixels, (time.perf_counter() - start_s) * 1e3))
