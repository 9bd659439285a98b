# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Image files say their size before they are decoded; those that claim too much are refused."""

from __future__ import annotations

import resource
import struct
import zlib

import cv2
import numpy as np
import pytest

from seg_perception.core.errors import ImageError
from seg_perception.io.image_bytes import image_size, read_image

HUGE = 30000
SUFFIXES = ['.jpg', '.png', '.webp', '.tiff', '.bmp', '.ppm', '.pgm', '.pbm']


def encoded(suffix: str, height: int = 37, width: int = 53, *options: int) -> np.ndarray:
    pixels = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
    grey = suffix in ('.pgm', '.pbm')
    return cv2.imencode(suffix, pixels[..., 0] if grey else pixels, options)[1].ravel()


@pytest.mark.parametrize('suffix', SUFFIXES)
def test_the_header_tells_the_size(suffix: str) -> None:
    assert image_size(encoded(suffix)) == (37, 53)
    pixels = read_image(encoded(suffix))
    assert pixels is not None and pixels.shape[:2] == (37, 53)


def test_so_do_the_other_kinds_of_webp_and_pnm() -> None:
    lossy = encoded('.webp', 37, 53, cv2.IMWRITE_WEBP_QUALITY, 60)
    assert lossy[12:16].tobytes() == b'VP8 ' and image_size(lossy) == (37, 53)
    big = b'RIFF\x16\0\0\0WEBPVP8X\x0a\0\0\0' + bytes(4) + b'\x2f\x75\0\x2f\x75\0'
    assert image_size(np.frombuffer(big, np.uint8)) == (HUGE, HUGE)
    text = b'P6 # of a camera\n# 12 34\n53 37 255\n' + bytes(9)
    assert image_size(np.frombuffer(text, np.uint8)) == (37, 53)


def claiming(suffix: str) -> np.ndarray:
    """A small file whose header claims 30000 x 30000."""
    data = encoded(suffix).tobytes()
    big, little = struct.pack('>HH', HUGE, HUGE), struct.pack('<ii', HUGE, HUGE)
    if suffix == '.jpg':
        at = data.index(b'\xff\xc0') + 5
        data = data[:at] + big + data[at + 4 :]
    elif suffix == '.png':
        header = b'IHDR' + struct.pack('>II', HUGE, HUGE) + data[24:29]
        data = data[:12] + header + struct.pack('>I', zlib.crc32(header)) + data[33:]
    elif suffix == '.bmp':
        data = data[:18] + little + data[26:]
    elif suffix == '.ppm':
        data = data.replace(b'53 37', b'30000 30000', 1)
    elif suffix == '.webp':
        data = data[:21] + struct.pack('<I', (HUGE - 1) % 16384 | 16383 << 14) + data[25:]
    else:
        for tag, side in ((256, 53), (257, 37)):
            for kind in (3, 4):
                entry = struct.pack('<HHII', tag, kind, 1, side)
                data = data.replace(entry, struct.pack('<HHII', tag, 4, 1, HUGE))
    return np.frombuffer(data, np.uint8)


@pytest.mark.parametrize('suffix', ['.jpg', '.png', '.webp', '.tiff', '.bmp', '.ppm'])
def test_bombs_are_refused_by_their_header(suffix: str) -> None:
    before_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(ImageError, match=r'image size: got .* at most 64 megapixels.*max_image'):
        read_image(claiming(suffix))
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before_kb < 100_000


def test_the_limit_can_be_another() -> None:
    assert read_image(encoded('.png', 100, 100), max_megapixels=0.01) is not None
    with pytest.raises(ImageError, match=r'101 x 100, 0 megapixels.*0.01'):
        read_image(encoded('.png', 100, 101), max_megapixels=0.01)


@pytest.mark.parametrize(
    'head', [b'', b'GIF89a', b'\0\0\0\x0cjP  ', b'v/1\x01', b'\xff\xd8', b'RIFF']
)
def test_other_kinds_are_not_decoded(head: bytes) -> None:
    assert read_image(np.frombuffer(head + bytes(100), np.uint8)) is None
