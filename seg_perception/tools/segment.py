# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Segment images, folders and videos into files, without ROS."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import nan
from pathlib import Path
from typing import Any

import cv2

from seg_perception.core.draw import draw_scene
from seg_perception.core.errors import SegPerceptionError, SourceError
from seg_perception.core.results import SceneRecord
from seg_perception.inference.answer import FrameAnswerer
from seg_perception.inference.open_engine import open_engine
from seg_perception.io.atomic import make_folder, write_image, write_json_lines
from seg_perception.io.frames import Frame, find_files
from seg_perception.io.scene_fields import Origin, scene_fields
from seg_perception.models import model_path
from seg_perception.tools.each_frame import for_each_frame

SCENES_FILE = 'scenes.jsonl'


@dataclass(frozen=True)
class SegmentReport:
    """How many frames were written, and what stopped the others."""

    frames: int
    out: Path
    provider: str
    fallback: str | None
    failures: tuple[SegPerceptionError, ...]

    @property
    def exit_code(self) -> int:
        return 1 if self.failures else 0

    def __str__(self) -> str:
        lines = [f'{self.frames} frames segmented into {self.out} on {self.provider}.']
        if self.fallback:
            lines.insert(0, self.fallback)
        if self.failures:
            lines.append(f'{len(self.failures)} inputs failed:')
            lines.extend(f'  {failure}' for failure in self.failures)
        return '\n'.join(lines)


def segment_paths(
    inputs: Sequence[str | Path],
    out: str | Path,
    model: str | Path | None = None,
    provider: str = 'auto',
    threads: int = 0,
) -> SegmentReport:
    """
    Write ``<stem>_labels.png`` (class ids, input size) and ``<stem>_overlay.jpg`` for each frame.

    ``scenes.jsonl`` says in one line for each frame how dangerous it looks and why, how much of it
    is free, and whether that answer can be relied on. What is not known is null.

    A damaged input is reported at the end and the others are segmented.

    :param inputs: images, folders of them, videos.
    :param model: the model file; None for the embedded one.
    :raises SourceError: when an input is not there or the output cannot be written.
    :raises ModelFileError: when the model file cannot be used.
    :raises ProviderError: when the provider cannot be used.
    """
    files = find_files(inputs)
    engine = open_engine(model_path(model or ''), provider, threads)
    out = _make_folder(Path(out), inputs)
    job = _Job(FrameAnswerer(engine), out)
    failures = for_each_frame(files, job.segment)
    write_json_lines(out / SCENES_FILE, job.scenes)
    return SegmentReport(len(job.scenes), out, engine.provider, engine.fallback, tuple(failures))


class _Job:
    """One call's state: names taken so far, and what ``scenes.jsonl`` will say."""

    def __init__(self, answerer: FrameAnswerer, out: Path) -> None:
        self.answerer = answerer
        self.out = out
        self.sources: dict[str, Path] = {}  # by output name
        self.scenes: list[dict[str, Any]] = []

    def segment(self, file: Path, frame: Frame) -> None:
        self._claim(frame.name, file)
        record = self.answerer.answer(frame.bgr, 'bgr')
        self._write(frame, record)
        self.scenes.append(_scene_of(frame.name, record))

    def _claim(self, name: str, file: Path) -> None:
        """Two inputs of one name must not overwrite each other's output."""
        if name in self.sources:
            raise SourceError(
                f'output name {name!r} of {str(file)!r}',
                f'already taken by {str(self.sources[name])!r}',
                'a stem of its own for each input',
                'Rename one, or segment them into two folders.',
            )
        self.sources[name] = file

    def _write(self, frame: Frame, record: SceneRecord) -> None:
        rgb = cv2.cvtColor(frame.bgr, cv2.COLOR_BGR2RGB)
        scene = draw_scene(rgb, record, self.answerer.table)
        overlay = cv2.cvtColor(scene, cv2.COLOR_RGB2BGR)
        write_image(self.out / f'{frame.name}_labels.png', record.labels)
        write_image(self.out / f'{frame.name}_overlay.jpg', overlay)


def _scene_of(name: str, record: SceneRecord) -> dict[str, Any]:
    """What ``scenes.jsonl`` says of a frame."""
    fields = scene_fields(record, Origin('', ''), nan)
    area, risk = fields['drivable_area'], fields['safety_risk']
    return {
        'name': name,
        'score': risk['score'],
        'level': record.risk.level.name,
        'factors': risk['factors'],
        'image_share': area['image_share'],
        'corridor_share': area['corridor_share'],
        'status': record.status.name,
        'status_reasons': record.doubts,
    }


def _make_folder(out: Path, inputs: Sequence[str | Path]) -> Path:
    if any(out.resolve() == Path(path).resolve() for path in inputs):
        raise SourceError(
            f'output folder {str(out)!r}',
            'one of the inputs',
            'another folder',
            'The next run would take the masks for images.',
        )
    make_folder(out)
    return out
