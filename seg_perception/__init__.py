# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Masks, drivable area and safety risk from camera images, in ROS 2 and without it."""

__version__ = '0.1.0'
