# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""
The command ``seg-perception``: each command is a function of its options.

A command imports what it needs when it runs: ``--help`` is quick, and ``segment`` and ``inspect``
work without ROS.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import fields
from importlib.util import find_spec

from seg_perception.command_line import by_name, run_command
from seg_perception.core.errors import SegPerceptionError
from seg_perception.options import (
    AdaptCommandOptions,
    CalibrateOptions,
    DemoOptions,
    DoctorOptions,
    EvaluationOptions,
    InspectOptions,
    NetworkOptions,
    RecordOptions,
    ReplayOptions,
    RunOptions,
    SegmentOptions,
)

PROGRAM = 'seg-perception'
DESCRIPTION = 'Semantic segmentation of the road for robots and cars.'
ROS = ('rclpy', 'seg_perception_msgs')
NEEDS = {
    'demo': ROS,
    'run': ROS,
    'replay': (*ROS, 'rosbags', 'mcap', 'lz4'),
    'record': ('rosbags',),
    'calibrate': ('rosbags', 'pyarrow', 'plotly'),
    'evaluate': ('rosbags', 'mcap', 'lz4', 'pyarrow', 'plotly'),
    'adapt': ('onnx',),
}
"""Packages that a command needs and the node does not, or that only ROS brings."""
USE_DDS = ('demo', 'replay')


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; its exit code is that of ``run_command``."""
    words = sys.argv[1:] if arguments is None else arguments
    return run_command(PROGRAM, DESCRIPTION, COMMANDS, words, _prepare)


def _demo(options: DemoOptions) -> str:
    from seg_perception.tools.demo import describe, run_demo

    return describe(run_demo(options), options.out)


def _run(options: RunOptions) -> int:
    from seg_perception.tools.run import run_node

    return run_node(options)


def _segment(options: SegmentOptions) -> object:
    from seg_perception.tools.segment import segment_paths

    return segment_paths(
        options.inputs, options.out, options.model, options.provider, options.threads
    )


def _replay(options: ReplayOptions) -> object:
    from seg_perception.replay.replay import run_replay

    return run_replay(options)


def _record(options: RecordOptions) -> object:
    from seg_perception.tools.record import record

    return record(options)


def _evaluate(options: EvaluationOptions) -> int:
    from seg_perception.evaluation.evaluate import evaluate, evaluate_against

    if not options.baseline:
        evaluation = evaluate(options)
        print(evaluation)
        return evaluation.exit_code
    evaluation, comparison = evaluate_against(options, options.baseline, options.limits)
    print(evaluation, comparison, sep='\n')
    return max(evaluation.exit_code, comparison.exit_code)


def _calibrate(options: CalibrateOptions) -> object:
    from seg_perception.tools.calibrate import calibrate

    return calibrate(options)


def _inspect(options: InspectOptions) -> str:
    from seg_perception.tools.inspect import describe_model

    return describe_model(options.model)


def _adapt(options: AdaptCommandOptions) -> str:
    from seg_perception.adapt import adapt
    from seg_perception.inference.class_file import load_table

    network = {field.name: getattr(options, field.name) for field in fields(NetworkOptions)}
    chosen = adapt.AdaptOptions(load_table(options.classes), **network)
    adapted = adapt.adapt(options.network, options.out, chosen, adapt.check_image(options.image))
    shown = adapt.write_overlay(options.out, adapted.overlay_rgb)
    return '\n'.join([*adapted.lines, f'wrote        {options.out}', f'look at      {shown}'])


def _doctor(options: DoctorOptions) -> int:
    from seg_perception.tools.doctor import examine, report

    return report(examine(options.model, options.quick))


COMMANDS = by_name(
    _demo, _run, _segment, _replay, _record, _calibrate, _evaluate, _inspect, _adapt, _doctor
)


def _prepare(command: str, words: Sequence[str]) -> None:
    """
    Check for the packages that the command needs, and set the transport of its process.

    :raises SegPerceptionError: when a package cannot be found.
    """
    missing = [name for name in NEEDS.get(command, ()) if _is_missing(name)]
    if missing:
        ros = [name for name in missing if name in ROS]
        raise SegPerceptionError(
            f'`{PROGRAM} {command}`',
            f'a Python without {" and ".join(ros or missing)}',
            'ROS 2 and the built seg_perception_msgs' if ros else ' and '.join(missing),
            'Source ROS 2 and the workspace (install/setup.bash), or use `make demo`, which '
            f'installs ROS wheels into .venv. `{PROGRAM} segment` needs no ROS.'
            if ros
            else f'Run: pip install {" ".join(missing)}',
        )
    if command in USE_DDS:
        from seg_perception.node.transport import ensure_transport

        ensure_transport(['-m', 'seg_perception', *words])


def _is_missing(package: str) -> bool:
    # The source folder of our messages is a namespace package to Python: without an origin.
    spec = find_spec(package)
    return spec is None or (package in ROS and spec.origin is None)
