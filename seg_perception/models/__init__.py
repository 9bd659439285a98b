# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""The embedded default model; its card in words is ``default.md``."""

from pathlib import Path


def default_model_path() -> Path:
    """The model file that is used where none is named."""
    return Path(__file__).with_name('default.onnx')
