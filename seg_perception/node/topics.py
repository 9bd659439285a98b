# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""The default camera and its topics, on which source and node meet."""

CAMERA = 'front'
IMAGE_TOPIC = '/camera/front/image_raw'
CAMERA_INFO_TOPIC = '/camera/front/camera_info'
SYNTHETIC = 'synthetic'  # the rendered street in place of a video
