# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""What a measurement was made with, ROS included."""

from __future__ import annotations

import os

from seg_perception.inference import environment as plain


def environment() -> dict[str, str | int]:
    """Versions and device, for summaries and benchmark records."""
    return plain.environment() | {
        'rclpy': plain.version_of('rclpy'),
        'rmw': _rmw(),
        'ros_distro': os.environ.get('ROS_DISTRO', 'from wheels'),
    }


def _rmw() -> str:
    """The middleware; benchmarks of models and training also run where there is no ROS."""
    try:
        from rclpy.utilities import get_rmw_implementation_identifier
    except ImportError:
        return 'none'
    return str(get_rmw_implementation_identifier())
