# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""
Eight-bit model files: static quantisation by onnxruntime, calibrated on frames.

Activations are unsigned and weights signed with a scale for each channel, which is what x86
processors with VNNI multiply fast (onnxruntime's default, both signed, gains nothing there). The
steps after the network stay in float32.
"""

from __future__ import annotations

import contextlib
import io
import logging
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import onnx
from onnxruntime.quantization import (
    CalibrationDataReader,
    CalibrationMethod,
    QuantFormat,
    QuantType,
    quantize_static,
)

from seg_perception.inference.model_file import INPUT_NAME
from training.export.files import network_nodes

CALIBRATIONS = {
    'min-max': (CalibrationMethod.MinMax, {}),
    'percentile': (CalibrationMethod.Percentile, {'CalibPercentile': 99.99}),
    'entropy': (CalibrationMethod.Entropy, {}),
}
"""Ways to choose the range of a tensor from its values on the frames, the quickest first."""

OPERATORS = (
    *('Conv', 'ConvTranspose', 'MatMul', 'Gemm', 'Add', 'Mul', 'Concat', 'Split', 'Slice'),
    *('Relu', 'LeakyRelu', 'Clip', 'Sigmoid', 'Resize', 'MaxPool', 'AveragePool'),
    *('GlobalAveragePool', 'Pad', 'Reshape', 'Transpose', 'Squeeze', 'Unsqueeze', 'Flatten'),
)
"""Operators that may run in eight bits; normalisation by a map's own statistics may not."""

FEW_CHANNELS = 4  # of an input that onnxruntime convolves faster in float32 than in eight bits


def quantise(
    model: onnx.ModelProto, frames: Sequence[np.ndarray], calibration: str
) -> onnx.ModelProto:
    """
    The network of an exported model in eight bits.

    :param frames: to calibrate on, each (h, w, 3) uint8 of a size that the model takes.
    :param calibration: one of ``CALIBRATIONS``.
    """
    method, options = CALIBRATIONS[calibration]
    inside = set(network_nodes(model)) - _image_readers(model)
    outside = [node.name for node in model.graph.node if node.name not in inside]
    with tempfile.TemporaryDirectory() as folder, _quiet():
        whole, small = Path(folder) / 'float.onnx', Path(folder) / 'int8.onnx'
        onnx.save(model, str(whole))
        quantize_static(
            whole,
            small,
            _Frames(frames),
            QuantFormat.QDQ,
            per_channel=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            op_types_to_quantize=list(OPERATORS),
            nodes_to_exclude=outside,
            calibrate_method=method,
            # One frame at a time: the tensors of all frames together fill the memory.
            extra_options={'CalibStridedMinMax': 1, **options},
        )
        return onnx.load(str(small))


def _image_readers(model: onnx.ModelProto) -> set[str]:
    """Names of the convolutions of the image; in eight bits they are slower than in float32."""
    shapes = {weight.name: weight.dims for weight in model.graph.initializer}
    names = set()
    for node in model.graph.node:
        if node.op_type == 'Conv' and node.input[1] in shapes:
            groups = next((a.i for a in node.attribute if a.name == 'group'), 1)
            if shapes[node.input[1]][1] * groups <= FEW_CHANNELS:
                names.add(node.name)
    return names


class _Frames(CalibrationDataReader):
    """Frames as the calibration asks for them: a part, one after the other."""

    def __init__(self, frames: Sequence[np.ndarray]) -> None:
        self._frames, self._part = frames, iter(range(len(frames)))

    def __len__(self) -> int:
        return len(self._frames)

    def set_range(self, start_index: int, end_index: int) -> None:
        self._part = iter(range(start_index, end_index))

    def get_next(self) -> dict[str, np.ndarray] | None:
        index = next(self._part, None)
        return None if index is None else {INPUT_NAME: self._frames[index][None]}


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Without advice that does not apply here, and the histogram's progress on standard output."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            yield
    finally:
        logging.disable(before)
