# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Videos that browsers play, and videos joined without encoding them again."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from seg_perception.core.errors import OutputError, SourceError
from seg_perception.io import video_writer
from seg_perception.io.video_writer import LiveVideoWriter, VideoWriter, encoder, join_videos

NS = 10**9


@pytest.fixture(params=['libx264', 'mpeg4'])
def codec(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """With H.264, and as FFmpeg without it writes."""
    options = {name: row for name, row in video_writer._OPTIONS.items() if name == request.param}
    monkeypatch.setattr(video_writer, '_OPTIONS', options)
    encoder.cache_clear()
    yield request.param
    encoder.cache_clear()


def write(path: Path, first: int, count: int, fps: float = 12.5, side: int = 64) -> Path:
    """Frame i is of grey level 2 i + 10, with noise."""
    rng = np.random.default_rng(first)
    writer = VideoWriter(path, fps, (48, side))
    for i in range(first, first + count):
        writer.write((2 * i + 10 + rng.integers(-3, 4, (48, side, 3))).astype(np.uint8))
    writer.close()
    return path


def levels(path: Path, start: int = 0) -> list[float]:
    """As another reader sees the frames."""
    capture = cv2.VideoCapture(str(path))
    capture.set(cv2.CAP_PROP_POS_FRAMES, start)
    found = []
    while (read := capture.read())[0]:
        found.append((read[1].mean() - 10) / 2)
    return found


def packets(path: Path) -> list[bytes]:
    with av.open(str(path)) as container:
        return [bytes(packet) for packet in container.demux(video=0) if packet.size]


def test_file_plays_in_a_browser(tmp_path: Path) -> None:
    path = write(tmp_path / 'a.mp4', 0, 20)
    data = path.read_bytes()
    assert data.index(b'moov') < data.index(b'mdat')  # it plays before all of it has come
    with av.open(str(path)) as container:
        context = container.streams.video[0].codec_context
        assert (context.name, context.pix_fmt) == ('h264', 'yuv420p')


def test_fallback_is_told_once(
    tmp_path: Path, codec: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        for name in ('a.mp4', 'b.mp4'):
            assert levels(write(tmp_path / name, 0, 20)) == pytest.approx(range(20), abs=2.5)
    assert caplog.text.count('no H.264 encoder') == (codec == 'mpeg4')


def test_frames_of_all_in_order(tmp_path: Path, codec: str) -> None:
    lengths, first, videos = (30, 1, 45), 0, []
    for i, count in enumerate(lengths):
        videos.append(write(tmp_path / f'{i}.mp4', first, count))
        first += count
    joined = tmp_path / 'joined.mp4'
    join_videos(videos, joined)
    assert levels(joined) == pytest.approx(list(range(76)), abs=2.5)
    assert levels(joined, start=50) == pytest.approx(list(range(50, 76)), abs=2.5)
    capture = cv2.VideoCapture(str(joined))
    assert capture.get(cv2.CAP_PROP_FRAME_COUNT) == 76
    assert capture.get(cv2.CAP_PROP_FPS) == pytest.approx(12.5)
    assert packets(joined) == [data for video in videos for data in packets(video)]


def test_parts_of_two_encoders_are_encoded_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = write(tmp_path / '0.mp4', 0, 20)
    with monkeypatch.context() as patch:
        patch.setattr(video_writer, 'encoder', lambda: 'mpeg4')
        second = write(tmp_path / '1.mp4', 20, 10)
    join_videos([first, second], tmp_path / 'joined.mp4')
    # Each coding makes them up to 3 darker.
    assert levels(tmp_path / 'joined.mp4') == pytest.approx([i - 2 for i in range(30)], abs=2.5)


@pytest.mark.parametrize('fps', [0.2, 1.0, 7.3, 29.97, 59.94, 119.88, 1000.0])
def test_rates(tmp_path: Path, codec: str, fps: float) -> None:
    path = write(tmp_path / 'a.mp4', 0, 10, fps)
    capture = cv2.VideoCapture(str(path))
    assert capture.get(cv2.CAP_PROP_FPS) == pytest.approx(max(1.0, fps), rel=2e-3)
    assert len(levels(path)) == 10


def test_odd_sides_are_cut(tmp_path: Path, codec: str) -> None:
    path = write(tmp_path / 'a.mp4', 0, 4, side=63)
    assert cv2.VideoCapture(str(path)).read()[1].shape == (48, 62, 3)


def test_half_a_video(tmp_path: Path) -> None:
    video = write(tmp_path / 'a.mp4', 0, 20)
    video.write_bytes(video.read_bytes()[:600])
    with pytest.raises(SourceError, match=r"a\.mp4': got .*expected a whole MP4 file"):
        join_videos([video, video], tmp_path / 'joined.mp4')


def test_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"a\.mp4': got No such file or directory"):
        VideoWriter(tmp_path / 'none/a.mp4', 10.0, (48, 64))


def grey(level: int, height: int = 96, width: int = 128) -> np.ndarray:
    return np.full((height, width, 3), level, np.uint8)


def tens(path: Path) -> list[int]:
    return [round((2 * level + 10) / 20) for level in levels(path)]


def test_missing_frames_are_filled_by_the_one_before(tmp_path: Path) -> None:
    video = LiveVideoWriter(tmp_path / 'video.mp4', fps=10.0)
    start_ns = 1_700_000_000 * NS
    for place, level in ((0, 20), (1, 60), (4, 100), (5, 140)):
        video.add(start_ns + place * NS // 10, grey(level))
    video.close()
    assert tens(video.path) == [1, 3, 3, 3, 5, 7]
    places = [round((stamp - start_ns) / NS * 10) for stamp in video.stamps_ns]
    assert places == [0, 1, 1, 1, 4, 5]


def test_another_size_is_fitted_to_the_first(tmp_path: Path) -> None:
    video = LiveVideoWriter(tmp_path / 'video.mp4', fps=10.0)
    video.add(0, grey(20))
    video.add(NS // 10, grey(60, 192, 256))
    video.close()
    assert tens(video.path) == [1, 3]


def test_no_frame_and_no_folder_are_errors(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r'video\.mp4.*got no frame'):
        LiveVideoWriter(tmp_path / 'video.mp4', fps=10.0).close()
    video = LiveVideoWriter(tmp_path / 'none' / 'video.mp4', fps=10.0)
    video.add(0, grey(20))
    with pytest.raises(OutputError, match='No such file'):
        video.close()
