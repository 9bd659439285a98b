# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Scores of networks and model files on labelled frames, and the files that show them."""
