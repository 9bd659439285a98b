# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""A calibration file as ROS writes it."""

CALIBRATION = """\
image_width: 320
image_height: 240
camera_name: test
camera_matrix: {rows: 3, cols: 3, data: [300.0, 0.0, 160.0, 0.0, 310.0, 120.0, 0.0, 0.0, 1.0]}
distortion_model: plumb_bob
distortion_coefficients: {rows: 1, cols: 5, data: [0.1, -0.2, 0.001, 0.002, 0.0]}
rectification_matrix: {rows: 3, cols: 3, data: [1, 0, 0, 0, 1, 0, 0, 0, 1]}
projection_matrix: {rows: 3, cols: 4, data: [290, 0, 161, 0, 0, 305, 121, 0, 0, 0, 1, 0]}
"""
