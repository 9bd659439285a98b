# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Images of one street in every encoding have the labels of the plain one, or nearly so."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from seg_perception.inference.answer import FrameAnswerer
from seg_perception.inference.open_engine import open_engine
from seg_perception.io.encodings import Pixels, decode, unpack
from seg_perception.models import model_path
from seg_perception.synthetic.street import Street

SIZE = (270, 480)
Encode = Callable[[np.ndarray], np.ndarray]


def packed(code: int) -> Encode:
    return lambda rgb: cv2.cvtColor(rgb, code)


def file(suffix: str, *options: int) -> Encode:
    return lambda rgb: cv2.imencode(suffix, rgb[..., ::-1], options)[1].ravel()


def wide(pixels: np.ndarray) -> np.ndarray:
    return pixels.astype('<u2') * 257


def nv(swapped: bool) -> Encode:
    """NV12, or NV21 with the colours swapped, from the planes of I420."""

    def make(rgb: np.ndarray) -> np.ndarray:
        planes = cv2.cvtColor(rgb, cv2.COLOR_RGB2YUV_I420)
        height = rgb.shape[0]
        u, v = planes[height:].reshape(2, -1)
        return np.vstack(
            [planes[:height], np.stack([v, u] if swapped else [u, v], -1).reshape(height // 2, -1)]
        )

    return make


def mosaic(rows: str, maximum: int = 1) -> Encode:
    """Of each pixel the colour that the first two pixels of the first two rows have, as named."""

    def make(rgb: np.ndarray) -> np.ndarray:
        grey = np.empty(SIZE, np.uint8)
        for i, colour in enumerate(rows):
            grey[i // 2 :: 2, i % 2 :: 2] = rgb[i // 2 :: 2, i % 2 :: 2, 'rgb'.index(colour)]
        return wide(grey) if maximum > 1 else grey

    return make


LOSSLESS: dict[str, Encode] = {
    'rgb8': lambda rgb: rgb,
    'bgr8': packed(cv2.COLOR_RGB2BGR),
    'rgba8': packed(cv2.COLOR_RGB2RGBA),
    'bgra8': packed(cv2.COLOR_RGB2BGRA),
    'rgb16': wide,
    'bgr16': lambda rgb: wide(rgb[..., ::-1]),
    'png': file('.png'),
    'tiff': file('.tiff'),
    'webp': file('.webp', cv2.IMWRITE_WEBP_QUALITY, 101),
    'bmp': file('.bmp'),
}
LOSSY: dict[str, Encode] = {
    'uyvy': packed(cv2.COLOR_RGB2YUV_UYVY),
    'yuyv': packed(cv2.COLOR_RGB2YUV_YUY2),
    'yvyu': packed(cv2.COLOR_RGB2YUV_YVYU),
    'i420': packed(cv2.COLOR_RGB2YUV_I420),
    'yv12': packed(cv2.COLOR_RGB2YUV_YV12),
    'nv12': nv(False),
    'nv21': nv(True),
    'bayer_rggb8': mosaic('rggb'),
    'bayer_bggr8': mosaic('bggr'),
    'bayer_gbrg8': mosaic('gbrg'),
    'bayer_grbg16': mosaic('grbg', 2),
    'jpeg': file('.jpg', cv2.IMWRITE_JPEG_QUALITY, 90),
}
FILES = ('png', 'tiff', 'webp', 'bmp', 'jpeg')


@pytest.fixture(scope='module')
def answerer() -> FrameAnswerer:
    return FrameAnswerer(open_engine(str(model_path('')), 'cpu', 1))


@pytest.fixture(scope='module')
def street(answerer: FrameAnswerer) -> tuple[np.ndarray, np.ndarray]:
    """A picture (H, W, 3) RGB and its labels."""
    rgb = Street(seed=3, size=SIZE).frame(40).rgb
    return rgb, answerer.segment(rgb).labels


def decoded(name: str, data: np.ndarray) -> Pixels:
    if name in FILES:
        return decode(SimpleNamespace(format='', data=data.tobytes()))
    step = data.nbytes // SIZE[0]
    if name in ('i420', 'yv12', 'nv12', 'nv21'):
        step = SIZE[1]
    message = SimpleNamespace(
        height=SIZE[0],
        width=SIZE[1],
        encoding=name,
        is_bigendian=0,
        step=step,
        data=data.tobytes(),
    )
    return unpack(message)


@pytest.mark.parametrize('name', [*LOSSLESS, *LOSSY])
def test_labels_agree_with_those_of_rgb8(name: str, answerer, street) -> None:
    rgb, labels = street
    pixels = decoded(name, np.ascontiguousarray((LOSSLESS | LOSSY)[name](rgb)))
    agreement = np.mean(answerer.segment(pixels.array, pixels.order).labels == labels)
    assert agreement >= (1.0 if name in LOSSLESS else 0.95)
