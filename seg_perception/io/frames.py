# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Read frames of images, folders and videos."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from seg_perception.core.errors import SourceError
from seg_perception.io.image_bytes import read_image
from seg_perception.io.video_reader import read_video, scan_video

IMAGE_SUFFIXES = ('.jpg', '.jpeg', '.png', '.bmp', '.webp', '.tif', '.tiff', '.ppm')
VIDEO_SUFFIXES = ('.mp4', '.avi', '.mkv', '.mov', '.m4v', '.mpg', '.mpeg', '.webm', '.mjpeg')
_SUFFIXES_FIX = f'Images: {" ".join(IMAGE_SUFFIXES)}; videos: {" ".join(VIDEO_SUFFIXES)}.'

DEFAULT_FPS = 20.0  # of what has no rate of its own


@dataclass(frozen=True)
class Frame:
    """One image: its name without folder and suffix, and (H, W, 3) uint8 BGR."""

    name: str
    bgr: np.ndarray


def find_files(inputs: Sequence[str | Path]) -> list[Path]:
    """
    The image and video files of paths; of a folder those directly inside, by name.

    :raises SourceError: when a path is missing, of no known kind, or a folder has none.
    """
    return [file for path in inputs for file in _files_of(Path(path))]


def count_frames(file: Path) -> int:
    """The number of frames in an image or video; 1 for one that cannot be read."""
    with suppress(SourceError):
        return 1 if file.suffix.lower() in IMAGE_SUFFIXES else scan_video(file).frames
    return 1


def frame_rate(file: Path) -> float:
    """Frames per second of a video; a usual rate for images."""
    return scan_video(file).fps if file.suffix.lower() in VIDEO_SUFFIXES else DEFAULT_FPS


def read_frames(file: Path) -> Iterator[Frame]:
    """
    The one frame of an image, turned upright by its EXIF entry, or all frames of a video.

    Frames of a video are named ``<stem>_<index, 6 digits>`` from 0.

    :raises SourceError: when the file is damaged; for a video after the frames that were whole.
    """
    if file.suffix.lower() in IMAGE_SUFFIXES:
        yield Frame(file.stem, _read_image(file))
    else:
        for frame in read_video(file):
            yield Frame(f'{file.stem}_{frame.index:06d}', frame.bgr)


def _files_of(path: Path) -> list[Path]:
    known = IMAGE_SUFFIXES + VIDEO_SUFFIXES
    if path.is_dir():
        named = (file for file in path.iterdir() if file.suffix.lower() in known)
        files = sorted(file for file in named if file.is_file())  # no pipes or devices
        if not files:
            raise SourceError(
                f'folder {str(path)!r}', 'no image or video in it', 'at least one', _SUFFIXES_FIX
            )
        return files
    if not path.is_file():
        raise SourceError(f'input {str(path)!r}', 'nothing there', 'an image, a folder or a video')
    if path.suffix.lower() not in known:
        raise SourceError(
            f'input {str(path)!r}', f'suffix {path.suffix!r}', 'a known one', _SUFFIXES_FIX
        )
    return [path]


def _read_image(file: Path) -> np.ndarray:
    try:
        data = file.read_bytes()
    except OSError as error:
        raise SourceError(f'image {str(file)!r}', error, 'a file that can be read') from error
    bgr = read_image(np.frombuffer(data, np.uint8), upright=True)
    if bgr is None:
        raise SourceError(
            f'image {str(file)!r}',
            f'{len(data)} bytes that do not decode to a whole image',
            'a whole image file',
            'It is truncated or damaged: copy it again.',
        )
    return cv2.cvtColor(bgr, cv2.COLOR_GRAY2BGR) if bgr.ndim == 2 else bgr
