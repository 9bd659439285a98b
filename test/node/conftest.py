# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
from ros_fixtures import graph, start_node, tiny_path

__all__ = ['graph', 'start_node', 'tiny_path']
