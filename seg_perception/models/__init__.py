# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""The embedded default model, in float and in eight bits; its card in words is ``default.md``."""

from pathlib import Path

EMBEDDED = ('default', 'default.int8')
"""Names that stand for files of this package."""


def model_path(model: str | Path = '') -> Path:
    """
    The file of an embedded model, or the path itself.

    :param model: a name of ``EMBEDDED``, nothing for the first, or a path.
    """
    name = str(model) or EMBEDDED[0]
    if name in EMBEDDED:
        return Path(__file__).with_name(f'{name}.onnx')
    return Path(model).expanduser()
