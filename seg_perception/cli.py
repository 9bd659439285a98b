# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""
The command ``seg-perception``.

Each command imports what it needs when it runs: ``--help`` is quick, and ``segment`` and
``inspect`` work without ROS.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from seg_perception.core.errors import SegPerceptionError
from seg_perception.models import default_model_path

ERROR_EXIT = 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; its exit code: 0, 1 for findings or failed inputs, 2 for errors."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    options = _parser().parse_args(given)
    try:
        return int(options.command(options, given))
    except SegPerceptionError as error:
        print(f'seg-perception: error: {error}', file=sys.stderr)
        return ERROR_EXIT
    except KeyboardInterrupt:
        return 130  # as shells do for SIGINT
    except BrokenPipeError:  # `| head` has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog='seg-perception', description='Semantic segmentation of the road for robots and cars.'
    )
    commands = parser.add_subparsers(required=True, metavar='COMMAND')
    _add_demo(commands)
    _add_run(commands)
    _add_segment(commands)
    _add_inspect(commands)
    _add_adapt(commands)
    _add_doctor(commands)
    return parser


Commands = argparse._SubParsersAction  # argparse has no public name for it


def _add_demo(commands: Commands[argparse.ArgumentParser]) -> None:
    demo = commands.add_parser(
        'demo', help='play a video or the synthetic street through the node'
    )
    demo.add_argument('--video', metavar='FILE', help='video file or image folder to play')
    demo.add_argument('--out', type=Path, default=Path('demo_out'), help='folder for the results')
    length = demo.add_mutually_exclusive_group()
    length.add_argument(
        '--frames', type=_positive_int, default=0, help='stop after so many frames'
    )
    length.add_argument(
        '--seconds', type=_positive, default=0.0, help='stop after so many seconds'
    )
    demo.add_argument('--rate', type=_positive, default=0.0, help='frames per second [Hz]')
    demo.add_argument('--size', type=_size, metavar='WxH', help='size of the images, as 1280x720')
    demo.add_argument(
        '--weather',
        default='clear',
        help='of the synthetic street: clear, fog, rain, night, dusk or random',
    )
    demo.add_argument('--seed', type=int, default=0, help='of the synthetic street')
    _add_model(demo)
    demo.set_defaults(command=_demo)


def _add_run(commands: Commands[argparse.ArgumentParser]) -> None:
    run = commands.add_parser('run', help='start the node without `ros2 launch`')
    run.add_argument('--image-topic', help='camera images; the default is in config/params.yaml')
    run.add_argument('--camera-info-topic', help='calibration of the camera')
    run.add_argument('--params-file', type=Path, help='parameters as config/params.yaml')
    run.add_argument(
        '--video',
        metavar='SOURCE',
        help='also play this, looping, as the camera: a '
        "video file, an image folder, a camera device or 'synthetic'",
    )
    _add_model(run, default=None)
    run.set_defaults(command=_run)


def _add_segment(commands: Commands[argparse.ArgumentParser]) -> None:
    segment = commands.add_parser('segment', help='segment images, folders and videos without ROS')
    segment.add_argument('inputs', nargs='+', metavar='INPUT', type=Path)
    segment.add_argument('--out', type=Path, required=True, help='folder for masks and overlays')
    _add_model(segment)
    segment.set_defaults(command=_segment)


def _add_inspect(commands: Commands[argparse.ArgumentParser]) -> None:
    inspect = commands.add_parser('inspect', help='print what a model file says about itself')
    inspect.add_argument('model', nargs='?', type=Path, default=default_model_path())
    inspect.set_defaults(command=_inspect)


def _add_adapt(commands: Commands[argparse.ArgumentParser]) -> None:
    adapt = commands.add_parser(
        'adapt', help='wrap a segmentation network from elsewhere into a model file'
    )
    adapt.add_argument('network', type=Path, metavar='IN.onnx')
    adapt.add_argument('--out', type=Path, required=True, metavar='OUT.onnx')
    adapt.add_argument(
        '--classes',
        required=True,
        metavar='TABLE',
        help='its classes in order: camvid_11, cityscapes_19, ..., or a YAML file',
    )
    adapt.add_argument(
        '--mean', nargs=3, type=float, help='subtracted from the channels, in the order of --color'
    )
    adapt.add_argument(
        '--std', nargs=3, type=float, help='then divides them; both ImageNet by default'
    )
    adapt.add_argument(
        '--range',
        type=int,
        default=0,
        help='1 if mean and std are of 0..1, 255 if of 0..255; told by their size by default',
    )
    adapt.add_argument('--color', default='rgb', help='order of its channels, rgb or bgr')
    adapt.add_argument(
        '--size',
        type=_size,
        metavar='WxH',
        default=(384, 640),
        help='preferred size of a network that takes any (640x384)',
    )
    adapt.add_argument(
        '--multiple', type=_positive_int, default=32, help='what its sides are multiples of'
    )
    adapt.add_argument('--output', default='', help='name of the output; the first that fits')
    adapt.add_argument(
        '--temperature', type=_positive, default=1.0, help='of the softmax for the confidence'
    )
    adapt.add_argument('--name', default='', help='of the model; the file name by default')
    adapt.add_argument('--data', default='not stated', help='what it was trained on')
    adapt.add_argument('--licence', default='not stated', help='of the weights')
    adapt.add_argument(
        '--image', type=Path, help='street picture to check it on; a rendered one by default'
    )
    adapt.set_defaults(command=_adapt)


def _add_doctor(commands: Commands[argparse.ArgumentParser]) -> None:
    doctor = commands.add_parser('doctor', help='check this machine and say what to do')
    doctor.add_argument('--model', type=Path, default=default_model_path())
    doctor.add_argument('--quick', action='store_true', help='without the test stream')
    doctor.set_defaults(command=_doctor)


def _add_model(parser: argparse.ArgumentParser, default: str | None = 'auto') -> None:
    path = default_model_path() if default else None
    parser.add_argument('--model', type=Path, default=path, help='model file; embedded by default')
    parser.add_argument('--provider', default=default, help='auto, cpu, cuda or tensorrt')


def _demo(options: argparse.Namespace, given: Sequence[str]) -> int:
    _require_ros('demo')
    from seg_perception.ros.transport import ensure_transport

    ensure_transport(['-m', 'seg_perception', *given])
    from seg_perception.ros.demo import DemoOptions, describe, run_demo
    from seg_perception.ros.sources import SYNTHETIC

    demo = DemoOptions(
        out=options.out,
        source=options.video or SYNTHETIC,
        model=options.model,
        provider=options.provider,
        rate_hz=options.rate,
        max_frames=options.frames,
        max_seconds=options.seconds,
        size=options.size,
        seed=options.seed,
        weather=options.weather,
    )
    print(describe(run_demo(demo), options.out))
    return 0


def _run(options: argparse.Namespace, given: Sequence[str]) -> int:
    _require_ros('run')
    from seg_perception.ros.run import RunOptions, run_node

    return run_node(
        RunOptions(
            options.model,
            options.provider,
            options.image_topic,
            options.camera_info_topic,
            options.params_file,
            options.video,
        )
    )


def _segment(options: argparse.Namespace, given: Sequence[str]) -> int:
    from seg_perception.offline.segment import segment_paths

    report = segment_paths(options.inputs, options.out, options.model, options.provider)
    print(report)
    return report.exit_code


def _inspect(options: argparse.Namespace, given: Sequence[str]) -> int:
    from seg_perception.offline.inspect import describe_model

    print(describe_model(options.model))
    return 0


def _adapt(options: argparse.Namespace, given: Sequence[str]) -> int:
    _require_onnx()
    from seg_perception.adapt import adapt, picture
    from seg_perception.inference.class_file import load_table

    chosen = adapt.AdaptOptions(
        classes=load_table(options.classes),
        mean=tuple(options.mean or adapt.IMAGENET_MEAN),
        std=tuple(options.std or adapt.IMAGENET_STD),
        color=options.color,
        value_range=options.range,
        size=options.size,
        size_multiple=options.multiple,
        output=options.output,
        name=options.name,
        temperature=options.temperature,
        data=options.data,
        licence=options.licence,
    )
    adapted = adapt.adapt(options.network, options.out, chosen, picture.read(options.image))
    shown = picture.write(options.out, adapted.overlay_rgb)
    print('\n'.join([*adapted.lines, f'wrote        {options.out}', f'look at      {shown}']))
    return 0


def _doctor(options: argparse.Namespace, given: Sequence[str]) -> int:
    from seg_perception.ros.doctor import examine, report

    return report(examine(options.model, options.quick))


def _require_ros(command: str) -> None:
    """
    Say it in one line when ROS is not there.

    :raises SegPerceptionError: when rclpy or our messages cannot be found.
    """
    missing = [name for name in ('rclpy', 'seg_perception_msgs') if not _is_installed(name)]
    if missing:
        raise SegPerceptionError(
            f'`seg-perception {command}`',
            f'a Python without {" and ".join(missing)}',
            'ROS 2 and the built seg_perception_msgs',
            'Source ROS 2 and the workspace (install/setup.bash), or use `make demo`, which '
            'installs ROS wheels into .venv. `seg-perception segment` needs no ROS.',
        )


def _require_onnx() -> None:
    """
    Say it in one line when onnx is not there: the node does not need it.

    :raises SegPerceptionError: when it cannot be found.
    """
    if not _is_installed('onnx'):
        raise SegPerceptionError(
            '`seg-perception adapt`', 'a Python without onnx', 'onnx', 'Run: pip install onnx'
        )


def _is_installed(package: str) -> bool:
    # The source folder of the same name is a namespace package to Python: without an origin.
    spec = find_spec(package)
    return spec is not None and spec.origin is not None


def _positive(text: str) -> float:
    value = float(text)
    if not 0 < value < float('inf'):
        raise argparse.ArgumentTypeError(f'got {text}, expected a number above 0')
    return value


def _positive_int(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f'got {text}, expected 1 or more')
    return value


def _size(text: str) -> tuple[int, int]:
    """WxH as people write it, (height, width) as the code has it."""
    width, cross, height = text.partition('x')
    if not (cross and width.isdigit() and height.isdigit() and int(width) and int(height)):
        raise argparse.ArgumentTypeError(f'got {text!r}, expected WIDTHxHEIGHT such as 1280x720')
    return int(height), int(width)
