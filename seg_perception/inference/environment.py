# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""What a measurement was made with."""

from __future__ import annotations

import os
import platform
from importlib import metadata
from pathlib import Path

import cv2
import numpy as np
import onnxruntime


def environment() -> dict[str, str | int]:
    """Versions and device, for summaries and benchmark records."""
    return {
        'python': platform.python_version(),
        'numpy': np.__version__,
        'opencv': cv2.__version__,
        'onnxruntime': onnxruntime.__version__,
        'torch': version_of('torch'),
        'platform': platform.platform(),
        'cpu': _cpu_name(),
        'cores': len(os.sched_getaffinity(0)),
    }


def version_of(distribution: str) -> str:
    """The version of an installed package, ``none`` where it is not installed."""
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return 'none'


def _cpu_name() -> str:
    try:
        lines = Path('/proc/cpuinfo').read_text(encoding='utf-8').splitlines()
    except OSError:
        return platform.machine()
    names = (line.split(':', 1)[1].strip() for line in lines if line.startswith('model name'))
    return next(names, platform.machine())


def has_gpu() -> bool:
    """Whether this machine has a GPU of NVIDIA: a card, a Jetson, or that of Windows below."""
    devices = ('nvidiactl', 'nvidia0', 'nvhost-gpu', 'nvgpu', 'dxg')
    return any(Path('/dev', device).exists() for device in devices)
