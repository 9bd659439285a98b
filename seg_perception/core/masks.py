# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Label masks for the eye and for other sizes. OpenCV tables: NumPy indexing is 5x slower."""

from __future__ import annotations

import cv2
import numpy as np

from seg_perception.core.classes import ClassTable
from seg_perception.core.errors import ImageError


def colourise(labels: np.ndarray, table: ClassTable) -> np.ndarray:
    """
    Class ids (H, W) uint8 -> display colours (H, W, 3) uint8 RGB; unlabeled pixels are black.

    :raises ImageError: when labels is no (H, W) uint8 array.
    """
    _check_labels(labels)
    return cv2.applyColorMap(labels, table.palette.reshape(256, 1, 3))


def overlay(
    rgb: np.ndarray, labels: np.ndarray, table: ClassTable, opacity: float = 0.5
) -> np.ndarray:
    """
    Blend display colours over an image (H, W, 3) uint8 RGB; unlabeled pixels keep the image.

    :param opacity: 0 shows the image alone, 1 the colours alone.
    :raises ImageError: when labels is no (H, W) uint8 array of the image's size.
    """
    colours = colourise(labels, table)
    if rgb.shape != colours.shape:
        seen, expected = f'shape {rgb.shape}', f'{colours.shape}, three channels of the labels'
        fix = 'Bring the labels to the size of the image with resize_nearest.'
        raise ImageError('image under the labels', seen, expected, fix)
    blend = cv2.addWeighted(rgb, 1.0 - opacity, colours, opacity, 0.0, dst=colours)
    unlabeled = (labels >= len(table)).view(np.uint8)
    return cv2.copyTo(rgb, unlabeled, blend)


def resize_nearest(mask: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """
    A mask (h, w) at another size (H, W); values are taken from the nearest pixel centre.

    :raises ImageError: when a side of the mask or of the size is zero.
    """
    if min(*mask.shape, *size) < 1:
        raise ImageError(
            'size to resize a mask', f'{mask.shape} to {tuple(size)}', 'at least 1 x 1 on both'
        )
    if mask.shape == tuple(size):
        return mask.copy()
    if mask.dtype == np.uint8 and tuple(size) == (2 * mask.shape[0], 2 * mask.shape[1]):
        return _doubled(mask)
    # Plain INTER_NEAREST rounds down and shifts the mask by up to half a pixel.
    return cv2.resize(mask, (size[1], size[0]), interpolation=cv2.INTER_NEAREST_EXACT)


def _doubled(mask: np.ndarray) -> np.ndarray:
    """Every pixel of a mask (h, w) uint8 four times; a fifth of the time that OpenCV takes."""
    # 257 puts the byte into both halves of a 16-bit word.
    wide = np.multiply(mask, 257, dtype=np.uint16, order='C').view(np.uint8)
    large = np.empty((2 * mask.shape[0], wide.shape[1]), np.uint8)
    large[0::2] = large[1::2] = wide
    return large


def run_lengths(mask: np.ndarray) -> np.ndarray:
    """
    Runs of equal values of a mask (H, W) uint8, row by row: records of value and length.

    Packed, five bytes each (uint8, little-endian int32), as Autoware's nodes hand masks on
    (``perception_utils::runLengthDecoder``).
    """
    values = mask.ravel()
    starts = np.flatnonzero(np.diff(values, prepend=values[:1] + 1))
    runs = np.empty(len(starts), np.dtype([('value', 'u1'), ('length', '<i4')]))
    runs['value'], runs['length'] = values[starts], np.diff(starts, append=len(values))
    return runs


def _check_labels(labels: np.ndarray) -> None:
    if labels.dtype != np.uint8 or labels.ndim != 2 or labels.size == 0:
        seen, fix = (
            f'{labels.dtype} of shape {labels.shape}',
            'Convert class ids with astype(np.uint8).',
        )
        raise ImageError('labels', seen, 'uint8 of shape (H, W)', fix)


def narrow(size: tuple[int, int], width: int) -> tuple[int, int]:
    """The (height, width) of an image that is made narrower if it is wider."""
    return size if size[1] <= width else (max(1, round(size[0] * width / size[1])), width)


def narrowed(image: np.ndarray, width: int) -> np.ndarray:
    """The image at most that wide; resized by areas, so that thin things do not vanish."""
    if image.shape[1] <= width:
        return image
    height, width = narrow((image.shape[0], image.shape[1]), width)
    return cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
