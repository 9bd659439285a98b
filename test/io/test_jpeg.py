# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""What libjpeg decodes without a word: damaged JPEGs are found, good ones of any kind pass."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from seg_perception.io.image_bytes import is_whole
from seg_perception.io.jpeg import MAX_SCANS, parse_jpeg

SIZE = (181, 323)


def picture(seed: int) -> np.ndarray:
    """Something like a street: smooth surfaces, edges, and a little noise, (H, W, 3) uint8."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (9, 16, 3), np.uint8)
    bgr = cv2.resize(coarse, SIZE[::-1], interpolation=cv2.INTER_CUBIC)
    for _ in range(12):
        a, b = rng.integers(0, SIZE[1], 2), rng.integers(0, SIZE[0], 2)
        cv2.rectangle(bgr, (a[0], b[0]), (a[1], b[1]), rng.integers(0, 256, 3).tolist(), -1)
    return cv2.add(bgr, rng.integers(0, 8, bgr.shape, np.uint8))


def encoded(bgr: np.ndarray, *options: int) -> bytes:
    return cv2.imencode('.jpg', bgr, options)[1].tobytes()


def without(data: bytes, *markers: int) -> bytes:
    parts = parse_jpeg(np.frombuffer(data, np.uint8)).parts
    return b''.join(part for part in parts if part[1] not in markers)


def whole(data: bytes) -> bool:
    return is_whole(np.frombuffer(data, np.uint8))


GOOD = {
    'quality 95': encoded(picture(1), cv2.IMWRITE_JPEG_QUALITY, 95),
    'quality 30': encoded(picture(2), cv2.IMWRITE_JPEG_QUALITY, 30),
    'grey': encoded(picture(3)[..., 0]),
    'progressive': encoded(picture(4), cv2.IMWRITE_JPEG_PROGRESSIVE, 1),
    'optimised': encoded(picture(5), cv2.IMWRITE_JPEG_OPTIMIZE, 1),
    'restarts': encoded(picture(6), cv2.IMWRITE_JPEG_RST_INTERVAL, 7),
    'all colours': encoded(picture(7), cv2.IMWRITE_JPEG_SAMPLING_FACTOR, 0x111111),
    'black': encoded(np.zeros((*SIZE, 3), np.uint8)),
    'black, optimised': encoded(np.zeros((*SIZE, 3), np.uint8), cv2.IMWRITE_JPEG_OPTIMIZE, 1),
    'white': encoded(np.full((*SIZE, 3), 255, np.uint8)),
    'tiny': encoded(picture(8)[:1, :1]),
    'without tables': without(encoded(picture(9)), 0xC4),
    'fill bytes': encoded(picture(10))[:-2] + b'\xff\xff\xff\xd9',
    'strange EXIF': b'\xff\xd8\xff\xe1\0\x0cExif\0\0II\xff\xff' + encoded(picture(11))[2:],
    'padded': encoded(picture(12)) + bytes(5000),
    'a film behind': encoded(picture(13)) + b'\0\0\0\x18ftypmp42' + bytes(range(256)) * 9,
}


@pytest.mark.parametrize('name', GOOD)
def test_good_ones_pass(name: str) -> None:
    assert whole(GOOD[name])


def hole(kind: str, data: bytes, rng: np.random.Generator) -> bytes:
    at, length = int(len(data) * rng.uniform(0.3, 0.7)), int(len(data) * rng.uniform(0.01, 0.05))
    filling = {'gone': b'', 'zeros': bytes(length), 'noise': rng.bytes(length)}[kind]
    return data[:at] + filling + data[at + length :]


@pytest.mark.parametrize(('kind', 'least'), [('gone', 59), ('zeros', 56), ('noise', 52)])
def test_holes_are_found(kind: str, least: int) -> None:
    """Of sixty, at each of three qualities; none of those with the whole data is refused."""
    rng, found = np.random.default_rng(0), 0
    for i in range(60):
        data = encoded(picture(i), cv2.IMWRITE_JPEG_QUALITY, (95, 80, 60)[i % 3])
        assert whole(data)
        found += not whole(hole(kind, data, rng))
    assert found >= least


def test_a_file_of_very_many_scans_is_refused() -> None:
    """Each takes as long as a whole image."""
    data = encoded(picture(0), cv2.IMWRITE_JPEG_PROGRESSIVE, 1)
    scan = parse_jpeg(np.frombuffer(data, np.uint8)).scans[-1]
    assert not whole(data[:-2] + scan * MAX_SCANS + data[-2:])
