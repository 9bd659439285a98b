# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""
The environment that makes big images arrive between processes, and cheaply.

Fast DDS reads its profile when the first participant starts, glibc its malloc settings when the
process starts: both belong in the environment of a process before it runs.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

# What a user may have set to choose transports; any of them wins over the shipped profile.
PROFILE_VARIABLES = (
    'FASTDDS_DEFAULT_PROFILES_FILE',
    'FASTRTPS_DEFAULT_PROFILES_FILE',
    'FASTDDS_BUILTIN_TRANSPORTS',
)

# Keeps image-sized blocks in the heap. By default glibc maps and unmaps each one, and the page
# faults cost more than the transport: 7.4 ms against 1.1 for a 720p round trip.
MALLOC_SETTINGS = {'MALLOC_MMAP_THRESHOLD_': '268435456', 'MALLOC_TRIM_THRESHOLD_': '1073741824'}


SHM = Path('/dev/shm')
SHM_BYTES = 200 * 2**20  # for three processes with segments of 32 MB each, and what is in use


def profile_path(shm: Path = SHM) -> Path:
    """
    The shipped Fast DDS profile: package data in the folder of this file.

    Where shared memory is small, as the 64 MB of Docker, the one with small segments.
    """
    is_small = shm_bytes(shm)[0] < SHM_BYTES
    return Path(__file__).with_name('fastdds_small.xml' if is_small else 'fastdds.xml')


def shm_bytes(shm: Path = SHM) -> tuple[int, int]:
    """Size of shared memory and what of it is free; 0 where there is none."""
    try:
        usage = shutil.disk_usage(shm)
    except OSError:
        return 0, 0
    return usage.total, usage.free


def shm_problem(shm: Path = SHM) -> str:
    """Why big images may be lost in shared memory, and the fix; empty where there is enough."""
    total, free = shm_bytes(shm)
    if free >= SHM_BYTES:
        return ''
    size = f'{shm} has {free / 2**20:.0f} MB free of {total / 2**20:.0f}'
    return f'{size}: enlarge it (docker run --shm-size=512m; mount -o remount,size=1g {shm}).'


def transport_env(environ: Mapping[str, str] | None = None) -> dict[str, str]:
    """Variables to add to ``environ``, or to this process, without those that are set already."""
    present = os.environ if environ is None else environ
    wanted = dict(MALLOC_SETTINGS)
    if not any(present.get(name) for name in PROFILE_VARIABLES):
        wanted[_profile_variable(present)] = str(profile_path())
    return {name: value for name, value in wanted.items() if not present.get(name)}


def ensure_transport(arguments: Sequence[str] | None = None) -> None:
    """
    Start this process anew, as ``python *arguments``, where a transport setting is missing.

    glibc reads its settings at the start of a process, so setting them later does nothing.

    :param arguments: those that this process was started with when None.
    """
    arguments = sys.orig_argv[1:] if arguments is None else arguments
    missing = transport_env()
    if missing:
        sys.stdout.flush()
        os.execve(sys.executable, [sys.executable, *arguments], os.environ | missing)
    if shm_bytes()[0] < SHM_BYTES:
        print(f'big images may be lost: {shm_problem()}', file=sys.stderr)


def loss_hint() -> str:
    """What to do where images are published and none arrives."""
    setting = f'{_profile_variable(os.environ)}={profile_path()}'
    own = next((name for name in PROFILE_VARIABLES if os.environ.get(name)), '')
    is_ours = os.environ.get(own) == str(profile_path())
    who = 'its driver' if is_ours or not own else f'its driver and, in place of {own}, this node'
    return f'if it sends images, they are lost on the way: start {who} with {setting}'


def _profile_variable(environ: Mapping[str, str]) -> str:
    # Fast DDS 2.6 of Humble knows only the old name; newer ones warn about it.
    old = environ.get('ROS_DISTRO') == 'humble'
    return 'FASTRTPS_DEFAULT_PROFILES_FILE' if old else 'FASTDDS_DEFAULT_PROFILES_FILE'
