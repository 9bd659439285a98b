# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""What an evaluation is asked for, cut into shards that any process can work on by itself."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from math import radians
from pathlib import Path
from typing import Any

from seg_perception.core.camera import Extrinsics
from seg_perception.core.errors import ParameterError, SourceError
from seg_perception.core.results import OnlineCalibration
from seg_perception.core.settings import load
from seg_perception.evaluation.ground_truth import (
    Conditions,
    GroundTruth,
    read_conditions,
    read_ground_truth,
)
from seg_perception.evaluation.inputs import find_sources
from seg_perception.evaluation.streams import NS, Failure, Source, Wanted
from seg_perception.inference.model_file import read_card
from seg_perception.io.calibration_file import CalibrationFile, read_calibration_file
from seg_perception.io.fingerprint import folder_fingerprint
from seg_perception.io.job_folder import JobFolder
from seg_perception.io.yaml_file import read_mapping
from seg_perception.models import model_path
from seg_perception.options import EvaluationOptions, MountOptions
from seg_perception.risk_profiles import DEFAULT, Rules, profile_path, read_rules

FORMAT = 1
RUN_FILE = 'run.json'
WARM_UP_NS = 2 * NS  # what the risk filter remembers
_UNUSED = ('grid', 'scan', 'fusion')


@dataclass(frozen=True)
class Shard:
    """A span of one source; ``number`` is its place among all."""

    number: int
    source: Source
    start_ns: int
    stop_ns: int

    @property
    def folder(self) -> str:
        return f'{self.number:05d}'


@dataclass(frozen=True, eq=False)
class LearnedCamera:
    """
    What a camera of an input has learned of itself.

    :param size: (height, width) of its images.
    :param files: path below the output folder, without suffix, of picture, history and
        calibration file; empty where it was given.
    """

    source: str
    camera: str
    size: tuple[int, int]
    online: OnlineCalibration
    files: str = ''


@dataclass(frozen=True)
class EvaluationJob:
    """Everything that decides the numbers: it goes to every process as it is."""

    out: Path
    model: Path
    model_name: str
    model_sha256: str
    provider: str
    sources: tuple[Source, ...]
    failures: tuple[Failure, ...]
    shards: tuple[Shard, ...]
    extrinsics: Extrinsics | None
    ground_truth: GroundTruth | None
    conditions: Conditions
    outputs: tuple[str, ...]
    overlay_width: int
    rules: Rules = field(default_factory=Rules)
    parameters: Mapping[str, Any] = field(default_factory=dict)
    calibrate: str = 'off'
    given: CalibrationFile | None = None
    learned: tuple[LearnedCamera, ...] = ()

    def applied(self, source: str, camera: str) -> OnlineCalibration | None:
        """What a camera has learned of itself, where the answers are to follow it."""
        if self.calibrate != 'apply':
            return None
        named = (row for row in self.learned if (row.source, row.camera) == (source, camera))
        return next((row.online for row in named), None)

    @property
    def frames(self) -> int:
        return sum(source.frames for source in self.sources)

    @property
    def folder(self) -> JobFolder:
        """The output folder, which belongs to this evaluation; inputs may be moved elsewhere."""
        return JobFolder(self.out, self.to_json(), RUN_FILE, lambda key: key.endswith('.path'))

    def to_json(self) -> dict[str, Any]:
        """What ``run.json`` says."""
        return {
            'format': FORMAT,
            'model': {'name': self.model_name, 'sha256': self.model_sha256},
            'inputs': [_input_json(source) for source in self.sources],
            'parameters': dict(self.parameters),
        }


def make_job(options: EvaluationOptions) -> EvaluationJob:
    """
    Look at the inputs and cut them into shards.

    :raises SegPerceptionError: when an option or the model cannot be used, or no input can.
    """
    rules = _rules(options.settings)
    extrinsics = _extrinsics(options.mount)
    model = model_path(options.model).absolute()
    card = read_card(model)
    truth = read_ground_truth(options.truth, options.truth_classes, card.classes)
    given = read_calibration_file(options.calibration) if options.calibration else None
    lens, truth_topic = given.lens if given else None, truth.topic if truth else ''
    wanted = Wanted(options.topics, truth_topic, options.fps, lens, options.rectified)
    sources, failures = find_sources(options.inputs, wanted)
    return EvaluationJob(
        out=options.out.absolute(),
        model=model,
        model_name=card.name,
        model_sha256=hashlib.sha256(model.read_bytes()).hexdigest(),
        provider=options.provider,
        sources=tuple(sources),
        failures=tuple(failures),
        shards=tuple(_cut(sources, round(options.part_s * NS))),
        extrinsics=extrinsics,
        ground_truth=truth,
        conditions=read_conditions(options.conditions),
        outputs=options.outputs,
        overlay_width=options.overlay_width,
        rules=rules,
        parameters=_parameters(options, extrinsics, truth),
        calibrate=options.calibrate,
        given=given,
    )


def _extrinsics(options: MountOptions) -> Extrinsics | None:
    """The extrinsics that the options give; None where they give no height."""
    if options.file:
        return read_extrinsics(options.file)
    if options.height_m is None:
        return None
    pitch, roll, yaw = map(radians, (options.pitch_deg, options.roll_deg, options.yaw_deg))
    return Extrinsics(options.height_m, pitch, roll, yaw, options.forward_m, options.left_m)


def read_extrinsics(path: Path) -> Extrinsics:
    """
    The camera pose of a YAML file: height_m, and pitch_rad, forward_m and the others as needed.

    :raises SegPerceptionError: when it cannot be read or a value cannot be.
    """
    what = f'mount {str(path)!r}:'
    return load(Extrinsics, read_mapping(path, 'mount'), what, error=SourceError)


def _rules(settings: Mapping[str, Any]) -> Rules:
    """
    The rules of the risk profile named, with the changes over it.

    :raises ParameterError: when a name is unknown or unused here, or a value is wrong.
    """
    changes = dict(settings)
    profile = changes.pop('risk_profile', DEFAULT)
    for name in changes:
        if name.partition('.')[0] in _UNUSED:
            raise ParameterError(
                f'setting {name!r}', 'a rule that an evaluation does not use', 'another one'
            )
    return read_rules(str(profile), changes)


def _cut(sources: list[Source], length_ns: int) -> Iterator[Shard]:
    number = 0
    for source in sources:
        for start_ns in range(source.start_ns, source.stop_ns, length_ns):
            stop_ns = min(start_ns + length_ns, source.stop_ns)
            yield Shard(number, source, start_ns, stop_ns)
            number += 1


def _parameters(
    options: EvaluationOptions, extrinsics: Extrinsics | None, truth: GroundTruth | None
) -> dict[str, Any]:
    """What the answers depend on; how the work is shared out is none of it."""
    return {
        'provider': options.provider,
        'topics': list(options.topics),
        'calibration': _files(options.calibration),
        'rectified': options.rectified,
        'calibrate': options.calibrate,
        'mount': asdict(extrinsics) if extrinsics else None,
        'settings': _settings(options.settings),
        'truth': options.truth if truth is None or truth.topic else _files(Path(options.truth)),
        'truth_classes': _classes(truth),
        'conditions': _files(options.conditions),
        'outputs': list(options.outputs),
        'part_s': options.part_s,
        'fps': options.fps,
        'overlay_width': options.overlay_width,
    }


def _files(path: Path | None) -> dict[str, str] | None:
    return folder_fingerprint(path) if path else None


def _classes(truth: GroundTruth | None) -> str:
    """Name and content of the class table of the ground truth."""
    if truth is None:
        return ''
    content = repr((truth.table, truth.lut.tolist())).encode()
    return f'{truth.table.name} {hashlib.sha256(content).hexdigest()[:16]}'


def _settings(settings: Mapping[str, Any]) -> dict[str, Any]:
    """The settings; a profile with its content, as a file may change between two runs."""
    named = dict(settings)
    if 'risk_profile' in named:
        content = profile_path(str(named['risk_profile'])).read_bytes()
        named['risk_profile_sha256'] = hashlib.sha256(content).hexdigest()
    return named


def _input_json(source: Source) -> dict[str, Any]:
    return {
        'source': source.name,
        'kind': source.kind,
        'path': source.path,
        'fingerprint': source.fingerprint(),
        'topics': [stream.topic for stream in source.streams],
    }
