# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""
Checks of this machine: what would stop or slow the node, and what to do about it.

Each check is a generator of findings that needs nothing but what it looks at, so that a missing
part is a line of the report and never the end of it.
"""

from __future__ import annotations

import fcntl
import importlib
import os
import shutil
import subprocess
import time
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

import cv2
import numpy as np
import onnxruntime

from seg_perception.core.errors import SegPerceptionError
from seg_perception.inference.onnx_engine import available_providers
from seg_perception.inference.open_engine import open_engine
from seg_perception.models import model_path
from seg_perception.node.transport import (
    MALLOC_SETTINGS,
    PROFILE_VARIABLES,
    profile_path,
    transport_env,
)

SEGMENT_BYTES = 16 * 2**20  # from here on 1280x720 colour images arrive at 20 Hz
SHM_FREE_BYTES = 256 * 2**20  # some participants with 32 MB each
RMEM_BYTES = 4 * 2**20  # what the profile asks for: one 1280x720 colour image and more
RANGES = ('SUBNET', 'LOCALHOST', 'SYSTEM_DEFAULT', 'OFF')
NO_ROS_FIX = (
    'Source a ROS 2 installation (`source /opt/ros/<distro>/setup.bash`) '
    'or let `make demo` install the wheels into .venv.'
)


class Level(str, Enum):
    """How bad it is."""

    OK = 'OK'
    WARN = 'WARN'  # it runs, but slower or with less
    FAIL = 'FAIL'  # something the package promises will not work


@dataclass(frozen=True)
class Finding:
    """One line of the report; ``fix`` says what to do about it."""

    level: Level
    name: str
    seen: str
    fix: str = ''

    def __str__(self) -> str:
        line = f'{self.level.value:<5} {self.name:<16} {self.seen}'
        return f'{line}\n{"":<23}-> {self.fix}' if self.fix else line


def examine(model: Path | None = None, quick: bool = False) -> Iterator[Finding]:
    """
    Check everything, one finding at a time.

    :param model: the model file to load; the embedded one by default.
    :param quick: leave out the test stream between two processes, which takes some seconds.
    """
    yield check_opencv(cv2.__version__)
    has_ros = True
    for finding in check_ros():
        has_ros &= finding.level is not Level.FAIL
        yield finding
    for check in (check_optional, check_discovery, check_profile, check_malloc):
        yield from check()
    yield from check_shared_memory(Path('/dev/shm'))
    yield check_rmem(Path('/proc/sys/net/core/rmem_max'))
    if has_ros and not quick:
        yield from check_stream()
    yield from check_providers()
    yield check_model(model_path(model or ''))


def report(findings: Iterator[Finding], write: Callable[[str], object] = print) -> int:
    """Write each finding as it comes; 1 when one of them is a FAIL, else 0."""
    levels = []
    for finding in findings:
        write(str(finding))
        levels.append(finding.level)
    warned, failed = levels.count(Level.WARN), levels.count(Level.FAIL)
    write(f'{len(levels)} checks: {warned} warnings, {failed} failures')
    return 1 if failed else 0


def check_opencv(version: str) -> Finding:
    """OpenCV 5 renumbered its types, which cv_bridge answers with a KeyError."""
    if int(version.split('.')[0]) < 5:
        return Finding(Level.OK, 'opencv', version)
    return Finding(
        Level.WARN,
        'opencv',
        f'{version}: cv_bridge fails with it',
        'pip install "opencv-python-headless<5"',
    )


def check_ros() -> Iterator[Finding]:
    """ROS itself, its middleware and our messages."""
    try:
        utilities = importlib.import_module('rclpy.utilities')
    except ImportError as error:
        yield Finding(Level.FAIL, 'ros', f'rclpy does not import ({error})', NO_ROS_FIX)
        return
    yield Finding(Level.OK, 'ros', os.environ.get('ROS_DISTRO') or 'rclpy from wheels')
    yield _check_rmw(utilities.get_rmw_implementation_identifier())
    try:
        message = importlib.import_module('seg_perception_msgs.msg').RoadScene
        message.__class__.__import_type_support__()
        yield Finding(Level.OK, 'messages', 'seg_perception_msgs is built')
    except Exception as error:  # missing package, missing library, wrong Python: all the same here
        yield Finding(
            Level.FAIL,
            'messages',
            f'seg_perception_msgs does not import ({error})',
            'colcon build --base-paths src src/seg_perception/seg_perception_msgs, then source '
            'install/setup.bash; without ROS 2 installed: make demo',
        )


def _check_rmw(rmw: str) -> Finding:
    if rmw.startswith('rmw_fastrtps'):
        return Finding(Level.OK, 'middleware', rmw)
    return Finding(
        Level.WARN,
        'middleware',
        f'{rmw}: the shipped transport profile is for Fast DDS',
        'Tune it for big images by its own manual, or RMW_IMPLEMENTATION=rmw_fastrtps_cpp.',
    )


def check_optional() -> Iterator[Finding]:
    """Packages that add to the node where they are."""
    uses = {
        'vision_msgs': 'the topic label_info',
        'cv_bridge': 'image encodings beyond the usual ones',
        'tf2_msgs': 'the mounts of cameras from TF; parameters can give them',
    }
    for module, use in uses.items():
        try:
            importlib.import_module(module)
            yield Finding(Level.OK, module, 'present')
        except Exception as error:
            yield Finding(
                Level.WARN,
                module,
                f'not there ({error}): the node runs without {use}',
                f'apt install ros-$ROS_DISTRO-{module.replace("_", "-")}',
            )


def check_discovery() -> Iterator[Finding]:
    """Domain id and discovery range: who can see whom."""
    domain = os.environ.get('ROS_DOMAIN_ID', '0')
    if domain.isdigit() and int(domain) <= 101:
        yield Finding(Level.OK, 'domain', f'ROS_DOMAIN_ID {domain}')
    else:
        yield Finding(
            Level.FAIL if not domain.isdigit() or int(domain) > 232 else Level.WARN,
            'domain',
            f'ROS_DOMAIN_ID {domain!r}',
            'Use 0 to 101: above, the ports collide with those the system hands out.',
        )
    reach = os.environ.get('ROS_AUTOMATIC_DISCOVERY_RANGE') or 'SUBNET'
    if reach.upper() not in RANGES:
        fix = f'Use one of {", ".join(RANGES)}.'
        yield Finding(Level.FAIL, 'discovery', f'ROS_AUTOMATIC_DISCOVERY_RANGE {reach!r}', fix)
    elif reach.upper() == 'OFF':
        fix = 'Unset ROS_AUTOMATIC_DISCOVERY_RANGE: with OFF nodes find each other by no means.'
        yield Finding(Level.WARN, 'discovery', reach, fix)
    else:
        yield Finding(Level.OK, 'discovery', reach)


def check_profile() -> Iterator[Finding]:
    """The Fast DDS profile that processes of this shell would get."""
    variable = next((name for name in PROFILE_VARIABLES if os.environ.get(name)), None)
    if variable is None:
        yield Finding(
            Level.WARN,
            'dds profile',
            'none in this shell; our launch files, `run` and `demo` set the shipped one',
            f'Start the camera driver with: export {_profile_setting()}',
        )
        return
    value = os.environ[variable]
    if variable == 'FASTDDS_BUILTIN_TRANSPORTS':
        yield Finding(Level.OK, 'dds profile', f'{variable}={value}, your own choice')
        return
    yield _check_profile_file(Path(value))


def _profile_setting() -> str:
    wanted = transport_env({'ROS_DISTRO': os.environ.get('ROS_DISTRO', '')})
    return next(f'{name}={value}' for name, value in wanted.items() if name in PROFILE_VARIABLES)


def _check_profile_file(path: Path) -> Finding:
    fix = f'Point it at the shipped profile: {profile_path()}'
    try:
        segment = max(
            (
                int(element.text or 0)
                for element in ElementTree.parse(path).iter()
                if element.tag.endswith('segment_size')
            ),
            default=0,
        )
    except (OSError, ElementTree.ParseError, ValueError) as error:
        return Finding(Level.FAIL, 'dds profile', f'{path} cannot be read ({error})', fix)
    seen = f'{path}, shared-memory segment {segment / 2**20:.1f} MB'
    if segment >= SEGMENT_BYTES:
        return Finding(Level.OK, 'dds profile', seen)
    return Finding(Level.WARN, 'dds profile', f'{seen}: too small for 1280x720 images', fix)


def check_malloc() -> Iterator[Finding]:
    """glibc's settings that keep image-sized blocks from being mapped and unmapped each time."""
    missing = [name for name in MALLOC_SETTINGS if not os.environ.get(name)]
    if not missing:
        yield Finding(Level.OK, 'malloc', ', '.join(MALLOC_SETTINGS))
        return
    export = ' '.join(f'{name}={MALLOC_SETTINGS[name]}' for name in missing)
    yield Finding(
        Level.WARN,
        'malloc',
        'default in this shell; our launch files, `run` and `demo` set it',
        f'In your own launch files and for the camera driver: export {export}',
    )


def check_shared_memory(folder: Path) -> Iterator[Finding]:
    """Room for segments, and what killed processes have left behind."""
    if not os.access(folder, os.W_OK):
        fix = f'Mount a tmpfs on {folder}; in Docker use --ipc=host or --shm-size=512m.'
        yield Finding(Level.FAIL, 'shared memory', f'{folder} cannot be written', fix)
        return
    free = shutil.disk_usage(folder).free
    seen = f'{folder} has {free / 2**20:.0f} MB free'
    if free >= SHM_FREE_BYTES:
        yield Finding(Level.OK, 'shared memory', seen)
    else:
        fix = 'Enlarge it (mount -o remount,size=1g /dev/shm; in Docker --shm-size=1g).'
        yield Finding(Level.WARN, 'shared memory', seen, fix)
    stale = [lock for lock in sorted(folder.glob('fast*_el')) if _is_unlocked(lock)]
    if stale:
        fix = 'fastdds shm clean; or, while no ROS runs: rm /dev/shm/*fastdds* /dev/shm/*fastrtps*'
        yield Finding(Level.WARN, 'stale segments', f'{len(stale)} of ended processes', fix)


def _is_unlocked(lock: Path) -> bool:
    # The owner of a Fast DDS segment (fastdds_*, before version 3 fastrtps_*) holds a lock on its
    # _el file for as long as it lives.
    try:
        with lock.open('rb') as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
    except OSError:
        return False


def check_rmem(path: Path) -> Finding:
    """The largest receive buffer of a socket, which images from other machines need."""
    try:
        size = int(path.read_text(encoding='ascii'))
    except (OSError, ValueError) as error:
        return Finding(Level.WARN, 'socket buffers', f'{path} cannot be read ({error})')
    seen = f'net.core.rmem_max {size}'
    if size >= RMEM_BYTES:
        return Finding(Level.OK, 'socket buffers', seen)
    return Finding(
        Level.WARN,
        'socket buffers',
        f'{seen}: images from other machines will be lost',
        f'sudo sysctl -w net.core.rmem_max={RMEM_BYTES} net.core.wmem_max={RMEM_BYTES}',
    )


def check_stream() -> Iterator[Finding]:
    """Send 1280x720 images at 20 Hz with the shipped settings and, if others, with the shell's."""
    from seg_perception.tools.dds_check import Stream, measure_arrival, shipped_environ

    settings = {'test stream': shipped_environ()}
    if os.environ.items() != shipped_environ().items():
        settings['same, this shell'] = dict(os.environ)
    for name, environ in settings.items():
        try:
            arrival = measure_arrival(Stream(), environ)
        except SegPerceptionError as error:
            yield Finding(Level.FAIL, name, str(error))
            continue
        seen = f'{arrival.arrived} of {arrival.sent} images 1280x720 bgr8 at 20 Hz, best effort'
        if arrival.latency_ms:
            seen += f', {float(np.median(arrival.latency_ms)):.1f} ms'
        yield _judge_stream(name, seen, arrival.share, shipped='shell' not in name)


def _judge_stream(name: str, seen: str, share: float, shipped: bool) -> Finding:
    if share >= 0.99:
        return Finding(Level.OK, name, seen)
    if shipped:
        return Finding(
            Level.FAIL, name, seen, 'See shared memory above; is the machine overloaded?'
        )
    return Finding(Level.WARN, name, seen, 'Set what dds profile and malloc above say.')


def check_providers() -> Iterator[Finding]:
    """Whether onnxruntime and the GPU go together, tried and not only listed."""
    built = ', '.join(available_providers())
    yield Finding(Level.OK, 'onnxruntime', f'{onnxruntime.__version__} with {built}')
    gpu = _gpu_name()
    for provider in ('cuda', 'tensorrt'):
        if provider in available_providers():
            yield _check_provider(provider)
    if gpu is None:
        yield Finding(Level.OK, 'gpu', 'no NVIDIA GPU found; the CPU does the work')
    elif 'cuda' in available_providers():
        yield Finding(Level.OK, 'gpu', gpu)
    else:
        fix = 'pip uninstall onnxruntime && pip install "onnxruntime-gpu[cuda,cudnn]"'
        yield Finding(Level.WARN, 'gpu', f'{gpu}, but onnxruntime has no CUDA', fix)


def _gpu_name() -> str | None:
    if shutil.which('nvidia-smi') is None:
        return None
    query = ['nvidia-smi', '--query-gpu=name,driver_version,memory.total', '--format=csv,noheader']
    try:
        answer = subprocess.run(query, capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return '; '.join(answer.stdout.strip().splitlines()) or None


def _check_provider(provider: str) -> Finding:
    try:
        open_engine(model_path(), provider).warm_up()
    except SegPerceptionError as error:
        return Finding(Level.WARN, provider, str(error.seen), error.fix)
    return Finding(Level.OK, provider, 'loads and runs the model')


def check_model(path: Path) -> Finding:
    """The model file loads, and how long it takes for one image here."""
    try:
        engine = open_engine(path)
        engine.warm_up()
        rgb = np.zeros((1, *engine.card.input_size, 3), np.uint8)
        took_ms = []
        for _ in range(5):
            start_s = time.perf_counter()
            engine.run(rgb)
            took_ms.append((time.perf_counter() - start_s) * 1e3)
    except SegPerceptionError as error:
        return Finding(Level.FAIL, 'model', f'{error.thing}: {error.seen}', error.fix)
    height, width = engine.card.input_size
    return Finding(
        Level.OK,
        'model',
        f'{engine.card.name}, {len(engine.card.classes)} classes, {min(took_ms):.1f} ms '
        f'at {width}x{height} on {engine.provider}',
    )
