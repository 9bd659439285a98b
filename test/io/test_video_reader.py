# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Videos are read to their end, whatever they claim; what is damaged is counted."""

from __future__ import annotations

import logging
import struct
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from seg_perception.core.errors import SourceError
from seg_perception.io.frames import count_frames
from seg_perception.io.video_reader import read_video, scan_video

SHARED = Path(__file__).parents[2].parent / 'shared/data/videos'
COUNT = 40
REAL = ('udacity_solidWhiteRight_960x540_25fps.mp4', 'us_cities/charlotte.mp4')


def picture(index: int) -> np.ndarray:
    """Noise that moves, and brightens by 4 a frame: (96, 128, 3) uint8."""
    noise = np.random.default_rng(0).integers(0, 60, (96, 128, 3), np.uint8)
    return np.roll(noise, index, 1) + np.uint8(4 * index)


def write(
    path: Path,
    codec: str = 'mpeg4',
    pts: list[int] | None = None,
    rotation: int = 0,
    gop: int = 12,
) -> Path:
    with av.open(str(path), 'w') as container:
        stream = container.add_stream(codec, rate=25)
        stream.width, stream.height = 128, 96
        stream.pix_fmt = 'yuvj420p' if codec == 'mjpeg' else 'yuv420p'
        stream.gop_size, stream.bit_rate = gop, 8_000_000
        if rotation:
            stream.set_display_rotation(rotation)
        for index in range(COUNT):
            frame = av.VideoFrame.from_ndarray(picture(index), 'bgr24')
            frame.pts, frame.time_base = (pts or range(COUNT))[index], Fraction(1, 25)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def numbers(path: Path, first: int = 0, last: int = COUNT) -> list[int]:
    """Which pictures the frames show, by their brightness; coding makes them 0 to 3 darker."""
    return [round((float(frame.bgr.mean()) - 28) / 4) for frame in read_video(path, first, last)]


def claim(path: Path, count: int) -> None:
    """Let the header of an AVI file name another number of frames, as its stopgaps do."""
    data = bytearray(path.read_bytes())
    for mark, offset in ((b'avih', 24), (b'strh', 40)):
        struct.pack_into('<I', data, data.index(mark) + offset, count)
    path.write_bytes(data)


KINDS = [
    ('a.avi', 'mjpeg'),
    ('a.avi', 'mpeg4'),
    ('a.mp4', 'mpeg4'),
    ('a.mkv', 'mpeg4'),
    ('a.mjpeg', 'mjpeg'),
    ('a.mpg', 'mpeg1video'),
]


@pytest.mark.parametrize(('name', 'codec'), KINDS)
def test_every_frame_in_order_and_in_spans(tmp_path: Path, name: str, codec: str) -> None:
    path = write(tmp_path / name, codec)
    scan = scan_video(path)
    assert (scan.frames, scan.fps, scan.size) == (COUNT, pytest.approx(25, rel=1e-3), (96, 128))
    assert numbers(path) == list(range(COUNT))
    spans = [numbers(path, first, first + 13) for first in range(0, COUNT, 13)]
    assert [number for span in spans for number in span] == list(range(COUNT))
    assert [frame.index for frame in read_video(path, 17, 20)] == [17, 18, 19]
    times = [frame.time_ns for frame in read_video(path)]
    assert times == pytest.approx([index * 40_000_000 for index in range(COUNT)], abs=1_000_000)


@pytest.mark.parametrize('count', [0, 1, 7, 1000, 2**30, 2**31 - 1, 2**32 - 1])
def test_any_claim_of_the_header(tmp_path: Path, count: int) -> None:
    path = write(tmp_path / 'a.avi', 'mjpeg')
    claim(path, count)
    assert count_frames(path) == COUNT
    assert numbers(path) == list(range(COUNT))


def test_streams_that_never_knew_their_length(tmp_path: Path) -> None:
    path = tmp_path / 'live.webm'
    write(tmp_path / 'a.mkv', 'mpeg4')
    with av.open(str(tmp_path / 'a.mkv')) as whole, path.open('wb') as file:
        pipe = av.open(_Pipe(file), 'w', format='matroska')
        stream = pipe.add_stream_from_template(whole.streams.video[0])
        for packet in whole.demux(video=0):
            if packet.size:
                packet.stream = stream
                pipe.mux(packet)
        pipe.close()
    with av.open(str(path)) as container:
        assert container.streams.video[0].frames == 0 and container.duration is None
    assert (scan_video(path).frames, count_frames(path)) == (COUNT, COUNT)
    assert numbers(path) == list(range(COUNT))


class _Pipe:
    """Can be written, not wound back."""

    def __init__(self, file) -> None:
        self.write = file.write


def test_times_of_a_camera_that_skips(tmp_path: Path) -> None:
    pts = [index if index < 20 else index + 30 for index in range(COUNT)]
    path = write(tmp_path / 'a.mp4', pts=pts)
    times_s = [round(frame.time_ns / 1e9, 3) for frame in read_video(path)]
    assert times_s == [value / 25 for value in pts]
    assert numbers(path, 21, 24) == [21, 22, 23]
    assert scan_video(path).fps == pytest.approx(39 * 25 / 69, rel=0.02)


@pytest.mark.parametrize(('name', 'codec'), KINDS[:3])
def test_cut_file_gives_its_beginning_and_says_so(tmp_path: Path, name: str, codec: str) -> None:
    path = write(tmp_path / name, codec, gop=1)
    data = path.read_bytes()
    if path.suffix == '.mp4':  # the table of frames to the front, as recorders do that stream
        with av.open(str(path)) as whole:
            options = {'movflags': '+faststart'}
            with av.open(str(tmp_path / 'f.mp4'), 'w', options=options) as container:
                stream = container.add_stream_from_template(whole.streams.video[0])
                for packet in whole.demux(video=0):
                    if packet.size:
                        packet.stream = stream
                        container.mux(packet)
        data = (tmp_path / 'f.mp4').read_bytes()
    path.write_bytes(data[: len(data) // 2])
    found = []
    with pytest.raises(SourceError, match=r'got \d+ whole frames and 1 damaged') as error:
        found.extend(frame.index for frame in read_video(path))
    assert found == list(range(len(found)))
    assert 14 <= len(found) <= 22
    assert f'got {len(found)} whole' in str(error.value)
    assert numbers(path, 3, 9) == [3, 4, 5, 6, 7, 8]  # whole, so nobody complains


def test_damage_in_the_middle_is_left_out_and_counted(tmp_path: Path) -> None:
    path = write(tmp_path / 'a.mp4', gop=1)
    with av.open(str(path)) as container:
        entry = container.streams.video[0].index_entries[11]
        at, size = entry.pos, entry.size
    data = bytearray(path.read_bytes())
    data[at : at + size] = b'\xff' * size
    path.write_bytes(data)
    found = []
    with pytest.raises(SourceError, match='got 39 whole frames and 1 damaged'):
        found.extend(frame.index for frame in read_video(path))
    assert found == [index for index in range(COUNT) if index != 11]
    assert [frame.index for frame in read_video(path, 12)][:2] == [12, 13]


def test_matroska_that_was_cut_is_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = write(tmp_path / 'a.mkv')
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with caplog.at_level(logging.WARNING):
        found = len(list(read_video(path)))
    assert 0 < found < 30
    assert f'names 40 frames and holds {found}' in caplog.text


@pytest.mark.parametrize('data', [b'', b'not a video', bytes(5000)])
def test_what_is_no_video(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / 'a.mp4'
    path.write_bytes(data)
    with pytest.raises(
        SourceError, match=r"a\.mp4': got 0 frames .*expected a video that decodes"
    ):
        list(read_video(path))
    assert count_frames(path) == 1


@pytest.mark.parametrize('rotation', [90, 180, 270])
def test_turned_upright_as_opencv_does(tmp_path: Path, rotation: int) -> None:
    path = write(tmp_path / 'a.mp4', rotation=rotation)
    capture = cv2.VideoCapture(str(path))
    expected = capture.read()[1]
    assert expected.shape[:2] == ((96, 128) if rotation == 180 else (128, 96))
    found = next(read_video(path)).bgr
    assert np.abs(found.astype(int) - expected).max() <= 1
    assert scan_video(path).size == expected.shape[:2]


@pytest.mark.parametrize('name', REAL)
def test_pixels_are_those_of_opencv(name: str) -> None:
    if not (SHARED / name).is_file():
        pytest.skip('no real samples beside the repository')
    capture = cv2.VideoCapture(str(SHARED / name))
    for frame in read_video(SHARED / name, 0, 25):
        difference = np.abs(frame.bgr.astype(int) - capture.read()[1])
        assert difference.max() <= 2


def test_frames_may_be_left_before_the_end(tmp_path: Path) -> None:
    """Decoders that are closed at work report it; nobody must wait for the thread that does."""
    path = write(tmp_path / 'a.mp4', 'libx264', gop=COUNT)
    code = (
        'import sys; from pathlib import Path\n'
        'from seg_perception.io.video_reader import read_video\n'
        f'for first in range({COUNT}): next(read_video(Path(sys.argv[1]), first, first + 1))\n'
    )
    subprocess.run([sys.executable, '-c', code, str(path)], check=True, timeout=60)
