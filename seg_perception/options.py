# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""
The options of every command of ``seg-perception``: names, defaults, units, ranges and help.

A field that is 0, empty or None leaves the choice to the command; its description says what
that is.
"""

from __future__ import annotations

from argparse import ArgumentTypeError
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from math import isfinite
from pathlib import Path
from typing import Annotated, Any

from seg_perception.command_line import SIZE, Option, named_number
from seg_perception.core.errors import ParameterError
from seg_perception.core.settings import HIDDEN, Setting, Settings, share
from seg_perception.models import EMBEDDED, model_path

OUTPUTS = ('bag', 'video', 'thumbs', 'report')
FILE, FOLDER, TOPIC = Option('FILE'), Option('DIR'), Option('TOPIC')
MODEL_FILE = Option('FILE', read=model_path)
MODEL = Setting(f'model file, or an embedded model: {" or ".join(EMBEDDED)} (default: default)')
PROVIDER = Setting('what computes: auto, cpu, cuda or tensorrt')

Model = Annotated[Path, MODEL, MODEL_FILE]
Provider = Annotated[str, PROVIDER, Option('NAME')]
Threads = Annotated[int, Setting('threads of each process; 0: a share of the cores', '', 0)]
OutFolder = Annotated[Path, Setting('folder for the results'), FOLDER]


def named_value(text: str) -> tuple[str, Any]:
    """Name and value, which is read as YAML reads it, of a word such as ``risk.near_m=3``."""
    from seg_perception.io.yaml_file import read_words

    (pair,) = read_words([text], 'risk.near_m=3').items()
    return pair


def stamp_ns(text: str) -> int:
    """A time as people write it, in nanoseconds since 1970; UTC where no zone is given."""
    try:
        return round(Decimal(text) * 1_000_000_000)
    except InvalidOperation:
        pass
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ArgumentTypeError(
            f'got {text!r}, expected a time such as 2026-05-01T12:00:00 or 1777636800.5'
        ) from None
    zoned = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return (zoned - datetime.fromtimestamp(0, UTC)) // timedelta(microseconds=1) * 1000


@dataclass(frozen=True)
class DemoOptions(Settings, name='demo'):
    """Play a video or the synthetic street through the node, and record what it answers."""

    out: OutFolder = Path('demo_out')
    source: Annotated[
        str,
        Setting('video file or image folder to play (default: the synthetic street)'),
        Option('FILE', names=('--video',)),
    ] = 'synthetic'
    model: Model = field(default_factory=model_path)
    provider: Provider = 'auto'
    rate_hz: Annotated[
        float | None,
        Setting("frames per second (default: the video's own, 15 if synthetic)", 'Hz', 1e-3),
    ] = None
    max_frames: Annotated[
        int | None,
        Setting('stop after this many frames (default: all, 12 s if synthetic)', '', 1),
        Option(names=('--frames',)),
    ] = None
    max_seconds: Annotated[
        float | None,
        Setting('stop after this time (default: all, 12 s if synthetic)', 's', 1e-3),
        Option(names=('--seconds',)),
    ] = None
    size: Annotated[
        tuple[int, int] | None, Setting('size of the images (default: as they are)', 'px'), SIZE
    ] = None
    seed: Annotated[int, Setting('random seed of the synthetic street')] = 0
    weather: Annotated[
        str, Setting('weather of the synthetic street: clear, fog, rain, night, dusk or random')
    ] = 'clear'

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.max_frames and self.max_seconds:
            raise ParameterError('--frames and --seconds', 'both', 'one of them')


@dataclass(frozen=True)
class RunOptions(Settings, name='run'):
    """
    Start the node without `ros2 launch`.

    What is not given here keeps the value of the parameter file, or else the node's default.
    """

    model: Annotated[
        Path | None, Setting('model file, or the name of an embedded model'), MODEL_FILE
    ] = None
    provider: Annotated[str | None, PROVIDER, Option('NAME')] = None
    image_topic: Annotated[str | None, Setting('topic of the camera images'), TOPIC] = None
    camera_info_topic: Annotated[str | None, Setting('topic of the calibration'), TOPIC] = None
    params_file: Annotated[
        Path | None, Setting('parameters, laid out as in config/params.yaml'), Option('YAML')
    ] = None
    video: Annotated[
        str | None,
        Setting(
            'also play this as the camera, in a loop: a video file, an image folder, a camera '
            "device or 'synthetic'"
        ),
        Option('SOURCE'),
    ] = None


@dataclass(frozen=True)
class SegmentOptions(Settings, name='segment'):
    """Segment images, folders and videos without ROS."""

    inputs: Annotated[
        tuple[Path, ...],
        Setting('images, folders of images, videos'),
        Option('INPUT', positional=True),
    ]
    out: Annotated[Path, Setting('folder for masks, overlays and scenes'), FOLDER]
    model: Model = field(default_factory=model_path)
    provider: Provider = 'auto'
    threads: Threads = 0


@dataclass(frozen=True)
class ReplayOptions(Settings, name='replay'):
    """
    Publish a bag again, each message at its time.

    In a terminal, space pauses, the right arrow steps to the next image and q quits.
    """

    bag: Annotated[Path, Setting('rosbag1 file or rosbag2 folder'), Option('BAG', positional=True)]
    rate: Annotated[float, Setting('speed, as a multiple of the recorded one', '', 1e-3, 1000)] = (
        1.0
    )
    start_s: Annotated[
        float, Setting('skip this much of the beginning of the bag', 's', 0, 1e9)
    ] = 0.0
    duration_s: Annotated[
        float | None,
        Setting('replay this much of the bag (default: up to its end)', 's', 1e-3, 1e9),
    ] = None
    loop: Annotated[bool, Setting('start again at the end')] = False
    topics: Annotated[
        tuple[str, ...], Setting('publish these topics only (default: all)'), TOPIC
    ] = ()
    remap: Annotated[
        tuple[str, ...], Setting('publish under other names'), Option('FROM:=TO')
    ] = ()
    clock_hz: Annotated[
        float,
        Setting(
            "publish the bag's time on /clock, for nodes with use_sim_time; 100 Hz without a "
            'value (default: no clock)',
            'Hz',
            0,
            1e4,
        ),
        Option(nargs='?', const=100.0),
    ] = 0.0
    wait_s: Annotated[float, Setting('longest wait for a reader of the images', 's', 0, 1e6)] = 5.0


@dataclass(frozen=True)
class RecordOptions(Settings, name='record'):
    """Turn a video or a folder of images into a bag, without ROS."""

    source: Annotated[
        Path,
        Setting('video file, or folder of images'),
        Option('VIDEO_OR_FOLDER', positional=True),
    ]
    out: Annotated[Path, Setting('folder of the new bag'), Option('BAG')]
    start_ns: Annotated[
        int | None,
        Setting(
            'stamp of the first frame, such as 2026-05-01T12:00:00 or seconds since 1970 '
            '(default: now)',
            '',
            0,
            2**31 * 1e9,
        ),
        Option('TIME', read=stamp_ns, names=('--start',)),
    ] = None
    image_topic: Annotated[
        str,
        Setting('topic of the images; JPEG goes to TOPIC/compressed'),
        Option('TOPIC', names=('--topic', '--image-topic')),
    ] = '/camera/front/image_raw'
    camera_info_topic: Annotated[str, Setting('topic of the calibration'), TOPIC] = (
        '/camera/front/camera_info'
    )
    label_topic: Annotated[str, Setting('topic of the masks'), TOPIC] = '/camera/front/labels'
    frame_id: Annotated[str, Setting('coordinate frame of all messages'), Option('NAME')] = (
        'camera_front_optical_frame'
    )
    calibration: Annotated[
        Path | None, Setting('camera calibration, recorded as CameraInfo'), Option('YAML')
    ] = None
    labels: Annotated[
        Path | None, Setting('folder of masks of class ids, named as the frames are'), FOLDER
    ] = None
    rate_hz: Annotated[
        float | None,
        Setting("frames per second (default: the video's own, 20 for a folder)", 'Hz', 1e-3, 1000),
    ] = None
    raw: Annotated[bool, Setting('record pixels instead of JPEG')] = False
    jpeg_quality: Annotated[
        int, Setting('JPEG quality', '', 1, 100), Option(names=('--quality',))
    ] = 95


@dataclass(frozen=True)
class MountOptions(Settings, name='mount'):
    """Camera pose, needed for distances in metres."""

    file: Annotated[
        Path | None,
        Setting('file with height_m and, where they are not 0, pitch_rad and the others'),
        Option('YAML', names=('--mount',)),
    ] = None
    height_m: Annotated[float | None, Setting('height above the ground', 'm', 1e-3, 100)] = None
    pitch_deg: Annotated[float, Setting('pitch; positive looks down', 'deg')] = 0.0
    roll_deg: Annotated[float, Setting('roll; positive lifts the left side', 'deg')] = 0.0
    yaw_deg: Annotated[float, Setting('yaw; positive looks left', 'deg')] = 0.0
    forward_m: Annotated[float, Setting('distance ahead of the vehicle origin', 'm')] = 0.0
    left_m: Annotated[float, Setting('distance left of the vehicle origin', 'm')] = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        others = (self.pitch_deg, self.roll_deg, self.yaw_deg, self.forward_m, self.left_m)
        if self.height_m is None and self.file is None and any(others):
            raise ParameterError(
                '--mount-height', 'nothing', 'metres, as other --mount options are'
            )


@dataclass(frozen=True)
class EvaluationOptions(Settings, name='evaluate'):
    """
    Evaluate bags, videos and image folders, and write a report.

    Called again after an interruption, the same command resumes.
    """

    inputs: Annotated[
        tuple[str, ...],
        Setting('bags, videos and image folders; globs may be quoted'),
        Option('INPUT', positional=True),
    ]
    out: OutFolder
    model: Model = field(default_factory=model_path)
    provider: Provider = 'auto'
    topics: Annotated[tuple[str, ...], Setting('image topics of bags (default: all)'), TOPIC] = ()
    calibration: Annotated[
        Path | None,
        Setting('camera calibration, for inputs that carry no CameraInfo'),
        Option('YAML'),
    ] = None
    mount: MountOptions = MountOptions()
    settings: Annotated[
        Mapping[str, Any],
        Setting(
            'change a rule of docs/parameters.md, such as corridor.ego_mask_share=0.1, or name '
            'the profile, risk_profile=NAME; repeatable'
        ),
        Option('NAME=VALUE', read=named_value, repeat=True, names=('--set',)),
    ] = field(default_factory=dict)
    truth: Annotated[
        str,
        Setting('ground truth: topic or folder of masks of class ids'),
        Option('TOPIC_OR_DIR'),
    ] = ''
    truth_classes: Annotated[
        str,
        Setting("class table of the ground truth, such as camvid_11 (default: the model's)"),
        Option('TABLE'),
    ] = ''
    conditions: Annotated[
        Path | None,
        Setting('conditions of the frames, in columns source,start_s,stop_s,condition'),
        Option('CSV'),
    ] = None
    outputs: Annotated[
        tuple[str, ...],
        Setting(
            f'what to write: some of {", ".join(OUTPUTS)} (default: all); frames.parquet and '
            'summary.json are always written',
            choices=OUTPUTS,
        ),
        Option('WHAT', nargs='*'),
    ] = OUTPUTS
    part_s: Annotated[
        float, Setting('length of the parts that are worked on, and resumed', 's', 1, 1e6)
    ] = 60.0
    fps: Annotated[float, Setting('frame rate of image folders', 'Hz', 1e-3, 1000)] = 10.0
    overlay_width: Annotated[
        int, Setting('width of the overlay video; 0 keeps the input width', 'px', 0, 8192)
    ] = 640
    workers: Annotated[int, Setting('processes that work at once', '', 1)] = 1
    threads: Threads = 0
    ray: Annotated[
        str,
        Setting("address of a Ray cluster to work on; 'local' starts one here"),
        Option('ADDRESS'),
    ] = ''
    baseline: Annotated[
        Path | None,
        Setting('compare with this folder of an earlier evaluation, or with this model file'),
        Option('DIR_OR_FILE'),
    ] = None
    limits: Annotated[
        Mapping[str, float],
        Setting(
            'exit with code 1 when the comparison crosses this, such as miou_drop=1 or '
            'fps_ratio=0.9; repeatable'
        ),
        Option('NAME=VALUE', read=named_number, repeat=True, names=('--limit',)),
    ] = field(default_factory=dict)

    def __post_init__(self) -> None:
        super().__post_init__()
        if 0 < self.overlay_width < 64:
            raise ParameterError('overlay_width', self.overlay_width, '64 to 8192, or 0')
        if self.limits and not self.baseline:
            raise ParameterError('--limit', 'no --baseline', 'one to hold the limit against')


@dataclass(frozen=True)
class InspectOptions(Settings, name='inspect'):
    """Print what a model file says about itself."""

    model: Annotated[Path, MODEL, Option('MODEL', read=model_path, positional=True)] = field(
        default_factory=model_path
    )


@dataclass(frozen=True, kw_only=True)
class NetworkOptions(Settings, name='adapt'):
    """What the file of a network does not say."""

    mean: Annotated[
        tuple[float, float, float],
        Setting('subtracted from the channels, in the order of --color (default: ImageNet)'),
    ] = (0.485, 0.456, 0.406)
    std: Annotated[
        tuple[float, float, float],
        Setting('divides the channels after the mean is subtracted (default: ImageNet)'),
    ] = (0.229, 0.224, 0.225)
    color: Annotated[str, Setting('order of the channels', '', choices=('rgb', 'bgr'))] = 'rgb'
    value_range: Annotated[
        int,
        Setting('scale of mean and std: 1 for 0..1, 255 for 0..255 (default: told by their size)'),
        Option(names=('--range',)),
    ] = 0
    size: Annotated[
        tuple[int, int], Setting('preferred size, for a network that takes any', 'px'), SIZE
    ] = (384, 640)
    size_multiple: Annotated[
        int,
        Setting('width and height must be multiples of this', 'px', 1),
        Option(names=('--multiple',)),
    ] = 32
    output: Annotated[
        str, Setting('name of the output to use (default: the first that fits)'), Option('NAME')
    ] = ''
    name: Annotated[
        str, Setting('name of the model (default: that of the file)'), Option('NAME')
    ] = ''
    temperature: Annotated[
        float, Setting('divides the logits before the softmax of the confidence', '', 1e-3, 1e3)
    ] = 1.0
    label_confidence: Annotated[float, share('of networks that give labels only'), HIDDEN] = 0.6
    data: Annotated[str, Setting('what the network was trained on')] = 'not stated'
    licence: Annotated[str, Setting('licence of the weights')] = 'not stated'

    def __post_init__(self) -> None:
        super().__post_init__()
        if min(self.std) <= 0 or not all(map(isfinite, (*self.mean, *self.std))):
            raise ParameterError('std', self.std, 'three numbers above 0')
        if self.value_range not in (0, 1, 255):
            raise ParameterError('range', self.value_range, '1 or 255')
        if min(self.size) < 1 or any(side % self.size_multiple for side in self.size):
            raise ParameterError('size', self.size, f'multiples of {self.size_multiple}')


@dataclass(frozen=True, kw_only=True)
class AdaptCommandOptions(NetworkOptions):
    """Wrap a segmentation network from elsewhere into a model file."""

    network: Annotated[Path, Setting('the network'), Option('IN.onnx', positional=True)]
    out: Annotated[Path, Setting('model file to write'), Option('OUT.onnx')]
    classes: Annotated[
        str,
        Setting(
            'class table in the order of the outputs: camvid_11, cityscapes_19 and so on, or a '
            'YAML file'
        ),
        Option('TABLE'),
    ]
    image: Annotated[
        Path | None, Setting('street image to check the result on (default: a rendered one)'), FILE
    ] = None


@dataclass(frozen=True)
class DoctorOptions(Settings, name='doctor'):
    """Check this machine and say what to do."""

    model: Model = field(default_factory=model_path)
    quick: Annotated[bool, Setting('leave out the test stream, which takes seconds')] = False
