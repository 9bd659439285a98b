# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""The check image of a wrapped network, and the overlay of its labels."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from seg_perception.core.errors import SourceError
from seg_perception.synthetic.street import Street


def read(path: Path | None) -> np.ndarray:
    """
    The image in a file, or a rendered street, (H, W, 3) uint8 RGB.

    :raises SourceError: when the file is no image.
    """
    if path is None:
        return Street(seed=1, size=(720, 1280)).frame(0).rgb
    bgr = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if bgr is None:
        seen = 'data that is no image' if path.is_file() else 'no file'
        raise SourceError(f'image {path}', seen, 'a JPEG or PNG image')
    return cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB)


def write(out: Path, overlay_rgb: np.ndarray) -> Path:
    """Write the overlay next to a model file; return its path."""
    path = out.with_name(f'{out.stem}_check.jpg')
    cv2.imwrite(str(path), cv2.cvtColor(overlay_rgb, cv2.COLOR_RGB2BGR))
    return path
