# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""The embedded models, in float and in eight bits; their cards in words lie beside them."""

from pathlib import Path

EMBEDDED = {
    'default': 'default.onnx',
    'default.int8': 'default.int8.onnx',
    'street': 'street.onnx',  # of 16 classes, with lane marking and the own vehicle
    'street.int8': 'street.int8.onnx',
    'free': 'default_free.onnx',  # of data whose terms allow a product
    'free.int8': 'default_free.int8.onnx',
}
"""Names that stand for files of this package."""


def model_path(model: str | Path = '') -> Path:
    """
    The file of an embedded model, or the path itself.

    :param model: a name of ``EMBEDDED``, nothing for ``default``, or a path.
    """
    file = EMBEDDED.get(str(model) or 'default')
    return Path(__file__).with_name(file) if file else Path(model).expanduser()
