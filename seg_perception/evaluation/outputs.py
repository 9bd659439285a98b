# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""What one part of an evaluation leaves: rows, a bag, overlay videos, thumbnails."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from seg_perception.io.bag_writer import BagWriter
from seg_perception.io.cdr_messages import COMPRESSED, IMAGE, SCENE
from seg_perception.io.video_writer import VideoWriter

ROWS, BAG, VIDEOS, THUMBS = 'rows.parquet', 'bag', 'video', 'thumbs'
TOPICS = {
    'mask': IMAGE,
    'confidence': IMAGE,
    'road_scene': SCENE,
    'overlay/compressed': COMPRESSED,
}
"""Below ``/seg_perception/<camera>/``, as the node has them, and their types."""

_THUMB_NS = 200_000_000  # one thumbnail is kept of each such span
_TEXTS = ('topic', 'reason', 'status', 'status_reason', 'thumbnail', 'condition')
_KINDS = {
    'index': pa.int64(),
    'stamp_ns': pa.int64(),
    'height': pa.int32(),
    'width': pa.int32(),
    'level': pa.int8(),
    'lat': pa.float64(),
    'lon': pa.float64(),
}


@dataclass(frozen=True)
class Packed:
    """Everything that is written of one frame."""

    camera: str
    log_ns: int
    row: dict[str, Any]
    messages: Mapping[str, memoryview]  # by the name of the topic below the camera
    overlay: np.ndarray | None  # (h, w, 3) uint8 BGR
    thumbnail: np.ndarray | None  # JPEG file


@dataclass(frozen=True)
class VideoFormat:
    """Frames per second and (height, width) of a video."""

    fps: float
    size: tuple[int, int]


class ShardWriter:
    """
    Takes the frames of a part in their order.

    :param folder: where to write; it is there and empty.
    :param formats: what the overlay video of each camera is like; none are written when empty.
    """

    def __init__(self, folder: Path, with_bag: bool, formats: Mapping[str, VideoFormat]) -> None:
        self.folder = folder
        self.problems: list[str] = []
        self._rows: list[dict[str, Any]] = []
        self._bag = BagWriter(folder / BAG, compressed=True) if with_bag else None
        self._formats = formats
        self._videos: dict[str, VideoWriter] = {}
        self._thumbs: dict[str, _Thumb] = {}

    def write(self, frame: Packed) -> None:
        """Write one frame."""
        self._rows.append(frame.row)
        if self._bag is not None:
            for name, raw in frame.messages.items():
                topic = f'/seg_perception/{frame.camera}/{name}'
                self._bag.write(topic, TOPICS[name], frame.log_ns, raw)
        if frame.overlay is not None and frame.camera in self._formats:
            self._video(frame.camera).write(frame.overlay)
        if frame.thumbnail is not None:
            self._keep_worst(frame)

    def close(self) -> None:
        """Finish the files."""
        for thumb in self._thumbs.values():
            self._write_thumb(thumb)
        for video in self._videos.values():
            video.close()
        if self._bag is not None:
            self._bag.close()
        if self._rows:
            pq.write_table(table_of(self._rows), self.folder / ROWS, compression='zstd')

    def abort(self) -> None:
        """Let go of the files: the folder is thrown away."""
        for video in self._videos.values():
            video.abort()
        if self._bag is not None:
            self._bag.abort()

    def _video(self, camera: str) -> VideoWriter:
        if camera not in self._videos:
            folder = self.folder / VIDEOS
            folder.mkdir(exist_ok=True)
            video = self._formats[camera]
            self._videos[camera] = VideoWriter(folder / f'{camera}.mp4', video.fps, video.size)
        return self._videos[camera]

    def _keep_worst(self, frame: Packed) -> None:
        """Of each short span the frame with the lowest score, which is the one to look at."""
        slot = frame.row['stamp_ns'] // _THUMB_NS
        held = self._thumbs.get(frame.camera)
        if held is not None and held.slot != slot:
            self._write_thumb(held)
        if held is None or held.slot != slot or frame.row['score'] < held.frame.row['score']:
            self._thumbs[frame.camera] = _Thumb(slot, frame)

    def _write_thumb(self, thumb: _Thumb) -> None:
        folder = self.folder / THUMBS
        folder.mkdir(exist_ok=True)
        row = thumb.frame.row
        # The place in the whole input is known once the parts are merged.
        row['thumbnail'] = f'{thumb.frame.camera}_{row["index"]}.jpg'
        assert thumb.frame.thumbnail is not None
        (folder / row['thumbnail']).write_bytes(thumb.frame.thumbnail.tobytes())


@dataclass(frozen=True)
class _Thumb:
    slot: int
    frame: Packed


def table_of(rows: Sequence[Mapping[str, Any]]) -> pa.Table:
    """Rows of one part as a table, in the order of the first row's columns."""
    fields = [pa.field(name, _kind(name)) for name in rows[0]]
    return pa.Table.from_pylist(list(rows), schema=pa.schema(fields))


def _kind(name: str) -> pa.DataType:
    return pa.string() if name in _TEXTS else _KINDS.get(name, pa.float32())
