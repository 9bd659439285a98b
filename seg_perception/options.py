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

from seg_perception.command_line import SIZE, Option, named_number, within
from seg_perception.core.errors import ParameterError
from seg_perception.core.settings import HIDDEN, Setting, Settings
from seg_perception.models import EMBEDDED, model_path

OUTPUTS = ('bag', 'video', 'thumbs', 'report')
FILE, FOLDER, TOPIC = Option('FILE'), Option('DIR'), Option('TOPIC')
MODEL_FILE = Option('FILE', read=model_path)
MODEL = Setting(f'model file, or an embedded model: {", ".join(EMBEDDED)} (default: default)')
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
    """
    Play a video or the synthetic street through the node, and record what it answers.

    :param source: video file or image folder to play (default: the synthetic street)
    :param rate_hz: frames per second (default: the video's own, 15 if synthetic)
    :param max_frames: stop after this many frames (default: all, 12 s if synthetic)
    :param max_seconds: stop after this time (default: all, 12 s if synthetic)
    :param size: size of the images (default: as they are)
    :param seed: random seed of the synthetic street
    :param weather: weather of the synthetic street: clear, fog, rain, night, dusk or random
    """

    out: OutFolder = Path('demo_out')
    source: Annotated[str, Option('FILE', names=('--video',))] = 'synthetic'
    model: Model = field(default_factory=model_path)
    provider: Provider = 'auto'
    rate_hz: Annotated[float | None, within(0.001)] = None
    max_frames: Annotated[int | None, within(1), Option(names=('--frames',))] = None
    max_seconds: Annotated[float | None, within(0.001), Option(names=('--seconds',))] = None
    size: Annotated[tuple[int, int] | None, SIZE] = None
    seed: int = 0
    weather: str = 'clear'

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.max_frames and self.max_seconds:
            raise ParameterError('--frames and --seconds', 'both', 'one of them')


@dataclass(frozen=True)
class RunOptions(Settings, name='run'):
    """
    Start the node without `ros2 launch`.

    What is not given here keeps the value of the parameter file, or else the node's default.

    :param model: model file, or the name of an embedded model
    :param image_topic: topic of the camera images
    :param camera_info_topic: topic of the calibration
    :param calibration: file of `seg-perception calibrate` that the camera starts from
    :param params_file: parameters, laid out as in config/params.yaml
    :param video: also play this as the camera, in a loop: a video file, an image folder, a camera
        device or 'synthetic'
    """

    model: Annotated[Path | None, MODEL_FILE] = None
    provider: Annotated[str | None, PROVIDER, Option('NAME')] = None
    image_topic: Annotated[str | None, TOPIC] = None
    camera_info_topic: Annotated[str | None, TOPIC] = None
    calibration: Annotated[Path | None, Option('YAML')] = None
    params_file: Annotated[Path | None, Option('YAML')] = None
    video: Annotated[str | None, Option('SOURCE')] = None


@dataclass(frozen=True)
class SegmentOptions(Settings, name='segment'):
    """
    Segment images, folders and videos without ROS.

    :param inputs: images, folders of images, videos
    :param out: folder for masks, overlays and scenes
    """

    inputs: Annotated[tuple[Path, ...], Option('INPUT', positional=True)]
    out: Annotated[Path, FOLDER]
    model: Model = field(default_factory=model_path)
    provider: Provider = 'auto'
    threads: Threads = 0


@dataclass(frozen=True)
class ReplayOptions(Settings, name='replay'):
    """
    Publish a bag again, each message at its time.

    In a terminal, space pauses, the right arrow steps to the next image and q quits.

    :param bag: rosbag1 file or rosbag2 folder
    :param rate: speed, as a multiple of the recorded one
    :param start_s: skip this much of the beginning of the bag
    :param duration_s: replay this much of the bag (default: up to its end)
    :param loop: start again at the end
    :param topics: publish these topics only (default: all)
    :param remap: publish under other names
    :param clock_hz: publish the bag's time on /clock, for nodes with use_sim_time; 100 Hz without
        a value (default: no clock)
    :param wait_s: longest wait for a reader of the images
    """

    bag: Annotated[Path, Option('BAG', positional=True)]
    rate: Annotated[float, within(0.001, 1000)] = 1.0
    start_s: Annotated[float, within(0, 1e9)] = 0.0
    duration_s: Annotated[float | None, within(0.001, 1e9)] = None
    loop: bool = False
    topics: Annotated[tuple[str, ...], TOPIC] = ()
    remap: Annotated[tuple[str, ...], Option('FROM:=TO')] = ()
    clock_hz: Annotated[float, within(0, 10000), Option(nargs='?', const=100.0)] = 0.0
    wait_s: Annotated[float, within(0, 1e6)] = 5.0


@dataclass(frozen=True)
class RecordOptions(Settings, name='record'):
    """
    Turn a video or a folder of images into a bag, without ROS.

    :param source: video file, or folder of images
    :param out: folder of the new bag
    :param start_ns: stamp of the first frame, such as 2026-05-01T12:00:00 or seconds since 1970
        (default: now)
    :param image_topic: topic of the images; JPEG goes to TOPIC/compressed
    :param camera_info_topic: topic of the calibration
    :param label_topic: topic of the masks
    :param frame_id: coordinate frame of all messages
    :param calibration: camera calibration, recorded as CameraInfo
    :param labels: folder of masks of class ids, named as the frames are
    :param rate_hz: frames per second (default: the video's own, 20 for a folder)
    :param raw: record pixels instead of JPEG
    :param jpeg_quality: JPEG quality
    """

    source: Annotated[Path, Option('VIDEO_OR_FOLDER', positional=True)]
    out: Annotated[Path, Option('BAG')]
    start_ns: Annotated[
        int | None, within(0, 2**31 * 1e9), Option('TIME', read=stamp_ns, names=('--start',))
    ] = None
    image_topic: Annotated[str, Option('TOPIC', names=('--topic', '--image-topic'))] = (
        '/camera/front/image_raw'
    )
    camera_info_topic: Annotated[str, TOPIC] = '/camera/front/camera_info'
    label_topic: Annotated[str, TOPIC] = '/camera/front/labels'
    frame_id: Annotated[str, Option('NAME')] = 'camera_front_optical_frame'
    calibration: Annotated[Path | None, Option('YAML')] = None
    labels: Annotated[Path | None, FOLDER] = None
    rate_hz: Annotated[float | None, within(0.001, 1000)] = None
    raw: bool = False
    jpeg_quality: Annotated[int, within(1, 100), Option(names=('--quality',))] = 95


@dataclass(frozen=True)
class MountOptions(Settings, name='mount'):
    """
    Camera pose, needed for distances in metres.

    :param file: file with height_m and, where they are not 0, pitch_rad and the others
    :param height_m: height above the ground
    :param pitch_deg: pitch; positive looks down
    :param roll_deg: roll; positive lifts the left side
    :param yaw_deg: yaw; positive looks left
    :param forward_m: distance ahead of the vehicle origin
    :param left_m: distance left of the vehicle origin
    """

    file: Annotated[Path | None, Option('YAML', names=('--mount',))] = None
    height_m: Annotated[float | None, within(0.001, 100)] = None
    pitch_deg: float = 0.0
    roll_deg: float = 0.0
    yaw_deg: float = 0.0
    forward_m: float = 0.0
    left_m: float = 0.0

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

    :param inputs: bags, videos and image folders; globs may be quoted
    :param topics: image topics of bags (default: all)
    :param calibration: camera calibration, for inputs that carry no CameraInfo; a file of
        `seg-perception calibrate` also gives what the camera has learned
    :param calibrate: first pass in which the cameras of videos and bags calibrate themselves: off;
        observe: report it only; apply: use it, unless the pose is given by --mount
    :param rectified: whether images are rectified, so that P of CameraInfo holds; auto: those of
        topics named so, such as image_rect
    :param settings: change a rule of docs/parameters.md, such as corridor.ego_mask_share=0.1, or
        name the profile, risk_profile=NAME; repeatable
    :param truth: ground truth: topic or folder of masks of class ids
    :param truth_classes: class table of the ground truth, such as camvid_11 (default: the model's)
    :param conditions: conditions of the frames, in columns source,start_s,stop_s,condition
    :param outputs: what to write: some of bag, video, thumbs, report (default: all);
        frames.parquet and summary.json are always written
    :param part_s: length of the parts that are worked on, and resumed
    :param fps: frame rate of image folders
    :param overlay_width: width of the overlay video; 0 keeps the input width
    :param workers: processes that work at once
    :param ray: address of a Ray cluster to work on; 'local' starts one here
    :param baseline: compare with this folder of an earlier evaluation, or with this model file
    :param limits: exit with code 1 when the comparison crosses this, such as miou_drop=1 or
        fps_ratio=0.9; repeatable
    """

    inputs: Annotated[tuple[str, ...], Option('INPUT', positional=True)]
    out: OutFolder
    model: Model = field(default_factory=model_path)
    provider: Provider = 'auto'
    topics: Annotated[tuple[str, ...], TOPIC] = ()
    calibration: Annotated[Path | None, Option('YAML')] = None
    rectified: Annotated[str, Setting('', choices=('auto', 'yes', 'no'))] = 'auto'
    calibrate: Annotated[str, Setting('', choices=('off', 'observe', 'apply'))] = 'apply'
    mount: MountOptions = MountOptions()
    settings: Annotated[
        Mapping[str, Any], Option('NAME=VALUE', read=named_value, repeat=True, names=('--set',))
    ] = field(default_factory=dict)
    truth: Annotated[str, Option('TOPIC_OR_DIR')] = ''
    truth_classes: Annotated[str, Option('TABLE')] = ''
    conditions: Annotated[Path | None, Option('CSV')] = None
    outputs: Annotated[
        tuple[str, ...], Setting('', choices=OUTPUTS), Option('WHAT', nargs='*')
    ] = OUTPUTS
    part_s: Annotated[float, within(1, 1e6)] = 60.0
    fps: Annotated[float, within(0.001, 1000), Option('HZ')] = 10.0
    overlay_width: Annotated[int, within(0, 8192), Option('PX')] = 640
    workers: Annotated[int, within(1)] = 1
    threads: Threads = 0
    ray: Annotated[str, Option('ADDRESS')] = ''
    baseline: Annotated[Path | None, Option('DIR_OR_FILE')] = None
    limits: Annotated[
        Mapping[str, float],
        Option('NAME=VALUE', read=named_number, repeat=True, names=('--limit',)),
    ] = field(default_factory=dict)

    def __post_init__(self) -> None:
        super().__post_init__()
        if 0 < self.overlay_width < 64:
            raise ParameterError('overlay_width', self.overlay_width, '64 to 8192, or 0')
        if self.limits and not self.baseline:
            raise ParameterError('--limit', 'no --baseline', 'one to hold the limit against')


@dataclass(frozen=True)
class CalibrateOptions(Settings, name='calibrate'):
    """
    Calibrate the cameras of a recorded drive from its images.

    :param source: video or bag of a drive
    :param out: calibration file; its picture (.jpg) and its page (.html) are written beside it.
        The file of each of several cameras has the name of the camera in addition
    :param topics: image topics of a bag (default: all)
    :param calibration: calibration of the lens, for a recording without CameraInfo; without any,
        the horizon and the vanishing point are found, and no angles
    :param camera_height_m: height of the camera above the ground; 0: to be learned
    :param max_seconds: stop after this much of the recording
    """

    source: Annotated[str, Option('VIDEO_OR_BAG', positional=True)]
    out: Annotated[Path, Option('YAML')] = Path('camera.yaml')
    model: Model = field(default_factory=model_path)
    provider: Provider = 'auto'
    topics: Annotated[tuple[str, ...], TOPIC] = ()
    calibration: Annotated[Path | None, Option('YAML')] = None
    camera_height_m: Annotated[float, within(0, 30)] = 0.0
    max_seconds: Annotated[float, within(1, 1e6), Option(names=('--seconds',))] = 120.0
    threads: Threads = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.out.suffix not in ('.yaml', '.yml'):
            raise ParameterError('--out', str(self.out), 'a file that ends in .yaml')


@dataclass(frozen=True)
class InspectOptions(Settings, name='inspect'):
    """Print what a model file says about itself."""

    model: Annotated[Path, MODEL, Option('MODEL', read=model_path, positional=True)] = field(
        default_factory=model_path
    )


@dataclass(frozen=True, kw_only=True)
class NetworkOptions(Settings, name='adapt'):
    """
    What the file of a network does not say.

    :param mean: subtracted from the channels, in the order of --color (default: ImageNet)
    :param std: divides the channels after the mean is subtracted (default: ImageNet)
    :param color: order of the channels
    :param value_range: scale of mean and std: 1 for 0..1, 255 for 0..255 (default: told by their
        size)
    :param size: preferred size, for a network that takes any
    :param size_multiple: width and height must be multiples of this
    :param output: name of the output to use (default: the first that fits)
    :param name: name of the model (default: that of the file)
    :param temperature: divides the logits before the softmax of the confidence
    :param label_confidence: confidence of networks that give labels only, 0..1
    :param data: what the network was trained on
    :param licence: licence of the weights
    """

    mean: tuple[float, float, float] = (0.485, 0.456, 0.406)
    std: tuple[float, float, float] = (0.229, 0.224, 0.225)
    color: Annotated[str, Setting('', choices=('rgb', 'bgr'))] = 'rgb'
    value_range: Annotated[int, Option(names=('--range',))] = 0
    size: Annotated[tuple[int, int], SIZE] = (384, 640)
    size_multiple: Annotated[int, within(1), Option('PX', names=('--multiple',))] = 32
    output: Annotated[str, Option('NAME')] = ''
    name: Annotated[str, Option('NAME')] = ''
    temperature: Annotated[float, within(0.001, 1000)] = 1.0
    label_confidence: Annotated[float, within(0, 1), HIDDEN] = 0.6
    data: str = 'not stated'
    licence: str = 'not stated'

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
    """
    Wrap a segmentation network from elsewhere into a model file.

    :param network: the network
    :param out: model file to write
    :param classes: class table in the order of the outputs: camvid_11, cityscapes_19 and so on, or
        a YAML file
    :param image: street image to check the result on (default: a rendered one)
    """

    network: Annotated[Path, Option('IN.onnx', positional=True)]
    out: Annotated[Path, Option('OUT.onnx')]
    classes: Annotated[str, Option('TABLE')]
    image: Annotated[Path | None, FILE] = None


@dataclass(frozen=True)
class DoctorOptions(Settings, name='doctor'):
    """
    Check this machine and say what to do.

    :param quick: leave out the test stream, which takes seconds
    """

    model: Model = field(default_factory=model_path)
    quick: bool = False
