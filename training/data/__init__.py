# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Data sets: each kind a small file, opened through ``open_source`` and ``open_frames``."""

from training.data.sources import KINDS, OpenedData, open_frames, open_source, open_val

__all__ = ['KINDS', 'OpenedData', 'open_frames', 'open_source', 'open_val']
