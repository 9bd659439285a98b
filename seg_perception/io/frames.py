# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Read frames of images, folders and videos."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from seg_perception.core.errors import SourceError

IMAGE_SUFFIXES = ('.jpg', '.jpeg', '.png', '.bmp', '.webp', '.tif', '.tiff', '.ppm')
VIDEO_SUFFIXES = ('.mp4', '.avi', '.mkv', '.mov', '.m4v', '.mpg', '.mpeg', '.webm', '.mjpeg')
_SUFFIXES_FIX = f'Images: {" ".join(IMAGE_SUFFIXES)}; videos: {" ".join(VIDEO_SUFFIXES)}.'
_EARLY_SHARE = 0.9  # containers estimate their number of frames; a tenth less is no estimate


@dataclass(frozen=True)
class Frame:
    """One picture: its name without folder and suffix, and (H, W, 3) uint8 BGR."""

    name: str
    bgr: np.ndarray


@dataclass(frozen=True)
class VideoFacts:
    """How many frames a video claims, its rate (0 where it does not say), (height, width)."""

    frames: int
    fps: float
    size: tuple[int, int]


def find_files(inputs: Sequence[str | Path]) -> list[Path]:
    """
    The image and video files of paths; of a folder those directly inside, by name.

    :raises SourceError: when a path is missing, of no known kind, or a folder has none.
    """
    return [file for path in inputs for file in _files_of(Path(path))]


def count_frames(file: Path) -> int:
    """The number of frames that the file claims, at least 1; for progress bars alone."""
    if file.suffix.lower() in IMAGE_SUFFIXES:
        return 1
    capture = cv2.VideoCapture(str(file))
    count = int(capture.get(cv2.CAP_PROP_FRAME_COUNT))
    capture.release()
    return max(1, count)


def video_facts(file: Path) -> VideoFacts:
    """
    What a video says of itself, and the size of its first frame.

    :raises SourceError: when not even that decodes.
    """
    _, first = next(read_video(file))
    capture = cv2.VideoCapture(str(file))
    fps = capture.get(cv2.CAP_PROP_FPS)
    capture.release()
    return VideoFacts(count_frames(file), fps if 0 < fps <= 1000 else 0.0, first.shape[:2])


def read_frames(file: Path) -> Iterator[Frame]:
    """
    The one frame of an image, turned upright by its EXIF entry, or all frames of a video.

    Frames of a video are named ``<stem>_<index, 6 digits>`` from 0.

    :raises SourceError: when the file is damaged; for a video after the frames that were whole.
    """
    if file.suffix.lower() in IMAGE_SUFFIXES:
        yield Frame(file.stem, _read_image(file))
    else:
        for index, bgr in read_video(file):
            yield Frame(f'{file.stem}_{index:06d}', bgr)


def read_video(
    file: Path, first: int = 0, last: int = sys.maxsize
) -> Iterator[tuple[int, np.ndarray]]:
    """
    Index and picture, (H, W, 3) uint8 BGR, of the frames of a video from ``first`` until ``last``.

    :raises SourceError: after the frames that were whole, when too many are missing.
    """
    capture = cv2.VideoCapture(str(file))
    index = first
    try:
        claimed = int(capture.get(cv2.CAP_PROP_FRAME_COUNT))
        _seek(capture, first)
        while index < last and (read := capture.read())[0]:
            yield index, read[1]
            index += 1
    finally:
        capture.release()
    if index < last and (index == 0 or index < _EARLY_SHARE * claimed):
        raise SourceError(
            f'video {str(file)!r}',
            f'{index} frames',
            f'{claimed} of them' if claimed > 0 else 'a video that decodes',
            'It is truncated, damaged or coded in a way that this OpenCV cannot read.',
        )


def _seek(capture: cv2.VideoCapture, index: int) -> None:
    """Let the next frame be that one; decode all before it where the file cannot jump."""
    if index == 0:
        return
    capture.set(cv2.CAP_PROP_POS_FRAMES, index)
    if round(capture.get(cv2.CAP_PROP_POS_FRAMES)) != index:
        capture.set(cv2.CAP_PROP_POS_FRAMES, 0)
        while index > 0 and capture.grab():
            index -= 1


def _files_of(path: Path) -> list[Path]:
    known = IMAGE_SUFFIXES + VIDEO_SUFFIXES
    if path.is_dir():
        files = sorted(file for file in path.iterdir() if file.suffix.lower() in known)
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
    bgr = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR) if data else None
    if bgr is None or _is_cut_jpeg(data):
        raise SourceError(
            f'image {str(file)!r}',
            f'{len(data)} bytes that do not decode to a whole picture',
            'a whole image file',
            'It is truncated or damaged: copy it again.',
        )
    return bgr


def _is_cut_jpeg(data: bytes) -> bool:
    """OpenCV fills what a truncated JPEG lacks with grey and says nothing."""
    return data.startswith(b'\xff\xd8') and b'\xff\xd9' not in data[-4096:]
