# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""What one shard of an evaluation leaves: rows, a bag, overlay videos, thumbnails of frames."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import nan
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from seg_perception.core.camera import Camera
from seg_perception.core.classes import ClassTable
from seg_perception.core.draw import draw_scene
from seg_perception.core.drivable import scale_area
from seg_perception.core.masks import colourise, narrowed, resize_nearest
from seg_perception.core.results import SafetyRisk, SceneRecord
from seg_perception.evaluation.ground_truth import Score, row_of
from seg_perception.evaluation.job import EvaluationJob
from seg_perception.evaluation.stability import LabelStability, Snapshot
from seg_perception.evaluation.streams import RawFrame
from seg_perception.inference.answer import FrameContext
from seg_perception.io.bag_writer import BagWriter
from seg_perception.io.cdr_messages import (
    COMPRESSED,
    IMAGE,
    SCENE,
    header,
    image_message,
    jpeg_message,
    scene_message,
)
from seg_perception.io.encodings import Pixels
from seg_perception.io.scene_fields import Origin, scene_fields
from seg_perception.io.video_writer import VideoWriter

ROWS, BAG, VIDEOS, THUMBS = 'rows.parquet', 'bag', 'video', 'thumbs'
TOPICS = {
    'mask': IMAGE,
    'mask_color': IMAGE,
    'confidence': IMAGE,
    'road_scene': SCENE,
    'overlay/compressed': COMPRESSED,
}
"""Below ``/seg_perception/<camera>/``, as the node has them, and their types."""

_JPEG_QUALITY = 80
_THUMB_WIDTH = 320
_GROUND_FRAME = 'base_link'
_AREA_COLUMNS = ('image_share', 'corridor_share', 'free_distance_m')
_RISK_COLUMNS = ('score', 'level', 'time_to_contact_s', 'suggested_speed_mps')
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
    stability: LabelStability  # of the labels since the frame before


class ShardWriter:
    """
    Takes the frames of a shard in their order.

    :param folder: where to write; it is there and empty.
    :param formats: frames per second and (height, width) of each camera's overlay video; none are
        written when empty.
    """

    def __init__(
        self, folder: Path, with_bag: bool, formats: Mapping[str, tuple[float, tuple[int, int]]]
    ) -> None:
        self.folder = folder
        self._rows: list[dict[str, Any]] = []
        self._bag = BagWriter(folder / BAG, compressed=True) if with_bag else None
        self._formats = formats
        self._videos: dict[str, VideoWriter] = {}
        self._thumbs: dict[str, Packed] = {}

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
            self._videos[camera] = VideoWriter(folder / f'{camera}.mp4', *self._formats[camera])
        return self._videos[camera]

    def _keep_worst(self, frame: Packed) -> None:
        """Of each short span the frame with the lowest score, which is the one to look at."""
        held = self._thumbs.get(frame.camera, frame)
        now_ns, held_ns = frame.row['stamp_ns'], held.row['stamp_ns']
        if now_ns // _THUMB_NS != held_ns // _THUMB_NS:
            self._write_thumb(held)
            held = frame
        self._thumbs[frame.camera] = frame if frame.row['score'] < held.row['score'] else held

    def _write_thumb(self, frame: Packed) -> None:
        folder = self.folder / THUMBS
        folder.mkdir(exist_ok=True)
        # The place in the whole input is known once the shards are merged.
        name = frame.row['thumbnail'] = f'{frame.camera}_{frame.row["index"]}.jpg'
        assert frame.thumbnail is not None
        (folder / name).write_bytes(frame.thumbnail.tobytes())


def table_of(rows: Sequence[Mapping[str, Any]]) -> pa.Table:
    """Rows of one shard as a table, in the order of the first row's columns."""
    fields = [pa.field(name, _kind(name)) for name in rows[0]]
    return pa.Table.from_pylist(list(rows), schema=pa.schema(fields))


def _kind(name: str) -> pa.DataType:
    return pa.string() if name in _TEXTS else _KINDS.get(name, pa.float32())


@dataclass(frozen=True)
class Answer:
    """What is known of one frame."""

    frame: RawFrame
    index: int  # among those of its camera in the shard
    pixels: Pixels
    record: SceneRecord
    decode_ms: float
    context: FrameContext
    score: Score | None = None
    snapshot: Snapshot | None = None  # to compare the next frame with; None for single images
    before: Snapshot | None = None  # that of the frame before

    @property
    def camera(self) -> Camera | None:
        """The camera of the frame; None without metres."""
        return self.context.view.camera if self.context.view else None


class Packer:
    """
    Turns answers into what is written of them.

    :param condition: says under which condition a frame was taken.
    """

    def __init__(
        self, job: EvaluationJob, table: ClassTable, condition: Callable[[RawFrame], str]
    ) -> None:
        self._job, self._table, self._condition = job, table, condition

    def pack(self, answer: Answer) -> Packed:
        frame, outputs = answer.frame, self._job.outputs
        overlay = thumbnail = None
        messages: dict[str, memoryview] = {}
        if {'bag', 'video', 'thumbs'} & set(outputs):
            overlay = self._draw(answer)
        if 'thumbs' in outputs and overlay is not None:
            thumbnail = _jpeg(narrowed(overlay, _THUMB_WIDTH))
        if 'bag' in outputs and overlay is not None:
            messages = self._messages(answer, overlay)
        stability = LabelStability(len(self._table))
        if answer.before is not None and answer.snapshot is not None:
            stability.add(answer.before, answer.snapshot)
        row = self._row(answer) | stability.row()
        return Packed(
            frame.stream.camera, frame.log_ns, row, messages, overlay, thumbnail, stability
        )

    def _draw(self, answer: Answer) -> np.ndarray:
        """The overlay, (h, w, 3) uint8 BGR, drawn at its own size."""
        pixels, record = answer.pixels, answer.record
        small = narrowed(pixels.array, self._job.overlay_width or pixels.array.shape[1])
        size = small.shape[0], small.shape[1]
        rgb = cv2.cvtColor(small, cv2.COLOR_BGR2RGB) if pixels.order == 'bgr' else small
        scene = draw_scene(
            rgb,
            replace(
                record,
                labels=resize_nearest(record.labels, size),
                area=scale_area(record.area, size),
            ),
            self._table,
            corridor=self._job.rules.corridor,
            geometry=answer.context.view.geometry if answer.context.view else None,
            curvature_per_m=answer.context.path_curvature_per_m,
            online=answer.context.online,
        )
        return cv2.cvtColor(scene, cv2.COLOR_RGB2BGR)

    def _messages(self, answer: Answer, overlay: np.ndarray) -> dict[str, memoryview]:
        frame, record = answer.frame, answer.record
        head = header(frame.stamp_ns, frame.frame_id)
        small = resize_nearest(record.labels, (overlay.shape[0], overlay.shape[1]))
        return {
            'mask': image_message(record.labels, head),
            'mask_color': image_message(colourise(small, self._table), head, 'rgb8'),
            'confidence': image_message(record.confidence, head),
            'road_scene': scene_message(self._fields(answer), head),
            'overlay/compressed': jpeg_message(_jpeg(overlay), head),
        }

    def _fields(self, answer: Answer) -> dict[str, Any]:
        """The fields of the road scene; times are those of the evaluation."""
        record = answer.record
        origin = Origin(answer.frame.stream.camera, self._job.model_name, _GROUND_FRAME)
        return scene_fields(record, origin, sum(record.stage_ms.values()))

    def _row(self, answer: Answer) -> dict[str, Any]:
        """The columns of frames.parquet, but for what merging knows."""
        frame, record = answer.frame, answer.record
        fields = self._fields(answer)
        area, risk = fields['drivable_area'], fields['safety_risk']
        latitude, longitude = frame.fix or (nan, nan)
        row = {
            'topic': frame.stream.topic,
            'index': answer.index,
            'stamp_ns': frame.stamp_ns,
            'height': record.labels.shape[0],
            'width': record.labels.shape[1],
            'decode_ms': answer.decode_ms,
            **{f'{stage}_ms': ms for stage, ms in record.stage_ms.items()},
            **{name: area[name] for name in _AREA_COLUMNS},
            'area_confidence': area['confidence'],
            'pitch_off_rad': _pitch_off_rad(answer),
            **{name: risk[name] for name in _RISK_COLUMNS},
            'reason': _worst_reason(record.risk),
            'status': record.status.name,
            'status_reason': fields['status_text'],
            **{f'factor_{factor["name"]}': factor['risk'] for factor in risk['factors']},
            'confidence': cv2.mean(record.confidence)[0] / 255,
            'strange': record.ood_score,
            **_class_shares(record.labels, self._table),
        }
        if self._job.ground_truth is not None:
            row |= row_of(answer.score, self._table)
        condition = self._condition(frame)
        return row | {'condition': condition, 'thumbnail': '', 'lat': latitude, 'lon': longitude}


def _jpeg(bgr: np.ndarray) -> np.ndarray:
    return cv2.imencode('.jpg', bgr, [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])[1]


def _pitch_off_rad(answer: Answer) -> float:
    """Estimated pitch minus the pitch of the extrinsics; NaN when the scene does not show it."""
    if answer.camera is None or answer.record.pitch is None:
        return nan
    return answer.record.pitch.pitch_rad - answer.camera.extrinsics.pitch_rad


def _worst_reason(risk: SafetyRisk) -> str:
    worst = max(risk.factors, key=lambda factor: factor.weight * factor.risk, default=None)
    return worst.reason if worst is not None and worst.risk > 0 else ''


def _class_shares(labels: np.ndarray, table: ClassTable) -> dict[str, float]:
    counts = cv2.calcHist([labels], [0], None, [256], [0, 256]).ravel() / labels.size
    return {f'share_{name}': float(counts[i]) for i, name in enumerate(table.names)}
