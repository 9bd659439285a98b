# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Reading images, folders and videos; a bad one is named."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from seg_perception.core.errors import SourceError
from seg_perception.io.frames import count_frames, find_files, read_frames

RED_BGR = (0, 0, 255)


def write_image(path: Path, size: tuple[int, int] = (40, 60)) -> Path:
    """A picture with detail, so that half of its bytes are half of its rows."""
    bgr = np.random.default_rng(1).integers(0, 256, (*size, 3), np.uint8)
    assert cv2.imwrite(str(path), bgr)
    return path


def write_video(path: Path, frames: int = 6) -> Path:
    """Frame i is of grey level 40 i modulo 256."""
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*'MJPG'), 10.0, (64, 48))
    assert writer.isOpened()
    for i in range(frames):
        writer.write(np.full((48, 64, 3), 40 * i % 256, np.uint8))
    writer.release()
    return path


def test_image_is_one_bgr_frame(tmp_path: Path) -> None:
    path = tmp_path / 'red.png'
    cv2.imwrite(str(path), np.full((3, 5, 3), RED_BGR, np.uint8))
    (frame,) = read_frames(path)
    assert frame.name == 'red'
    np.testing.assert_array_equal(frame.bgr, np.full((3, 5, 3), RED_BGR))
    assert count_frames(path) == 1


@pytest.mark.parametrize('dtype', [np.uint8, np.uint16])
def test_grey_image_of_any_depth_becomes_three_bytes(tmp_path: Path, dtype: type) -> None:
    path = tmp_path / 'grey.png'
    cv2.imwrite(str(path), np.full((3, 5), np.iinfo(dtype).max, dtype))
    (frame,) = read_frames(path)
    np.testing.assert_array_equal(frame.bgr, np.full((3, 5, 3), 255))
    assert frame.bgr.dtype == np.uint8


def test_folder_gives_images_and_videos_by_name(tmp_path: Path) -> None:
    for name in ('b.JPG', 'a.png'):
        write_image(tmp_path / name)
    write_video(tmp_path / 'c.avi')
    (tmp_path / 'notes.txt').write_text('x')
    (tmp_path / 'deeper').mkdir()
    files = find_files([tmp_path, tmp_path / 'a.png'])
    assert [file.name for file in files] == ['a.png', 'b.JPG', 'c.avi', 'a.png']


def test_video_frames_in_order_with_six_digits(tmp_path: Path) -> None:
    path = write_video(tmp_path / 'clip.avi')
    frames = list(read_frames(path))
    assert [frame.name for frame in frames] == [f'clip_00000{i}' for i in range(6)]
    levels = [float(frame.bgr.mean()) for frame in frames]
    assert levels == pytest.approx([0, 40, 80, 120, 160, 200], abs=3)
    assert count_frames(path) == 6


def test_missing_input(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"no\.mp4': got nothing"):
        find_files([tmp_path / 'no.mp4'])


def test_unknown_suffix_lists_the_known(tmp_path: Path) -> None:
    path = tmp_path / 'a.txt'
    path.write_text('x')
    with pytest.raises(SourceError, match=r"got suffix '\.txt', expected a known one\. Images: "):
        find_files([path])


def test_empty_folder(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match='got no image or video in it, expected at least one'):
        find_files([tmp_path])


@pytest.mark.parametrize('suffix', ['.jpg', '.png', '.bmp', '.webp'])
@pytest.mark.parametrize('share', [0.0, 0.5, 0.9])
def test_truncated_image(tmp_path: Path, suffix: str, share: float) -> None:
    path = write_image(tmp_path / f'cut{suffix}')
    data = path.read_bytes()
    path.write_bytes(data[: int(share * len(data))])
    with pytest.raises(SourceError, match=rf"cut{suffix}': got \d+ bytes that do not decode"):
        list(read_frames(path))


def test_image_that_is_text(tmp_path: Path) -> None:
    path = tmp_path / 'a.png'
    path.write_text('not a picture')
    with pytest.raises(SourceError, match='got 13 bytes that do not decode to a whole image'):
        list(read_frames(path))


def test_video_that_is_text(tmp_path: Path) -> None:
    path = tmp_path / 'a.mp4'
    path.write_text('not a video')
    with pytest.raises(SourceError, match=r"a\.mp4': got 0 frames .*expected a video"):
        list(read_frames(path))


def test_truncated_video_gives_what_is_whole_and_says_so(tmp_path: Path) -> None:
    path = write_video(tmp_path / 'clip.avi', frames=40)
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    names = []
    with pytest.raises(SourceError, match=r'got \d+ whole frames and 1 damaged of 40'):
        names.extend(frame.name for frame in read_frames(path))
